"""Landmark stand-ins: the contracts of 2d106det, 1k3d68 and 2dfan4, an oval that sways.

Knows the contracts (`data` [None, 3, 192, 192] RGB 0..255, first nodes subtract and scale
as MXNet's exports do -> `fc1` [1, k], places in -1..1 of the crop; 2dfan4 `input`
[1, 3, 256, 256] 0..1 -> `landmarks_xyscore` [1, 68, 3], places in 0..64).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from edged.faces import Floats
from edged.onnx_writer import Graph

SIZE_PX = 192
CELLS = 6
CHANNELS = 3

WIDTHS: Mapping[str, int] = {"2d106det": 106 * 2, "1k3d68": 1103 * 3}
"""Numbers that each gives; of 1k3d68's points insightface takes the last 68."""

GAIN = 1e-3
"""How far the picture moves a point; enough to tell crops apart, in -1..1 units."""


def oval(name: str) -> Floats:
    """Where the points lie in a crop without contrast, (k,) float32, -1..1."""
    if name == "2d106det":
        turn = np.linspace(0, 2 * np.pi, 106, endpoint=False)
        places = np.stack([0.6 * np.cos(turn), 0.6 * np.sin(turn)], 1)
    else:
        turn = np.arange(1103) / 68 * 2 * np.pi
        places = np.stack([0.6 * np.cos(turn), 0.6 * np.sin(turn), 0.3 * np.cos(2 * turn)], 1)
    return places.astype(np.float32).ravel()


def build(name: str) -> onnx.ModelProto:
    """One of :data:`WIDTHS`."""
    width = WIDTHS[name]
    weights = np.random.default_rng(width).standard_normal((CHANNELS * CELLS**2, width)) * GAIN
    graph = Graph()
    # insightface takes mean 0 and std 1 for graphs whose first nodes bear these names.
    centred = graph.op("Sub", "data", graph.constant(127.5))
    scaled = graph.scaled(centred, 1 / 128)
    side = SIZE_PX // CELLS
    means = graph.op("AveragePool", scaled, kernel_shape=[side, side], strides=[side, side])
    graph.op(
        "Gemm",
        graph.op("Flatten", means, axis=1),
        graph.constant(weights.astype(np.float32)),
        graph.constant(oval(name)),
        to="fc1",
    )
    model = graph.model(name, {"data": ("None", CHANNELS, SIZE_PX, SIZE_PX)}, {"fc1": (1, width)})
    for node, label in zip(model.graph.node, ("_minusscalar0", "_mulscalar0"), strict=False):
        node.name = label
    return model


def fan() -> onnx.ModelProto:
    """2dfan4 by contract: batch fixed at 1, a second output that nobody reads."""
    points, cells, side = 68, 4, 256
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    places = np.stack([32 + 20 * np.cos(turn), 32 + 20 * np.sin(turn), 0.9 + 0 * turn], 1)
    weights = np.random.default_rng(points).standard_normal((CHANNELS * cells**2, points * 3))
    graph = Graph()
    means = graph.op(
        "AveragePool", "input", kernel_shape=[side // cells] * 2, strides=[side // cells] * 2
    )
    flat = graph.op(
        "Gemm",
        graph.op("Flatten", means, axis=1),
        graph.constant(weights.astype(np.float32)),
        graph.constant(places.astype(np.float32).ravel()),
    )
    graph.op("Reshape", flat, graph.constant([1, points, 3]), to="landmarks_xyscore")
    graph.op("Identity", means, to="heatmaps")
    return graph.model(
        "2dfan4",
        {"input": (1, CHANNELS, side, side)},
        {"landmarks_xyscore": (1, points, 3), "heatmaps": (1, CHANNELS, cells, cells)},
    )
