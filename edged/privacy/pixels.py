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

COARSE_PX = 16
"""Side of the low-passed core: 4 px cells, so that a mosaic of 8 px blocks and a blur of
4 px leave it nearly as it was, while another face does not."""

PARTS = 4
"""The core is cut into so many by so many parts for the untouched test."""

STILL = 0.985
"""|correlation| from which a part counts as untouched (a gain or a shift of brightness
does not change a correlation)."""


def coarse_correlation(before: Image, after: Image) -> float:
    """|Normalised correlation| of the low-passed cores, illumination planes removed.

    Args:
        before: (112, 112, 3) uint8 BGR, aligned crop of the input.
        after: the same crop of the output.

    Returns:
        0 (unrelated, or flat) to 1 (same or inverted).
    """
    return abs(_correlation(_coarse(before), _coarse(after)))


def untouched_share(before: Image, after: Image) -> float:
    """Share of the core's parts that are the input's pixels but for gain and offset.

    Args and crops as in :func:`coarse_correlation`.

    Returns:
        0 (every part differs) to 1.  A part that is flat in the output counts as
        changed; one that is flat in the input only counts as changed when it is not
        flat in the output.
    """
    a, b = _core_luma(before), _core_luma(after)
    still = 0
    rows = np.array_split(np.arange(a.shape[0]), PARTS)
    columns = np.array_split(np.arange(a.shape[1]), PARTS)
    for r in rows:
        for c in columns:
            part_a = a[r[0] : r[-1] + 1, c[0] : c[-1] + 1]
            part_b = b[r[0] : r[-1] + 1, c[0] : c[-1] + 1]
            still += abs(_correlation(part_a.ravel(), part_b.ravel())) >= STILL
    return still / PARTS**2


def _core_luma(crop: Image) -> Floats:
    x1, y1, x2, y2 = CORE_112
    core = np.ascontiguousarray(crop[y1:y2, x1:x2])
    return np.asarray(cv2.cvtColor(core, cv2.COLOR_BGR2GRAY), np.float32)


def _coarse(crop: Image) -> Floats:
    """(COARSE_PX**2,) float32: low-passed core without mean and linear gradient."""
    small = cv2.resize(_core_luma(crop), (COARSE_PX, COARSE_PX), interpolation=cv2.INTER_AREA)
    flat = small.reshape(-1)
    return np.asarray(flat - _plane() @ (_plane().T @ flat), np.float32)


@lru_cache(maxsize=1)
def _plane() -> Floats:
    """(COARSE_PX**2, 3) float32 orthonormal basis of 1, x and y."""
    ys, xs = np.mgrid[:COARSE_PX, :COARSE_PX]
    basis = np.stack([np.ones(xs.size), xs.ravel(), ys.ravel()], 1).astype(np.float64)
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
