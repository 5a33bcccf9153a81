"""Test pictures: smooth colour, edges, noise and blobs like a face, drawn by seed.

Nobody's face: ellipses for head, eyes, nose and mouth over a soft background.  Knows
pixels only.
"""

from __future__ import annotations

import cv2
import numpy as np

from edged.faces import Floats, Image


def crops(size_px: int, count: int, seed: int) -> list[Image]:
    """Pictures with the statistics of face crops.

    Args:
        size_px: their side.
        count: how many.
        seed: which; other seeds give other pictures.

    Returns:
        (size_px, size_px, 3) uint8 BGR each.
    """
    return [_crop(size_px, np.random.default_rng([seed, number])) for number in range(count)]


def tensor(size_px: int, seed: int, mean: float, std: float) -> Floats:
    """One crop as networks take it: (1, 3, s, s) float32 RGB, (x - mean) / std."""
    (picture,) = crops(size_px, 1, seed)
    planes = picture[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    return np.ascontiguousarray((planes - np.float32(mean)) / np.float32(std))


def _crop(size: int, rng: np.random.Generator) -> Image:
    """One picture."""
    field = _smooth(size, 3, rng) * 70 + 115
    head = rng.uniform([70, 90, 130], [190, 200, 240])
    centre = size * rng.uniform([0.44, 0.48], [0.56, 0.58])
    axes = size * rng.uniform([0.26, 0.34], [0.34, 0.44])
    shade = 1 + 0.25 * _smooth(size, 2, rng)
    _blob(field, centre, axes, head * shade)
    unit = axes[0]
    dark = head * rng.uniform(0.15, 0.4)
    for side in (-1, 1):
        eye = centre + unit * np.array([side * 0.42, -0.25])
        _blob(field, eye, unit * np.array([0.2, 0.1]), np.full(3, rng.uniform(200, 245)))
        _blob(field, eye, unit * np.array([0.085, 0.085]), dark * 0.5)
        _blob(field, eye - (0, unit * 0.24), unit * np.array([0.24, 0.05]), dark)
    nose = centre + unit * np.array([0.0, 0.18])
    _blob(field, nose, unit * np.array([0.12, 0.24]), head * rng.uniform(0.75, 0.95))
    mouth = centre + unit * np.array([0.0, 0.62])
    lips = head * rng.uniform([0.4, 0.4, 0.75], [0.6, 0.6, 0.95])
    _blob(field, mouth, unit * rng.uniform([0.26, 0.07], [0.38, 0.14]), lips)
    noise = rng.standard_normal(field.shape, np.float32) * rng.uniform(1.5, 4)
    return np.clip(np.rint(field + noise), 0, 255).astype(np.uint8)


def _smooth(size: int, cells: int, rng: np.random.Generator) -> Floats:
    """(size, size, 3) of about unit spread: coarse noise under finer noise."""
    total = np.zeros((size, size, 3), np.float32)
    for octave, weight in enumerate((1.0, 0.45, 0.2)):
        side = cells * 2**octave + 1
        coarse = rng.standard_normal((side, side, 3), np.float32)
        wide = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
        total += np.float32(weight) * wide
    return total


def _blob(
    field: Floats, centre: np.typing.NDArray[np.float64], axes: np.typing.NDArray[np.float64],
    colour: np.typing.NDArray[np.floating],
) -> None:  # fmt: skip
    """An ellipse with a soft edge, painted over the field."""
    y, x = np.mgrid[: field.shape[0], : field.shape[1]].astype(np.float32)
    radius = np.hypot((x - centre[0]) / axes[0], (y - centre[1]) / axes[1])
    cover = np.clip((1 - radius) * 8, 0, 1)[:, :, None].astype(np.float32)
    field += cover * (np.asarray(colour, np.float32) - field)
