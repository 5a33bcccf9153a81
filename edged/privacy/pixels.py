"""Has a face region really changed?  Correlation tests on aligned crops.

A recogniser is blind to what a person still sees: mosaic, inversion, a light blur and an
eye bar push its cosine far away.  So pixels are compared as well, in two ways, both with
the sign ignored, since an inverted face is as good as the face.
Knows two crops of one face; knows no models and no bounds.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from edged.faces import Floats, Image

CORE_112 = (24, 34, 88, 106)
"""x1, y1, x2, y2 of brows, eyes, nose and mouth on a 112 px ArcFace crop; inside every
swap mask, so that each pixel of it must come from the swap."""

COARSE_PX = 10
"""Side of the low-passed core, after which its quadratic surface (the light) is removed.
Of sides 6 to 16, with planes, quadratics and a generic face removed, this parted best:
swaps stayed at 0.56 or less, a mosaic of 16 px blocks on a 128 px crop (8 blocks a face)
began at 0.60, weaker mosaics, blurs, mirror images and inversion at 0.68 or more
(7 faces, 63 swaps; `calibration/guard.toml` holds the bound)."""

PARTS = 4
"""The core is cut into so many by so many parts for the untouched test."""

STILL = 0.985
"""|correlation| from which a part counts as untouched (a gain or a shift of brightness
does not change a correlation)."""


def coarse_correlation(before: Image, after: Image) -> float:
    """|Normalised correlation| of the low-passed cores, the light removed.

    Taken as they are and with one of them mirrored, the larger of the two: a mirrored
    face is the face.

    Args:
        before: (112, 112, 3) uint8 BGR, aligned crop of the input.
        after: the same crop of the output.

    Returns:
        0 (unrelated, or flat) to 1 (same or inverted).
    """
    a, b = _coarse(before), _coarse(after)
    mirrored = b.reshape(COARSE_PX, COARSE_PX)[:, ::-1].reshape(-1)
    return max(abs(_correlation(a, b)), abs(_correlation(a, mirrored)))


def untouched_share(before: Image, after: Image) -> float:
    """Share of the core's parts that are the input's pixels but for gain and offset.

    Args and crops as in :func:`coarse_correlation`.

    Returns:
        0 (every part differs) to 1.  A part that is flat in the output counts as
        changed; one that is flat in the input only counts as changed when it is not
        flat in the output.
    """
    a, b = _parts(_core_luma(before)), _parts(_core_luma(after))
    a = a - a.mean(axis=1, keepdims=True)
    b = b - b.mean(axis=1, keepdims=True)
    power_a = np.einsum("ij,ij->i", a, a)
    power_b = np.einsum("ij,ij->i", b, b)
    product = np.abs(np.einsum("ij,ij->i", a, b))
    floor = a.shape[1] / 16  # as in `_correlation`: under a quarter grey level is flat
    still = (
        (power_a >= floor)
        & (power_b >= floor)
        & (product >= STILL * np.sqrt(power_a) * np.sqrt(power_b))
    )
    return float(still.mean())


def _parts(luma: Floats) -> Floats:
    """(h, w) -> (PARTS * PARTS, pixels of a part); the core's sides divide by PARTS."""
    height, width = luma.shape
    cut = luma.reshape(PARTS, height // PARTS, PARTS, width // PARTS)
    return cut.transpose(0, 2, 1, 3).reshape(PARTS * PARTS, -1)


def _core_luma(crop: Image) -> Floats:
    x1, y1, x2, y2 = CORE_112
    core = np.ascontiguousarray(crop[y1:y2, x1:x2])
    return np.asarray(cv2.cvtColor(core, cv2.COLOR_BGR2GRAY), np.float32)


def _coarse(crop: Image) -> Floats:
    """(COARSE_PX**2,) float32: low-passed core without its quadratic surface."""
    small = cv2.resize(_core_luma(crop), (COARSE_PX, COARSE_PX), interpolation=cv2.INTER_AREA)
    flat = small.reshape(-1)
    return np.asarray(flat - _light() @ (_light().T @ flat), np.float32)


@lru_cache(maxsize=1)
def _light() -> Floats:
    """(COARSE_PX**2, 6) float32 orthonormal basis of 1, x, y, x*x, x*y, y*y."""
    ys, xs = np.mgrid[:COARSE_PX, :COARSE_PX] / (COARSE_PX - 1) * 2 - 1
    x, y = xs.ravel(), ys.ravel()
    basis = np.stack([np.ones(x.size), x, y, x * x, x * y, y * y], 1)
    return np.asarray(np.linalg.qr(basis)[0], np.float32)


def _correlation(a: Floats, b: Floats) -> float:
    """Normalised correlation; 0 where either is flat (under a quarter grey level)."""
    a = a - a.mean()
    b = b - b.mean()
    power_a, power_b = float(a @ a), float(b @ b)
    floor = a.size / 16
    if power_a < floor or power_b < floor:
        return 0.0
    return float(a @ b) / float(np.sqrt(power_a * power_b))
