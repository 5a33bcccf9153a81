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
from numpy.typing import NDArray

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

MOUTH_112 = (31, 78, 81, 112)
"""x1, y1, x2, y2 on the same crop: what a scene that keeps the mouth may leave of the input.
Its left, right and upper edges are those of cells of the low-passed core, and it is the
mirror image of itself.  Such a face is compared twice, with it and without, and both must
be within the bounds: with it alone an inverted face round its own mouth correlates 0.53 where
0.82 is the least otherwise, without it alone a mosaic of 16 px blocks 0.57 where 0.61 is.
Compared so, 61 of 63 swaps with their mouth kept pass (63 with it swapped), and each of 13
attacks on each of 7 faces fails, with and without it."""

LEAST_SHARE = 0.25
"""A part of which less is compared is not counted."""

STILL = 0.985
"""|correlation| from which a part counts as untouched (a gain or a shift of brightness
does not change a correlation)."""


def still_shows(
    before: Image, after: Image, coarse_max: float, untouched_max: float, *, mouth_kept: bool
) -> bool:
    """Whether a crop of the output exceeds a bound: as a whole, or but for a kept mouth.

    Args:
        before: (112, 112, 3) uint8 BGR, aligned crop of the input.
        after: the same crop of the output.
        coarse_max: of :func:`coarse_correlation`.
        untouched_max: of :func:`untouched_share`.
        mouth_kept: whether the mouth is meant to be the input's.
    """
    return any(
        coarse_correlation(before, after, spare_mouth=spare) > coarse_max
        or untouched_share(before, after, spare_mouth=spare) > untouched_max
        for spare in ((False, True) if mouth_kept else (False,))
    )


def coarse_correlation(before: Image, after: Image, *, spare_mouth: bool = False) -> float:
    """|Normalised correlation| of the low-passed cores, the light removed.

    Taken as they are and with one of them mirrored, the larger of the two: a mirrored
    face is the face.

    Args:
        before: (112, 112, 3) uint8 BGR, aligned crop of the input.
        after: the same crop of the output.
        spare_mouth: compare all but :data:`MOUTH_112`.

    Returns:
        0 (unrelated, or flat) to 1 (same or inverted).
    """
    one, two = _low(before), _low(after)
    a, b, mirrored = (_unlit(low, spare_mouth) for low in (one, two, two[:, ::-1]))
    return max(abs(_correlation(a, b)), abs(_correlation(a, mirrored)))


def untouched_share(before: Image, after: Image, *, spare_mouth: bool = False) -> float:
    """Share of the core's parts that are the input's pixels but for gain and offset.

    Arguments as in :func:`coarse_correlation`.

    Returns:
        0 (every part differs) to 1.  A part that is flat in the output counts as
        changed; one that is flat in the input only counts as changed when it is not
        flat in the output.
    """
    a, b = _parts(_core_luma(before)), _parts(_core_luma(after))
    weights = _weights(spare_mouth)
    many = weights.sum(axis=1)
    counted = many >= LEAST_SHARE * weights.shape[1]
    a, b, weights, many = a[counted], b[counted], weights[counted], many[counted]
    a = (a - (np.einsum("ij,ij->i", a, weights) / many)[:, None]) * weights
    b = (b - (np.einsum("ij,ij->i", b, weights) / many)[:, None]) * weights
    floor = many / 16  # as in `_correlation`: under a quarter grey level is flat
    power_a = np.einsum("ij,ij->i", a, a)
    power_b = np.einsum("ij,ij->i", b, b)
    product = np.abs(np.einsum("ij,ij->i", a, b))
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


def _low(crop: Image) -> Floats:
    """(COARSE_PX, COARSE_PX) float32: the core, low-passed."""
    side = (COARSE_PX, COARSE_PX)
    return np.asarray(cv2.resize(_core_luma(crop), side, interpolation=cv2.INTER_AREA), np.float32)


def _unlit(low: Floats, spare_mouth: bool) -> Floats:
    """A low-passed core's cells that are compared, without their quadratic surface."""
    cells, light = _light(spare_mouth)
    compared = low[cells]
    return np.asarray(compared - light @ (light.T @ compared), np.float32)


@lru_cache(maxsize=2)
def _light(spare_mouth: bool) -> tuple[NDArray[np.bool_], Floats]:
    """The cells that are compared, and over them an orthonormal basis of 1, x, y, x*x, x*y, y*y.

    Returns:
        (COARSE_PX, COARSE_PX) bool with k cells, and (k, 6) float32.
    """
    small = cv2.resize(_compared(spare_mouth), (COARSE_PX, COARSE_PX), interpolation=cv2.INTER_AREA)
    cells = np.asarray(small) > 1 - LEAST_SHARE  # the zone's edges are cells' edges, rounded
    ys, xs = np.mgrid[:COARSE_PX, :COARSE_PX] / (COARSE_PX - 1) * 2 - 1
    x, y = xs[cells], ys[cells]
    basis = np.stack([np.ones(x.size), x, y, x * x, x * y, y * y], 1)
    return cells, np.asarray(np.linalg.qr(basis)[0], np.float32)


@lru_cache(maxsize=2)
def _weights(spare_mouth: bool) -> Floats:
    """(PARTS * PARTS, pixels of a part) float32, 1 where a pixel is compared."""
    return _parts(_compared(spare_mouth))


def _compared(spare_mouth: bool) -> Floats:
    """The core's pixels, 1 where they are compared, else 0."""
    whole = np.ones((112, 112), np.float32)
    if spare_mouth:
        x1, y1, x2, y2 = MOUTH_112
        whole[y1:y2, x1:x2] = 0
    x1, y1, x2, y2 = CORE_112
    return whole[y1:y2, x1:x2]


def _correlation(a: Floats, b: Floats) -> float:
    """Normalised correlation; 0 where either is flat (under a quarter grey level)."""
    a = a - a.mean()
    b = b - b.mean()
    power_a, power_b = float(a @ a), float(b @ b)
    floor = a.size / 16
    if power_a < floor or power_b < floor:
        return 0.0
    return float(a @ b) / float(np.sqrt(power_a * power_b))
