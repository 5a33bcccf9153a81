"""What a broken, lazy or tricked swapper might give back: crops that a person recognises.

A recogniser is blind to most of them, which is why the guard compares pixels, too.  Each
takes a square BGR crop of the input and gives one of the same size; strengths are shares of
its side, so that they hide as much of a face at 512 px as at 128.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edged.faces import Image
from edged.geometry import template

Attack = Callable[[Image], Image]


def mosaic(crop: Image, blocks: int) -> Image:
    """So many blocks a side, each of one colour."""
    small = cv2.resize(crop, (blocks, blocks), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, crop.shape[:2], interpolation=cv2.INTER_NEAREST), np.uint8)


def blur(crop: Image, sigma: float) -> Image:
    """A Gaussian blur; sigma in px of a 128 px crop."""
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma * crop.shape[0] / 128), np.uint8)


def mirror(crop: Image) -> Image:
    """The face turned left to right."""
    return np.ascontiguousarray(crop[:, ::-1])


def eye_bar(crop: Image) -> Image:
    """A black bar over the eyes of an ArcFace crop."""
    size = crop.shape[0]
    barred = crop.copy()
    eyes = float(template("arcface_128", size)[:2, 1].mean())
    half = 12 * size / 128
    barred[round(eyes - half) : round(eyes + half)] = 0
    return barred


def noisy(crop: Image) -> Image:
    """Grain of 25 grey levels."""
    grain = np.random.default_rng(0).normal(0, 25, crop.shape)
    return np.asarray(np.clip(crop + grain, 0, 255), np.uint8)


ATTACKS: dict[str, Attack] = {
    "input": lambda crop: crop,
    "inversion": lambda crop: np.asarray(255 - crop, np.uint8),
    "mirror": mirror,
    "mosaic": lambda crop: mosaic(crop, 16),
    "coarse-mosaic": lambda crop: mosaic(crop, 8),
    "light-blur": lambda crop: blur(crop, 3),
    "blur": lambda crop: blur(crop, 4),
    "strong-blur": lambda crop: blur(crop, 9),
    "mirrored-blur": lambda crop: blur(mirror(crop), 4),
    "eye-bar": eye_bar,
    "darker": lambda crop: crop // 2,
    "red-and-blue-swapped": lambda crop: np.ascontiguousarray(crop[:, :, ::-1]),
    "noise": noisy,
}
"""By name, for reports."""
