"""The restorer with a fidelity input: CodeFormer's public architecture, random weights.

VQ encoder, nine transformer layers of 512 features and 8 heads over 16 x 16 places, a
codebook of 1024, VQ decoder, and at four extents a block that fuses the encoder's features
in by the fidelity `w`.  94 million parameters at width 1.  Activations reach about 12,000.
Knows the contract of the public file: `x` float32, `w` float64 [1], `y`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from edged.bench.synthetic import transformer
from edged.bench.synthetic.calibrate import PICTURE_STD, measure, retune
from edged.bench.synthetic.crops import tensor
from edged.bench.synthetic.net import LEAKY_GAIN, Net
from edged.bench.synthetic.vq import VqLayers, places
from edged.faces import Floats

SIZE_PX = 512
FUSED = (32, 64, 128, 256)
LOUD = 900.0
"""Of the streams at width 1: the largest values come near 12,000.  Narrow networks have
longer tails and are made quieter."""

_CALM = 0.4
"""1 / what a stream has grown to where it is fused."""

_WIDTH, _HIDDEN = 512, 1024
_EPSILON = 1e-5


def write(net: Net) -> onnx.ModelProto:
    """The graph, `codeformer` by contract."""
    layers = VqLayers(net, LOUD * net.width**0.5)
    features: dict[int, str] = {}
    code = layers.encoder("x", seen=features.__setitem__)
    found = _styled(net, _lookup(net, code, layers.code), code)
    fidelity = net.to_float("w")

    def fuse(side: int, value: str) -> str:
        if side not in FUSED:
            return value
        return _fused(layers, side, features[side], value, fidelity)

    net.rename(layers.decoder(found, fuse=fuse), "y")
    picture = (1, 3, SIZE_PX, SIZE_PX)
    return net.model(
        "codeformer", {"x": picture, "w": (1,)}, {"y": picture}, {"w": TensorProto.DOUBLE}
    )


def settle(model: onnx.ModelProto) -> None:
    """Give the picture its mean and spread."""
    feeds = {"x": tensor(SIZE_PX, 0, 127.5, 127.5), "w": np.array([0.5])}
    retune(model, "decoder.out", PICTURE_STD, measure(model, feeds, ["y"])["y"])


def _lookup(net: Net, code: str, channels: int) -> str:
    """The codebook's entries at the places where the transformer finds them."""
    width, hidden = net.channels(_WIDTH), net.channels(_HIDDEN)
    flat = net.reshape(code, [1, channels, transformer.PLACES])
    tokens = net.op("Transpose", flat, perm=[2, 0, 1])
    tokens = transformer.dense(net, tokens, "feat_emb", (channels, width), 1.0)
    tokens = transformer.write(net, tokens, width, hidden)
    normed = transformer.layer_norm(net, tokens, "idx_pred.norm", width, fixed=True)
    logits = net.op("MatMul", normed, net.constant(_predictor(net, width), "idx_pred.weight"))
    likely = net.op("Softmax", net.op("Transpose", logits, perm=[1, 0, 2]), axis=2)
    index = net.op("ArgMax", likely, axis=2, keepdims=0)
    book = places()[:, None] * net.normal("codebook", (1, channels), 1.0)
    entries = net.op("Gather", net.constant(book, "codebook"), index, axis=0)  # (1, 256, c)
    placed = net.reshape(entries, [1, 16, 16, channels])
    return net.op("Transpose", placed, perm=[0, 3, 1, 2])


def _predictor(net: Net, width: int) -> Floats:
    """(width, 1024) weights whose largest product is the entry next to a random projection.

    With s the projection and t the entries' places: 2 s t - t^2, the square on the feature
    that is always 1.
    """
    line = places()
    weights = net.normal("idx_pred.weight", (width, 1), 2 / width**0.5) * line
    weights[0] = -(line**2)
    return weights


def _styled(net: Net, value: str, like: str) -> str:
    """Mean and spread of each channel made those of another value."""

    def moments(source: str) -> tuple[str, str]:
        mean = net.op("ReduceMean", source, axes=[2, 3], keepdims=1)
        centred = net.op("Sub", source, mean)
        squares = net.op("Mul", centred, centred)
        power = net.op("ReduceMean", squares, axes=[2, 3], keepdims=1)
        # PyTorch divides by the places less one.
        unbiased = net.scaled(power, transformer.PLACES / (transformer.PLACES - 1))
        return centred, net.op("Sqrt", net.moved(unbiased, _EPSILON))

    centred, spread = moments(value)
    plain = net.op("Div", centred, spread)
    mean = net.op("ReduceMean", like, axes=[2, 3], keepdims=1)
    return net.op("Add", net.op("Mul", plain, moments(like)[1]), mean)


def _fused(layers: VqLayers, side: int, encoded: str, decoded: str, fidelity: str) -> str:
    """Decoded + w (decoded x scale + shift), both from the two streams."""
    net, channels, loud = layers.net, layers.channels[side], layers.loud
    to = f"fuse.{side}"
    both = net.op("Concat", encoded, decoded, axis=1)
    inner = layers.residual(both, f"{to}.encode", channels, 2 * channels)

    def twice(part: str, spread: float, factor: float) -> str:
        extents = (channels, channels, 3)
        # The stream's factor is taken back here, and given again to the shift.
        value = net.conv(inner, f"{to}.{part}.0", extents, gain=_CALM * LEAKY_GAIN, undo=loud)
        gain = spread * LEAKY_GAIN
        return net.conv(net.leaky(value), f"{to}.{part}.1", extents, gain=gain, factor=factor)

    scale, shift = twice("scale", 0.2, 1.0), twice("shift", 0.4, loud)
    residual = net.op("Add", net.op("Mul", decoded, scale), shift)
    return net.op("Add", decoded, net.op("Mul", fidelity, residual))
