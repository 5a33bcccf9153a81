"""What a broken or lazy swapper might give back: crops that a person still recognises."""

from __future__ import annotations

import cv2
import numpy as np

from edged.geometry import template


def mosaic(crop, block):
    """Blocks of one colour."""
    small = cv2.resize(crop, (128 // block, 128 // block), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (128, 128), interpolation=cv2.INTER_NEAREST)


def blur(crop, sigma):
    """A Gaussian blur."""
    return cv2.GaussianBlur(crop, (0, 0), sigma)


def eye_bar(crop):
    """A black bar over the eyes."""
    barred = crop.copy()
    eyes = int(template("arcface_128", 128)[:2, 1].mean())
    barred[eyes - 12 : eyes + 12] = 0
    return barred


def noisy(crop):
    """Grain of 25 grey levels."""
    grain = np.random.default_rng(0).normal(0, 25, crop.shape)
    return np.clip(crop + grain, 0, 255).astype(np.uint8)


ATTACKS = {
    "input": lambda crop: crop,
    "inversion": lambda crop: 255 - crop,
    "mirror": lambda crop: np.ascontiguousarray(crop[:, ::-1]),
    "mosaic": lambda crop: mosaic(crop, 8),
    "coarse-mosaic": lambda crop: mosaic(crop, 16),
    "light-blur": lambda crop: blur(crop, 3),
    "blur": lambda crop: blur(crop, 4),
    "strong-blur": lambda crop: blur(crop, 9),
    "mirrored-blur": lambda crop: blur(np.ascontiguousarray(crop[:, ::-1]), 4),
    "eye-bar": eye_bar,
    "darker": lambda crop: crop // 2,
    "red-and-blue-swapped": lambda crop: np.ascontiguousarray(crop[:, :, ::-1]),
    "noise": noisy,
}
"""Each takes a 128 px BGR crop of the input and gives one of the same size."""
