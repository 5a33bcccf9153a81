"""Exposure and white balance of a frame, as the sensor gave it.

Exposure is judged where it matters, on the faces, and by clipping and highlights rather than
by the mean: a well-lit dark face is darker than a badly lit pale one.  White balance is
judged on everything but faces: skin says more about people than about the light.
Knows pixels; knows no thresholds of advice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edged.faces import Boxes, Floats, Image
from edged.geometry import grow

FULL, EMPTY = 254, 3
"""Grey levels from and to which a channel has no more to say."""

_LOOKED_AT_PX = 320
"""Long side of what statistics are taken of; pixels are picked, since means hide clipping."""

_FACES_GROWN = 1.5
_CORE = slice(30, 106), slice(22, 90)
"""Rows and columns of a 112 px ArcFace crop between hair, ears and chin."""


@dataclass(frozen=True)
class FrameLight:
    """A frame's light.

    Attributes:
        mean: luma, 0..255.
        clipped: share of pixels with a full channel.
        black: share of pixels that are black.
        world: (log2 R/G, log2 B/G) of the mean colour in linear light (grey world).
        edges: the same of the mean differences between neighbours (grey edge, van de
            Weijer 2007), which one large coloured wall does not move.
    """

    mean: float
    clipped: float
    black: float
    world: tuple[float, float]
    edges: tuple[float, float]


@dataclass(frozen=True)
class FaceLight:
    """One face's light.

    Attributes:
        mean: luma of brows to chin, 0..255.
        dark, bright: its 5th and 95th percentile.
        clipped: share of pixels with a full channel.
        sides: log2 of the left half's light over the right half's.
    """

    mean: float
    dark: float
    bright: float
    clipped: float
    sides: float


def frame_light(frame: Image, faces: Boxes) -> FrameLight:
    """Measure a frame, (h, w, 3) uint8 BGR, that shows faces at (n, 4) px."""
    step = max(1, max(frame.shape[:2]) // _LOOKED_AT_PX)
    picked = np.ascontiguousarray(frame[::step, ::step])
    luma = cv2.cvtColor(picked, cv2.COLOR_BGR2GRAY)
    most, least = picked.max(axis=2), picked.min(axis=2)
    useful = (most < FULL) & (least > EMPTY)
    for box in faces:
        x1, y1, x2, y2 = (int(v) for v in np.clip(grow(box, _FACES_GROWN) / step, 0, 1e5))
        useful[y1 : y2 + 1, x1 : x2 + 1] = False
    linear = _LINEAR[picked]
    return FrameLight(
        mean=float(luma.mean()),
        clipped=float((most >= FULL).mean()),
        black=float((most <= EMPTY).mean()),
        world=_tint(linear[useful]),
        edges=_tint(_differences(linear, useful)),
    )


def face_light(crop: Image) -> FaceLight:
    """Measure a face by its (112, 112, 3) uint8 BGR ArcFace crop."""
    core = np.ascontiguousarray(crop[_CORE])
    luma = cv2.cvtColor(core, cv2.COLOR_BGR2GRAY)
    dark, bright = (float(v) for v in np.percentile(luma, (5, 95)))
    linear = _LINEAR[luma].astype(np.float64)
    middle = luma.shape[1] // 2
    left, right = linear[:, :middle].mean(), linear[:, middle:].mean()
    return FaceLight(
        mean=float(luma.mean()),
        dark=dark,
        bright=bright,
        clipped=float((core.max(axis=2) >= FULL).mean()),
        sides=float(np.log2((left + 1e-4) / (right + 1e-4))),
    )


def tint_name(tint: Sequence[float]) -> str:
    """What a cast looks like: "warm", "cool", "green" or "magenta"."""
    red, blue = tint
    if (red > 0) == (blue > 0):
        return "magenta" if red > 0 else "green"
    return "warm" if red > blue else "cool"


def _table() -> Floats:
    """(256,) float32: sRGB grey levels in linear light (IEC 61966-2-1), 0..1."""
    level = np.arange(256) / 255
    curved = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return np.asarray(curved, np.float32)


_LINEAR = _table()


def _differences(linear: Floats, useful: np.ndarray) -> Floats:
    """(n, 3) absolute differences to the right and lower neighbour, where both are useful."""
    across = np.abs(linear[:, 1:] - linear[:, :-1])[useful[:, 1:] & useful[:, :-1]]
    down = np.abs(linear[1:] - linear[:-1])[useful[1:] & useful[:-1]]
    return np.concatenate([across, down])


def _tint(values: Floats) -> tuple[float, float]:
    """log2 R/G and B/G of the mean of (n, 3) BGR; 0, 0 of nothing."""
    if len(values) < 100:
        return 0.0, 0.0
    blue, green, red = (float(v) + 1e-5 for v in values.mean(axis=0))
    return float(np.log2(red / green)), float(np.log2(blue / green))
