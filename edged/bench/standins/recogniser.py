"""Recogniser stand-in: ArcFace's contract, reading the pattern of a drawn face.

Knows the contract ([None, 3, 112, 112] RGB (x - 127.5) / 127.5 -> [1, 512], not
normalised, norm about 20 as w600k_r50 gives).
"""

from __future__ import annotations

import numpy as np
import onnx

from edged.bench.standins.faces import BRIGHTEST, CELLS
from edged.faces import Floats
from edged.onnx_writer import Graph

WIDTH = 512
"""Length of the vector."""

MIDDLE = BRIGHTEST / 2 / 127.5 - 1
"""Mean of the pattern's values after normalisation; subtracted, so that two identities
are about orthogonal."""


def projection() -> Floats:
    """(98, 512): cell means of red, then of blue, onto the vector."""
    rng = np.random.default_rng(1)
    return (rng.standard_normal((2 * CELLS * CELLS, WIDTH)) * 0.5).astype(np.float32)


def build() -> onnx.ModelProto:
    """The model, `w600k_r50` by contract."""
    weights = np.zeros((3, CELLS * CELLS, WIDTH), np.float32)
    weights[[0, 2]] = projection().reshape(2, CELLS * CELLS, WIDTH)
    middle = np.full((3, CELLS * CELLS), MIDDLE, np.float32)
    middle[1] = 0
    graph = Graph()
    means = graph.op("AveragePool", "input.1", kernel_shape=[16, 16], strides=[16, 16])
    flat = weights.reshape(-1, WIDTH)
    graph.op(
        "Gemm",
        graph.op("Flatten", means, axis=1),
        graph.constant(flat),
        graph.constant(-middle.reshape(-1) @ flat),
        to="683",
    )
    return graph.model("w600k_r50", {"input.1": ("None", 3, 112, 112)}, {"683": (1, WIDTH)})
