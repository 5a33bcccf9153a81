"""The built-in restorer: a gentle sharpening with the contract of GFPGAN files.

Knows two blurs and a limit on how far a pixel may move, which is what keeps edges from
growing halos.  Knows no trained weights and no faces.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from edged.onnx_writer import Graph, Shape

SIZE = 512
FINE_SIGMA_PX, WIDE_SIGMA_PX = 2.2, 6.0
FINE_GAIN, WIDE_GAIN = 0.9, 0.35
LIMIT = 0.10
"""Largest change, of a range of -1..1; soft, so that strong edges gain least."""


def _kernel(sigma: float) -> NDArray[np.float64]:
    """One-dimensional Gaussian of three sigmas, sum 1."""
    reach = int(np.ceil(3 * sigma))
    axis = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (axis / sigma) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float64)


def _blur(g: Graph, value: str, sigma: float) -> str:
    """Separable blur of (n, 1, h, w), borders mirrored."""
    kernel = _kernel(sigma)
    reach = len(kernel) // 2
    pads = g.constant([0, 0, reach, reach, 0, 0, reach, reach])
    padded = g.op("Pad", value, pads, mode="reflect")
    down = g.op("Conv", padded, g.constant(kernel[None, None, :, None]))
    return g.op("Conv", down, g.constant(kernel[None, None, None, :]))


def build() -> onnx.ModelProto:
    """The model: `input` and `output` (n, 3, 512, 512) RGB (x / 255 - 0.5) / 0.5."""
    g = Graph()
    luma = g.mix("input", np.array([[0.299, 0.587, 0.114]], np.float32))
    fine = g.op("Sub", luma, _blur(g, luma, FINE_SIGMA_PX))
    wide = g.op("Sub", luma, _blur(g, luma, WIDE_SIGMA_PX))
    change = g.op("Add", g.scaled(fine, FINE_GAIN), g.scaled(wide, WIDE_GAIN))
    limited = g.scaled(g.op("Tanh", g.scaled(change, 1 / LIMIT)), LIMIT)
    bounds = g.constant(-1.0), g.constant(1.0)
    g.op("Clip", g.op("Add", "input", limited), *bounds, to="output")
    shape: Shape = ["n", 3, SIZE, SIZE]
    return g.model("builtin_restorer", {"input": shape}, {"output": shape})
