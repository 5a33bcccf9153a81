"""RestoreFormer++'s public architecture with random weights.

VQ encoder, nearest entry of a codebook of 1024 by distance, VQ decoder whose attention at 16
and 32 px asks with the encoder's features, 8 heads.  73.6 million
parameters at width 1.  The public export has fourteen further
outputs, a quantiser's and intermediate values, which are given here, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto

from edged.bench.standins.restorers import CONTRACTS
from edged.bench.synthetic.calibrate import PICTURE_STD, measure, retune
from edged.bench.synthetic.crops import tensor
from edged.bench.synthetic.net import Net
from edged.bench.synthetic.vq import CODES, VqLayers, places

SIZE_PX = 512
LOUD = 200.0
ASKED = (16, 32)
_PLACES = 256

_ENCODED = {512: "x", 256: "x.3", 128: "x.7", 64: "x.11", 32: "x.15"}
_DECODED = {128: "input.252", 256: "input.280", 512: "input.288"}
"""Outputs that are features, by extent; which of the network's they are in the public file
is not known."""


def write(net: Net) -> onnx.ModelProto:
    """The graph, `restoreformer_plus_plus` by contract."""
    layers = VqLayers(net, LOUD, heads=8)
    features: dict[int, str] = {}
    code = layers.encoder("input", seen=features.__setitem__)
    found, quantiser = _quantised(net, code, layers.code)
    decoded: dict[int, str] = {}

    def kept(side: int, value: str) -> str:
        decoded[side] = value
        return value

    asked = {side: features[side] for side in ASKED}
    gain = layers.code**0.5
    picture = layers.decoder(found, gain=gain, blocks=3, fuse=kept, query=asked)
    net.rename(picture, "2359")
    taps = dict(quantiser) | {"input.1": (1, layers.code, 16, 16)}
    net.rename(code, "input.1")
    for names, values in ((_ENCODED, features), (_DECODED, decoded)):
        for side, name in names.items():
            net.rename(values[side], name)
            taps[name] = (1, layers.channels[side], side, side)
    outputs: dict[str, Sequence[int | str]] = {"2359": (1, 3, SIZE_PX, SIZE_PX)}
    outputs |= {name: taps[name] for name in CONTRACTS["restoreformer_plus_plus"].taps}
    return net.model(
        "restoreformer_plus_plus",
        {"input": (1, 3, SIZE_PX, SIZE_PX)},
        outputs,
        {"onnx::Shape_1184": TensorProto.INT64},
    )


def settle(model: onnx.ModelProto) -> None:
    """Give the picture its mean and spread."""
    feeds = {"input": tensor(SIZE_PX, 0, 127.5, 127.5)}
    retune(model, "decoder.out", PICTURE_STD, measure(model, feeds, ["2359"])["2359"])


def _quantised(net: Net, code: str, channels: int) -> tuple[str, dict[str, tuple[int, ...]]]:
    """The nearest codebook entry of each place, and the quantiser's own outputs' extents."""
    line = net.normal("codebook", (1, channels), channels**-0.5)  # of length 1, about
    book = places()[:, None] * line
    last = net.op("Transpose", code, perm=[0, 2, 3, 1])
    rows = net.reshape(last, [-1, channels])
    squares = net.op("Pow", rows, net.constant(2.0))
    own = net.op("ReduceSum", squares, net.constant([1]), keepdims=1)
    theirs = net.constant((book**2).sum(1))
    product = net.op("MatMul", rows, net.constant(np.ascontiguousarray(book.T)))
    both = net.op("Add", own, theirs)
    net.op("Sub", both, net.scaled(product, 2.0), to="onnx::ArgMin_1182")
    nearest = net.op("ArgMin", "onnx::ArgMin_1182", axis=1, keepdims=0)
    net.op("Unsqueeze", nearest, net.constant([1]), to="onnx::Shape_1184")
    depth, values = net.constant(np.int64(CODES)), net.constant(np.array([0, 1], np.float32))
    net.op("OneHot", nearest, depth, values, axis=1, to="onnx::MatMul_1198")
    found = net.op("MatMul", "onnx::MatMul_1198", net.constant(book, "codebook"))
    placed = net.reshape(found, [1, 16, 16, channels])
    # Mean distance of the code from its entries, and how many entries are in use.
    apart = net.op("Sub", placed, last)
    net.op("ReduceMean", net.op("Mul", apart, apart), keepdims=0, to="1228")
    used = net.op("ReduceMean", "onnx::MatMul_1198", axes=[0], keepdims=0)
    entropy = net.op("Mul", used, net.op("Log", net.moved(used, 1e-10)))
    total = net.op("ReduceSum", entropy, net.constant([0]), keepdims=0)
    net.op("Exp", net.op("Neg", total), to="1238")
    extents: dict[str, tuple[int, ...]] = {
        "onnx::ArgMin_1182": (_PLACES, CODES),
        "onnx::Shape_1184": (_PLACES, 1),
        "onnx::MatMul_1198": (_PLACES, CODES),
        "1228": (),
        "1238": (),
    }
    return net.op("Transpose", placed, perm=[0, 3, 1, 2]), extents
