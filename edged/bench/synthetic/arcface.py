"""The recogniser: InsightFace's IResNet50, random weights.

3, 4, 14 and 3 blocks of 64, 128, 256 and 512 channels; batch norms after convolutions are
folded into them, as exporters do, those before them are not.  43.6 million parameters, 6.3
billion multiply-adds at width 1.  Knows the contract of w600k_r50.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from edged.bench.synthetic.calibrate import measure
from edged.bench.synthetic.crops import tensor
from edged.bench.synthetic.net import Net
from edged.faces import Floats

SIZE_PX = 112
LENGTH = 512
STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))
"""Channels and blocks; the first block of a stage halves."""

NORM = 20.0
"""Length of the embeddings, about that of the public network's."""

EPSILON = 1e-5
_SLOPE = 0.25
_BRANCH = 0.5
"""Standard deviation that a block adds to a stream that began with 1."""

_FACES = 4
"""Crops that the last norm's means are taken over, so that faces differ."""


def write(net: Net) -> onnx.ModelProto:
    """The graph, `w600k_r50` by contract."""
    channels = net.channels(STAGES[0][0])
    value = _prelu(net, net.conv("input.1", "stem", (channels, 3, 3), gain=2.0), channels)
    power = 1.0
    for number, (real, blocks) in enumerate(STAGES):
        out = net.channels(real)
        for block in range(blocks):
            to = f"layer{number + 1}.{block}"
            stride = 1 if block else 2
            value = _block(net, value, to, (out, channels, stride), power)
            power = 1.0 if stride == 2 else power + _BRANCH**2
            channels = out
    value = _norm(net, value, "bn2", np.full(channels, power, np.float32))
    cells = channels * (SIZE_PX // 16) ** 2
    flat = net.op("Flatten", value, axis=1)
    zero = np.zeros(LENGTH, np.float32)
    linear = net.linear(flat, "fc", (LENGTH, cells), 1 / cells**0.5, zero)
    _norm(net, linear, "features", np.ones(LENGTH, np.float32), to="683")
    return net.model("w600k_r50", {"input.1": ("None", 3, SIZE_PX, SIZE_PX)}, {"683": (1, LENGTH)})


def settle(model: onnx.ModelProto) -> None:
    """Give the last norm the means and the spread that a few crops show."""
    faces = np.concatenate([tensor(SIZE_PX, n, 127.5, 127.5) for n in range(_FACES)])
    _centre(model, measure(model, {"input.1": faces}, ["fc"])["fc"])


def _block(net: Net, value: str, to: str, extents: tuple[int, int, int], power: float) -> str:
    """Norm, convolution, PReLU, convolution, added to the value or its projection.

    Args:
        net: what it is written to.
        value: what it reads.
        to: stem of the names.
        extents: channels out and in, stride.
        power: second moment of the value.
    """
    out, into, stride = extents
    inner = _norm(net, value, f"{to}.bn1", np.full(into, power, np.float32))
    inner = _prelu(net, net.conv(inner, f"{to}.conv1", (out, into, 3)), out)
    # After PReLU half of the second moment and a sixteenth of the other half are left.
    gain = _BRANCH * (2 / (1 + _SLOPE**2)) ** 0.5
    inner = net.conv(inner, f"{to}.conv2", (out, out, 3), stride=stride, gain=gain, bias=0.02)
    if stride == 2:
        gain = (1 - _BRANCH**2) ** 0.5 / power**0.5
        value = net.conv(
            value, f"{to}.downsample", (out, into, 1), stride=2, pad=0, gain=gain, bias=0.02
        )
    return net.op("Add", inner, value)


def _prelu(net: Net, value: str, channels: int) -> str:
    """PReLU with a slope a channel."""
    slope = net.normal(f"{value}.slope", (channels, 1, 1), 0.05, _SLOPE)
    return net.op("PRelu", value, net.constant(slope, f"{value}.slope"))


def _norm(net: Net, value: str, name: str, variance: Floats, to: str = "") -> str:
    """Batch normalization with fixed statistics."""
    like = np.ones_like(variance)
    arrays = {"weight": like, "bias": like * 0, "running_mean": like * 0, "running_var": variance}
    names = [net.constant(array, f"{name}.{part}") for part, array in arrays.items()]
    return net.op("BatchNormalization", value, *names, to=to, epsilon=EPSILON)


def _centre(model: onnx.ModelProto, seen: Floats) -> None:
    """The last norm's means and spread from what it reads, (faces, length)."""
    digits = np.float32(2**10)
    mean = np.rint(seen.mean(0) * digits) / digits
    variance = float(f"{seen.var(0, ddof=1).mean() / (NORM**2 / LENGTH):.3g}")
    for initializer in model.graph.initializer:
        if initializer.name == "features.running_mean":
            values = mean
        elif initializer.name == "features.running_var":
            values = np.full(LENGTH, variance, np.float32)
        else:
            continue
        initializer.CopyFrom(numpy_helper.from_array(values.astype(np.float32), initializer.name))
