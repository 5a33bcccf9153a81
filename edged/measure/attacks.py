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


def eye_bar(crop: Image, template_name: str = "arcface_128") -> Image:
    """A black bar over the eyes, 0.6 eye distances high, of a crop by some template."""
    size = crop.shape[0]
    barred = crop.copy()
    left, right = template(template_name, size)[:2]
    middle = float((left[1] + right[1]) / 2)
    half = 0.3 * float(right[0] - left[0])
    barred[max(0, round(middle - half)) : round(middle + half)] = 0
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


def attacked(name: str, crop: Image, template_name: str) -> Image:
    """A crop by some template after the attack of this name."""
    if name == "eye-bar":
        return eye_bar(crop, template_name)
    return np.ascontiguousarray(ATTACKS[name](crop))
