"""One photo of a face again, as another camera, another light and another look would have it.

What stands in for second photos where there are none.  Pose, expression, age and make-up
cannot be generated, so what is measured on these flatters a recogniser: whoever uses it says
so.  Knows pixels; every variation is drawn from a seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edged.faces import Image, Points

JITTER = 0.03
"""Standard deviation of the landmarks, in eye distances: what two detectors differ by."""


@dataclass(frozen=True)
class Variations:
    """How many pictures to generate of a photo, and from which seed."""

    count: int
    seed: int


def variation(image: Image, landmarks: Points, random: np.random.Generator) -> tuple[Image, Points]:
    """Another picture of the same face.

    Light (gamma, gain, a lamp at one side), colour temperature, blur, grain, a smaller
    picture, JPEG, and landmarks that lie a little off; each as strong as drawn.

    Args:
        image: (h, w, 3) uint8 BGR.
        landmarks: (5, 2) px.
        random: what is drawn from.

    Returns:
        (h, w, 3) uint8 BGR and its landmarks.
    """
    eyes_px = float(np.linalg.norm(landmarks[1] - landmarks[0]))
    light = image.astype(np.float32) / 255
    light = light ** np.float32(random.uniform(0.65, 1.55)) * np.float32(random.uniform(0.75, 1.2))
    light *= _lamp(image.shape[1], float(random.uniform(-0.35, 0.35)))
    warmth = np.float32(random.uniform(-0.12, 0.12))
    light *= np.array([1 - warmth, 1.0, 1 + warmth], np.float32)
    light = np.asarray(cv2.GaussianBlur(light, (0, 0), max(0.1, 0.03 * eyes_px * random.random())))
    light += random.normal(0, random.uniform(0.0, 0.04), light.shape).astype(np.float32)
    picture = np.rint(np.clip(light, 0, 1) * 255).astype(np.uint8)
    picture = _smaller(picture, random.uniform(0.5, 1.0))
    quality = int(random.integers(40, 90))
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), np.uint8)
    moved = landmarks + random.normal(0, JITTER * eyes_px, landmarks.shape)
    return picture, moved.astype(np.float32)


def _lamp(width: int, slope: float) -> np.ndarray:
    """(1, width, 1) float32 gain, brighter towards one side."""
    ramp = 1 + slope * np.linspace(-1, 1, width, dtype=np.float32)
    return np.asarray(ramp[None, :, None], np.float32)


def _smaller(picture: Image, share: float) -> Image:
    """The picture as if it had been taken from further away."""
    size = picture.shape[1], picture.shape[0]
    small = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.uint8)
