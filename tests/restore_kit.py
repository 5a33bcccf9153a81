"""A face that talks and turns, as a swapper gives it and as it would be in full detail."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from faces_kit import ASTRONAUT_POINTS, matrix
from photos import astronaut

from edged.geometry import template
from edged.stages.paste import oval_mask

SIDE = 256
SWAP_PX = 48
"""Side of what a swapper knows of the crop: the photo's face has little more than twice that."""


INSIDE = oval_mask("ffhq_512", SIDE).alpha > 128
"""What of a crop is pasted."""

MOTIONS = {
    "still": lambda _n: (0.0, 0.0),
    "talking": lambda n: (5 * np.sin(n * 2 * np.pi / 13), 0.0),
    "turning": lambda n: (0.0, 20 * np.sin(n * 2 * np.pi / 60)),
}
"""Frame number -> how far the mouth is open and the head turned, px of the crop."""


@lru_cache(maxsize=1)
def truth():
    """The aligned crop in all the detail that the photo has, (256, 256, 3) uint8 BGR."""
    to_crop = matrix(ASTRONAUT_POINTS, "ffhq_512", SIDE)
    return cv2.warpAffine(astronaut(), to_crop, (SIDE, SIDE), flags=cv2.INTER_CUBIC)


def posed(picture, mouth_px=0.0, turn_px=0.0, shift_px=(0.0, 0.0)):
    """The face with an opened mouth, turned aside, and aligned a little wrong."""
    ys, xs = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    x, y = template("ffhq_512", SIDE)[3:].mean(axis=0)
    near = np.exp(-(((xs - x) / 35) ** 2) - ((ys - y) / 22) ** 2)
    open_ = mouth_px * near * np.clip((ys - y) / 10, -1, 1)
    to_x = xs + turn_px * np.cos((xs / SIDE - 0.5) * np.pi) + shift_px[0]
    to_y = ys - open_ + shift_px[1]
    return cv2.remap(
        picture, to_x.astype(np.float32), to_y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip


def coarse(picture):
    """What a swapper of a small side leaves of a crop."""
    small = cv2.resize(picture, (SWAP_PX, SWAP_PX), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def sequence(motion, frames, seed):
    """(swapped, true) crops of a stream: noise, light and small errors of alignment in all.

    Args:
        motion: frame number -> (mouth_px, turn_px).
        frames: how many.
        seed: of noise and errors.
    """
    rng = np.random.default_rng(seed)
    for number in range(frames):
        light = 1 + 0.03 * np.sin(number / 9)
        face = posed(truth(), *motion(number), rng.normal(0, 0.2, 2)) * light
        face = np.clip(np.rint(face), 0, 255).astype(np.uint8)
        noise = cv2.GaussianBlur(rng.normal(0, 6, face.shape), (0, 0), 1)
        yield np.clip(coarse(face) + noise, 0, 255).astype(np.uint8), face


class Ideal:
    """A restorer that knows the truth, and invents a little beside it, each time anew."""

    template_name, size_px = "ffhq_512", SIDE

    def __init__(self, truths, seed=0):
        self.truths, self.restored = truths, 0
        self._rng = np.random.default_rng(seed)

    def __call__(self, crops, strength):
        self.restored += len(crops)
        made = [self._made(c, t, strength) for c, t in zip(crops, self.truths, strict=False)]
        return np.stack(made) if made else crops

    def _made(self, crop, true, strength):
        grain = cv2.GaussianBlur(self._rng.normal(0, 3, true.shape), (0, 0), 1)
        made = crop * (1 - strength) + true * strength + grain
        return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def energy_steps(pictures):
    """Flicker: mean step from frame to frame of how detailed a face is, as a share of its mean."""
    grey = (cv2.GaussianBlur(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), (0, 0), 1) for p in pictures)
    detail = np.array([cv2.Laplacian(g, cv2.CV_32F)[INSIDE].std() for g in grey])
    return float(np.abs(np.diff(detail)).mean() / detail.mean())


def error(pictures, truths):
    """RMS from the truth, grey levels."""
    apart = (p.astype(float) - t for p, t in zip(pictures, truths, strict=True))
    return float(np.mean([np.sqrt(np.mean(one[INSIDE] ** 2)) for one in apart]))
