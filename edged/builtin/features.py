"""Graph nodes that turn a crop's colours into features: shading and background set aside.

Knows log colours, a wide blur and what skin looks like.  Knows neither recogniser nor
swapper, which both begin with these nodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edged.builtin import basis
from edged.builtin.mask import inner_face_mask
from edged.onnx_writer import Graph

# Log lightness over which a pixel passes from feature to skin.
_LEAN = 0.08


def features(g: Graph, rgb: str, size: int) -> tuple[str, str, str, str]:
    """Nodes from colours to features.

    Args:
        g: graph to add to.
        rgb: name of (n, 3, size, size) RGB, 0..1.
        size: 112 (a source) or 128 px (a target).

    Returns:
        Names of the log opponent colours; of their distance from shading; of the same
        with what is far from skin bounded, all (n, 3, size, size) and the last two zero
        outside the inner face; and of the cover (n, 1, size, size), see `skin_cover`.
    """
    logs = g.mix(g.op("Log", g.moved(rgb, basis.LOG_OFFSET)), basis.OPPONENT)
    weighted = g.scaled(logs, basis.cheeks(size))
    skin = g.op("ReduceSum", weighted, g.constant([2, 3]), keepdims=1)
    # Hair, background and glints are not features: bound what is far from skin.
    limit = basis.LIMITS[None, :, None, None]
    away = g.op("Sub", logs, skin)
    bounded = g.scaled(g.op("Tanh", g.scaled(away, 1.0 / limit)), limit)
    mask = g.constant(inner_face_mask(size))
    spread = g.constant(basis.blur(size))
    back = g.constant(basis.blur(size).T)
    blurred = g.sandwich(spread, g.op("Mul", bounded, mask), back)
    average = g.scaled(blurred, basis.shading_weight(size))
    # Eyes, brows and mouth are darker than the average about them, skin is lighter: a
    # second average leans on the lighter pixels, so that skin is what has no features.
    luma, _ = channels(g, g.op("Sub", bounded, average))
    lean = g.op("Mul", g.op("Sigmoid", g.scaled(luma, 1.0 / _LEAN)), mask)
    above = g.sandwich(spread, g.op("Mul", bounded, lean), back)
    shading = g.op("Div", above, g.moved(g.sandwich(spread, lean, back), 1e-2))
    raw = g.op("Mul", g.op("Sub", away, shading), mask)
    calm = g.op("Mul", g.op("Sub", bounded, shading), mask)
    return logs, raw, calm, skin_cover(g, away)


# How far from the skin's log colours still counts as skin: lightness leaves room for shade.
_SKIN_SPREAD = np.array([0.8, 0.22, 0.30], np.float32)
# Holes up to 19 px are closed (an eye with its brow), then 1 px more is taken off.
_CLOSE_PX, _ERODE_PX, _SOFTEN_PX = 19, 21, 7


def skin_cover(g: Graph, apart: str) -> str:
    """Where a crop is face (n, 1, h, w), 0..1, rather than wall, hair or hand.

    Pixels of the skin's colour, with the holes that eyes, brows and mouth leave closed.
    `apart` is the difference from the skin in log opponent colours (n, 3, h, w).
    """

    def pooled(value: str, kind: str, side: int) -> str:
        more: dict[str, Any] = {"count_include_pad": 0} if kind == "AveragePool" else {}
        pads = [side // 2] * 4
        return g.op(kind, value, kernel_shape=[side] * 2, pads=pads, strides=[1, 1], **more)

    squares = g.scaled(g.op("Mul", apart, apart), _SKIN_SPREAD[None, :, None, None] ** -2.0)
    distance = g.op("ReduceSum", squares, g.constant([1]), keepdims=1)
    alike = pooled(g.op("Exp", g.scaled(distance, -0.5)), "AveragePool", 3)
    closed = pooled(alike, "MaxPool", _CLOSE_PX)
    eroded = g.scaled(pooled(g.scaled(closed, -1.0), "MaxPool", _ERODE_PX), -1.0)
    soft = pooled(pooled(eroded, "AveragePool", _SOFTEN_PX), "AveragePool", _SOFTEN_PX)
    # Half alike is alike enough.
    return g.op("Clip", g.moved(g.scaled(soft, 2.2), -0.4), g.constant(0.0), g.constant(1.0))


# Bounds of `coupling`, red/green and blue/green: from none to that of strong warm film.
_SLOPE_LOW, _SLOPE_HIGH = np.array([-0.8, 0.0]), np.array([0.0, 0.6])


def coupling(g: Graph, feature: str) -> str:
    """How far colours follow lightness (n, 2, 1, 1) in one crop's features (n, 3, h, w).

    Skin gets redder from light into shade, and by how much depends on light and camera:
    it is the slope of a line through the origin, fitted to all pixels.
    """
    luma, colours = channels(g, feature)
    both = g.op("ReduceSum", g.op("Mul", luma, colours), g.constant([2, 3]), keepdims=1)
    square = g.op("ReduceSum", g.op("Mul", luma, luma), g.constant([2, 3]), keepdims=1)
    slope = g.op("Div", both, g.moved(square, 1e-2))
    low, high = (g.constant(bound[None, :, None, None]) for bound in (_SLOPE_LOW, _SLOPE_HIGH))
    return g.op("Min", g.op("Max", slope, low), high)


def channels(g: Graph, value: str) -> tuple[str, str]:
    """Lightness (n, 1, h, w) and both colour differences (n, 2, h, w)."""
    start, stop, axis = g.constant([0]), g.constant([1]), g.constant([1])
    luma = g.op("Slice", value, start, stop, axis)
    return luma, g.op("Slice", value, stop, g.constant([3]), axis)
