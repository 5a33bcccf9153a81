"""Colour of a swapped crop, moved towards that of the crop which it replaces.

Two ways, both over the pixels that the paste's mask shows: mean and spread of each LAB
channel (Reinhard et al. 2001, in CIE LAB), or the histogram of each BGR channel.  Both end
in one pass over the crop in 8 bits, rounded once.  Knows crops and masks; knows no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.faces import Floats, Image

SHOWN = 128
"""Alpha from which a pixel counts: it is more the crop's than the picture's."""

FEWEST = 64
"""Pixels; colours of fewer tell nothing, and the crop stays as it is."""

SAMPLE_PX = 64
"""Statistics are taken from every k-th pixel, so that no side is longer: 3 grey levels of
noise in 1000 pixels move a mean by 0.1."""

SPREAD = (2 / 3, 1.5)
"""A channel's spread is changed by a factor of this range: a flat crop (a mask, a wall of
light) must not be blown up into noise, nor a face be made flat by it."""

_FLAT = 0.5
"""Spread in LAB units under which a channel counts as flat and is only moved."""


def recoloured(rule: str, made: Image, targets: Image, masks: Sequence[Image]) -> Image:
    """Crops in their targets' colours.

    Args:
        rule: "lab" or "histogram".
        made: (n, S, S, 3) uint8 BGR, of a swapper.
        targets: likewise, what they replace.
        masks: n of (S, S) uint8, what of each is shown.

    Returns:
        (n, S, S, 3) uint8 BGR.
    """
    change = _RULES[rule]
    out = np.empty_like(made)
    for crop, target, mask, to in zip(made, targets, masks, out, strict=True):
        shown = _thin(mask) >= SHOWN
        if np.count_nonzero(shown) < FEWEST:
            np.copyto(to, crop)
        else:
            change(crop, _thin(crop)[shown], _thin(target)[shown], to)
    return out


def _thin(image: Image) -> Image:
    """Every k-th pixel of both axes."""
    step = -(-image.shape[0] // SAMPLE_PX)
    return image[::step, ::step]


def _by_lab(crop: Image, some: Image, other: Image, to: Image) -> None:
    """The change of LAB's means and spreads, as the affine map of BGR that is nearest to it.

    The map itself, exact for each pixel, takes 37 ms for a crop of 512 px; the affine one
    1 ms, differs by one grey level on average, and does not break where colours leave the
    gamut.

    Args:
        crop: (S, S, 3) uint8.
        some: (p, 3) uint8, pixels of it.
        other: (p, 3) uint8, those of its target.
        to: takes the result.
    """
    lab, goal = _lab(some), _lab(other)
    mean, spread = lab.mean(axis=0), lab.std(axis=0)
    factor = goal.std(axis=0) / np.maximum(spread, _FLAT)
    factor = np.where(spread < _FLAT, 1.0, np.clip(factor, *SPREAD))
    moved = ((lab - mean) * factor + goal.mean(axis=0)).astype(np.float32)
    wanted = cv2.cvtColor(moved[None], cv2.COLOR_LAB2BGR)[0].astype(np.float64) * 255
    cv2.transform(crop, _affine(some, wanted), dst=to)


def _affine(some: Image, wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (3, 4) map from (p, 3) pixels that is nearest to what is wanted of them.

    Where pixels do not tell (all of one colour) it is the one nearest to leaving them as
    they are: the difference is what is fitted, with a small weight against any.
    """
    x = np.column_stack([some.astype(np.float64) - 128, np.ones(len(some))])
    weight = np.diag([len(some) * 1.0] * 3 + [0.0])
    turned = np.linalg.solve(x.T @ x + weight, x.T @ (wanted - some)).T
    turned[:, :3] += np.eye(3)
    turned[:, 3] -= turned[:, :3] @ np.full(3, 128.0) - 128
    return np.asarray(turned, np.float64)


def _lab(pixels: Image) -> Floats:
    """(p, 3) uint8 BGR -> (p, 3) float32 CIE LAB, L 0..100."""
    scaled = pixels[None].astype(np.float32) * np.float32(1 / 255)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_BGR2LAB)[0], np.float32)


def _by_histogram(crop: Image, some: Image, other: Image, to: Image) -> None:
    """Each channel's histogram becomes the target's; see :func:`_by_lab` for arguments.

    A level goes to the target's level of the same rank, ranks being taken in the middle of
    a level's pixels: a crop of one colour gets the target's median, not its brightest.
    """
    table = np.stack([_table(some[:, c], other[:, c]) for c in range(3)], axis=-1)
    cv2.LUT(crop, table[None], dst=to)


def _table(some: Image, other: Image) -> Image:
    """(256,) uint8: level -> level."""
    (own, ranks), (levels, goal) = _ranks(some), _ranks(other)
    table = np.interp(np.arange(256), own, np.interp(ranks, goal, levels))
    # Levels beyond those of the sample go on as its last ones.
    low, high = own[0], own[-1]
    table[:low] = table[low] + np.arange(-low, 0)
    table[high + 1 :] = table[high] + np.arange(1, 256 - high)
    return np.asarray(np.rint(np.clip(table, 0, 255)), np.uint8)


def _ranks(pixels: Image) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Levels that occur, and of each the share of the pixels below it with half of its own."""
    counts = np.bincount(pixels, minlength=256)
    levels = np.flatnonzero(counts)
    return levels, ((np.cumsum(counts) - counts / 2) / pixels.size)[levels]


_RULES: Mapping[str, Callable[[Image, Image, Image, Image], None]] = {
    "lab": _by_lab,
    "histogram": _by_histogram,
}
