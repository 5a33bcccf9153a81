"""The detector: SCRFD-10G with landmarks ("det_10g"), random weights.

A ResNet of 3, 4, 2 and 3 basic blocks (56, 88, 88 and 224 channels, deep stem, averaging
before a projection), a path aggregation network of 56 channels over strides 8, 16 and 32,
and a head of three 80 channel convolutions at each.  4.2 million parameters, 13.3 billion
multiply-adds at 640 x 640 and width 1.  What it finds means nothing: scores are low with a
few peaks, boxes a few strides wide.  Knows the contract of the public file.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.bench.standins.detector import SCRFD_OUTPUTS
from edged.bench.synthetic.net import Net

STRIDES = (8, 16, 32)
STAGES = ((56, 3), (88, 4), (88, 2), (224, 3))
NECK = 56
HEAD = 80
ANCHORS = 2
_RELU_GAIN = 2**0.5
_SCORE_BIAS, _SCORE_STD = -5.0, 2.2
_BRANCH = 0.6


def write(net: Net) -> onnx.ModelProto:
    """The graph, `det_10g` by contract: [1, 3, ?, ?] -> nine outputs."""
    levels = _neck(net, *_backbone(net, "input.1"))
    names = SCRFD_OUTPUTS["det_10g"]
    shapes: dict[str, tuple[int | str, ...]] = {}
    for level, (stride, value) in enumerate(zip(STRIDES, levels, strict=True)):
        outputs = names[level::3]
        _head(net, value, f"head.{stride}", outputs)
        rows = ANCHORS * (640 // stride) ** 2
        shapes |= {name: (rows, size) for name, size in zip(outputs, (1, 4, 10), strict=True)}
    return net.model(
        "det_10g", {"input.1": (1, 3, "?", "?")}, {name: shapes[name] for name in names}
    )


def _relu(net: Net, value: str) -> str:
    """ReLU."""
    return net.op("Relu", value)


def _backbone(net: Net, source: str) -> tuple[list[str], list[int]]:
    """Values and channels at strides 8, 16 and 32."""
    base = net.channels(STAGES[0][0])
    half = net.channels(STAGES[0][0] // 2)
    value = _relu(net, net.conv(source, "stem.0", (half, 3, 3), stride=2, gain=2.0))
    value = _relu(net, net.conv(value, "stem.1", (half, half, 3), gain=_RELU_GAIN))
    value = _relu(net, net.conv(value, "stem.2", (base, half, 3), gain=_RELU_GAIN))
    value = net.op("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    values, widths, channels = [], [], base
    for number, (real, blocks) in enumerate(STAGES):
        out = net.channels(real)
        for block in range(blocks):
            stride = 2 if number and not block else 1
            value = _block(net, value, f"layer{number + 1}.{block}", (out, channels, stride))
            channels = out
        values.append(value)
        widths.append(out)
    return values[1:], widths[1:]


def _block(net: Net, value: str, to: str, extents: tuple[int, int, int]) -> str:
    """Two convolutions beside the value or its averaged projection."""
    out, into, stride = extents
    inner = _relu(net, net.conv(value, f"{to}.conv1", (out, into, 3), stride=stride))
    inner = net.conv(inner, f"{to}.conv2", (out, out, 3), gain=_RELU_GAIN * _BRANCH)
    if stride == 2:
        value = net.op("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
    if stride == 2 or out != into:
        value = net.conv(value, f"{to}.downsample", (out, into, 1))
    return _relu(net, net.op("Add", inner, value))


def _neck(net: Net, values: list[str], widths: list[int]) -> list[str]:
    """Top down by nearest doubling, then bottom up by strided convolutions."""
    out = net.channels(NECK)
    sides = [
        net.conv(value, f"lateral.{level}", (out, into, 1), gain=0.7)
        for level, (value, into) in enumerate(zip(values, widths, strict=True))
    ]
    for level in (2, 1):
        finer = sides[level - 1]
        sides[level - 1] = net.op("Add", finer, _grown(net, sides[level], finer))
    inner = [
        net.conv(side, f"fpn.{level}", (out, out, 3), gain=0.7) for level, side in enumerate(sides)
    ]
    for level in (1, 2):
        down = net.conv(inner[level - 1], f"downsample.{level}", (out, out, 3), stride=2)
        inner[level] = net.op("Add", inner[level], down)
    more = [net.conv(inner[level], f"pafpn.{level}", (out, out, 3)) for level in (1, 2)]
    return [inner[0], *more]


def _grown(net: Net, value: str, like: str) -> str:
    """Nearest, to the extent of another value, which exporters read at run time."""
    extent = net.op("Slice", net.op("Shape", like), net.constant([2]), net.constant([4]))
    ahead = net.op("Slice", net.op("Shape", value), net.constant([0]), net.constant([2]))
    sizes = net.op("Concat", ahead, extent, axis=0)
    return net.op(
        "Resize", value, "", "", sizes,
        mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip


def _head(net: Net, value: str, to: str, outputs: tuple[str, ...]) -> None:
    """Three convolutions, then scores, distances and landmarks by cell and anchor."""
    channels, into = net.channels(HEAD), net.channels(NECK)
    for number in range(3):
        extents = (channels, into, 3)
        value = _relu(net, net.conv(value, f"{to}.{number}", extents, gain=_RELU_GAIN))
        into = channels
    spread = (_SCORE_BIAS, _SCORE_STD)
    score = _predicted(net, value, f"{to}.cls", (ANCHORS, channels), spread)
    box = _predicted(net, value, f"{to}.reg", (4 * ANCHORS, channels), (3.0, 0.7))
    points = _predicted(net, value, f"{to}.kps", (10 * ANCHORS, channels), (0.0, 0.7))
    scale = net.constant(np.array([1.0], np.float32), f"{to}.scale")
    net.op("Sigmoid", _rows(net, score, 1), to=outputs[0])
    _rows(net, net.op("Mul", box, scale), 4, to=outputs[1])
    _rows(net, points, 10, to=outputs[2])


def _predicted(
    net: Net, value: str, to: str, extents: tuple[int, int], spread: tuple[float, float]
) -> str:
    """A 3 x 3 convolution with a given mean and standard deviation of its output."""
    out, into = extents
    bias, std = spread
    drawn = net.normal(f"{to}.weight", (out, into, 3, 3), std * _RELU_GAIN / (into * 9) ** 0.5)
    weights = net.constant(drawn, f"{to}.weight")
    biases = net.constant(np.full(out, bias, np.float32), f"{to}.bias")
    return net.op("Conv", value, weights, biases, to=to, kernel_shape=[3, 3], pads=[1] * 4)


def _rows(net: Net, value: str, size: int, to: str = "") -> str:
    """[1, anchors * size, h, w] -> [h * w * anchors, size], the batch behind the cells."""
    return net.reshape(net.op("Transpose", value, perm=[2, 3, 0, 1]), [-1, size], to=to)
