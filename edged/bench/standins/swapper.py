"""Swapper stand-in: inswapper's contract, painting the source's pattern on the target.

Knows the contract: target [1, 3, 128, 128] RGB 0..1, source [1, 512], output RGB 0..1,
and the 512 x 512 `buff2fs` that no node reads and that is the last initializer.  The
source's pattern is recovered from the latent, so that a swapped face *is* recognised as
the source; a small styled residual (reflect padding, instance norm taken apart, style
from the source) keeps the operators in it that runtimes stumble over.
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.bench.standins.faces import BRIGHTEST, CELLS
from edged.bench.standins.recogniser import MIDDLE, WIDTH, projection
from edged.faces import Floats
from edged.onnx_writer import Graph

SIZE_PX = 128
EMAP_GAIN = 3.0
"""The map's scale.  Not 1, so that a host that forgets the norm after it is found out."""

_RESIDUAL = 0.01
_STYLE_SCALE = 17.7
"""Typical norm of the recogniser stand-in's vectors, which the latent has lost: std of the
pattern (0.158 after normalisation) x sqrt(98) cells x 0.5 x sqrt(512)."""


def emap() -> Floats:
    """(512, 512) turn times 3, the map from embedding to latent before normalisation."""
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.standard_normal((WIDTH, WIDTH)))
    return (turn * EMAP_GAIN).astype(np.float32)


def build(width: int = 8, blocks: int = 2) -> onnx.ModelProto:
    """The model, `inswapper_128` by contract.

    Args:
        width: channels of the residual branch.
        blocks: its length; both scale the cost.
    """
    graph = Graph()
    painted = _paint(graph)
    value, channels = "target", 3
    rng = np.random.default_rng(4)
    for _ in range(blocks):
        value = _styled_block(graph, value, channels, width, rng)
        channels = width
    weights = rng.standard_normal((3, width)).astype(np.float32) / np.sqrt(width)
    residual = graph.scaled(graph.op("Tanh", graph.mix(value, weights)), _RESIDUAL)
    total = graph.op("Add", painted, residual)
    graph.op("Clip", total, graph.constant(0.0), graph.constant(1.0), to="output")
    graph.constant(emap(), "buff2fs")
    picture = (1, 3, SIZE_PX, SIZE_PX)
    return graph.model(
        "inswapper_128", {"target": picture, "source": (1, WIDTH)}, {"output": picture}
    )


def _paint(graph: Graph) -> str:
    """The target with red and blue replaced by the source's pattern."""
    back = (emap() / EMAP_GAIN).T @ np.linalg.pinv(projection()) * _STYLE_SCALE  # (512, 98)
    values = graph.op(
        "Gemm", "source", graph.constant(back / 2), graph.constant(np.full(98, (MIDDLE + 1) / 2))
    )
    bounded = graph.op("Clip", values, graph.constant(0.0), graph.constant(BRIGHTEST / 255))
    cells = graph.op("Reshape", bounded, graph.constant([1, 2, CELLS, CELLS]))
    scale = graph.constant(np.array([1, 1, 16, 16], np.float32))
    wide = graph.op(
        "Resize",
        cells,
        "",
        scale,
        mode="nearest",
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    edge = (SIZE_PX - 112) // 2  # the 112 px crop lies in the middle of the 128 px one
    pads = graph.constant([0, 0, edge, edge, 0, 0, edge, edge])
    planes = graph.op("Pad", wide, pads, mode="edge")
    first, second, third = (graph.constant([i]) for i in range(3))
    step = graph.constant([1])
    red = graph.op("Slice", planes, first, second, step)
    blue = graph.op("Slice", planes, second, third, step)
    green = graph.op("Slice", "target", second, third, step)
    return graph.op("Concat", red, green, blue, axis=1)


def _styled_block(
    graph: Graph, value: str, channels: int, width: int, rng: np.random.Generator
) -> str:
    """Reflect pad, 3 x 3 convolution, instance norm in parts, style, ReLU."""

    def styled(bias: float) -> str:
        weights = rng.standard_normal((WIDTH, width)).astype(np.float32)
        flat = graph.op(
            "Gemm", "source", graph.constant(weights), graph.constant(np.full(width, bias))
        )
        return graph.op("Reshape", flat, graph.constant([1, width, 1, 1]))

    kernel = rng.standard_normal((width, channels, 3, 3)) / np.sqrt(channels * 9)
    padded = graph.op("Pad", value, graph.constant([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect")
    mixed = graph.op("Conv", padded, graph.constant(kernel))
    centred = graph.op("Sub", mixed, graph.op("ReduceMean", mixed, axes=[2, 3], keepdims=1))
    power = graph.op("ReduceMean", graph.op("Mul", centred, centred), axes=[2, 3], keepdims=1)
    spread = graph.op("Sqrt", graph.moved(power, 1e-8))
    normed = graph.op("Div", centred, spread)
    return graph.op("Relu", graph.op("Add", graph.op("Mul", normed, styled(1.0)), styled(0.0)))
