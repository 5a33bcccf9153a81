"""Faces for tests without a network: where they are in the photos, and what is done to them."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import photos

from edged.faces import Face
from edged.geometry import similarity, template
from edged.privacy.guard import Region
from edged.stages.paste import oval_mask, paste

ASTRONAUT_BOX = (180, 60, 272, 180)
ASTRONAUT_POINTS = ((204, 101), (247, 104), (224, 129), (202, 140), (246, 142))
T1_BOX = (464, 266, 573, 415)
T1_POINTS = ((496, 322), (546, 336), (514, 362), (485, 368), (531, 380))
T1_SECOND_BOX = (906, 59, 1011, 206)
T1_SECOND_POINTS = ((917, 119), (948, 116), (920, 151), (935, 170), (962, 166))
"""Read off the photos by a detector, rounded."""

E0, E1, E2 = np.eye(3, dtype=np.float32)


def points(named):
    return np.array(named, np.float32)


def matrix(named, name="arcface_112", size=112):
    return similarity(points(named), template(name, size))


def crop(image, named, name="arcface_112", size=112):
    return cv2.warpAffine(image, matrix(named, name, size), (size, size))


def align(image, to_crop):
    return np.asarray(cv2.warpAffine(image, to_crop, (112, 112)), np.uint8)


def face(box, named, embedding=None):
    return Face(
        np.array(box, np.float32), 0.9, points(named), frozenset({"scrfd"}), embedding=embedding
    )


def region(image, box, named, embedding=E0, action="swapped"):
    """A face of the input, as the pipeline hands it to the guard."""
    to_crop = matrix(named)
    return Region(face(box, named, embedding), to_crop, crop(image, named), action, "actor")


@lru_cache(maxsize=1)
def stranger():
    """Somebody else's face as a swapper gives it, (128, 128, 3) uint8 BGR."""
    return crop(photos.t1(), T1_SECOND_POINTS, "arcface_128", 128)


def put(image, named, change):
    """A copy of the picture with the crop of one face changed and pasted back."""
    out, to_crop = image.copy(), matrix(named, "arcface_128", 128)
    changed = change(cv2.warpAffine(image, to_crop, (128, 128)))
    paste(out, np.ascontiguousarray(changed, np.uint8), to_crop, oval_mask("arcface_128", 128))
    return out


def mosaic(crop, block=8):
    side = len(crop)
    small = cv2.resize(crop, (side // block, side // block), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST)


def eye_bar(crop):
    made = crop.copy()
    made[42:62] = 0
    return made


ATTACKS = {
    "input": lambda crop: crop,
    "inverted": lambda crop: 255 - crop,
    "mirrored": lambda crop: crop[:, ::-1],
    "mosaic": mosaic,
    "blur": lambda crop: cv2.GaussianBlur(crop, (0, 0), 3),
    "eye-bar": eye_bar,
    "darker": lambda crop: crop // 2,
}
"""What hides a face from a recogniser and from nobody else."""
