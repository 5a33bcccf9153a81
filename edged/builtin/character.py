"""Generated people: a portrait and its landmarks, so that a disguise needs no photo.

Knows a few looks and how to put a drawn head before a backdrop.  Knows no photographs:
every pixel is computed, and no look is modelled on anybody.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.builtin.head import LANDMARKS, Look, draw_head, strands

SIZE = 512
_UNIT_PX = 2.75
_MIDDLE = (256.0, 262.0)
_MIDDLE_UNITS = ((255.5 - 256.0) / _UNIT_PX, (255.5 - 262.0) / _UNIT_PX)

LOOKS = {
    "robin": Look(),
    "sasha": Look(
        skin=(0.66, 0.76, 0.92), lips=(0.38, 0.32, 0.78), hair=(0.25, 0.46, 0.68),
        iris=(0.62, 0.46, 0.24), hair_style="long", brow=2.4, eye=5.6, nose=0.9,
        mouth=1.15, smile=3.4, jaw=0.93, cloth=(0.36, 0.22, 0.50), seed=5,
    ),
    "kim": Look(
        skin=(0.26, 0.38, 0.55), lips=(0.22, 0.22, 0.48), hair=(0.06, 0.06, 0.07),
        iris=(0.10, 0.16, 0.26), hair_style="short", brow=3.6, eye=4.7, nose=1.08,
        mouth=1.1, smile=4.2, jaw=1.04, cloth=(0.24, 0.46, 0.58), seed=9,
    ),
}  # fmt: skip
"""Looks by name; "robin" is the default."""


@lru_cache(maxsize=4)
def draw_character(name: str = "robin") -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A portrait of a person who does not exist.

    Args:
        name: a key of `LOOKS`.

    Returns:
        (512, 512, 3) uint8 BGR and its landmarks (5, 2) px, both read-only and shared:
        left eye, right eye, nose, left and right mouth corner.

    Raises:
        KeyError: no look has that name.
    """
    look = LOOKS[name]
    fine = 1.6  # drawn larger and shrunk: smooth edges
    colours, cover = draw_head(look, round(SIZE * fine), _UNIT_PX * fine, _MIDDLE_UNITS)
    head = cv2.resize(
        np.dstack([colours * cover[..., None], cover]), (SIZE, SIZE), interpolation=cv2.INTER_AREA
    )
    image = _backdrop()
    image = np.asarray(head[..., :3] + image * (1.0 - head[..., 3:]), np.float32)
    image = _with_clothes(image, look)
    portrait = np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    points = (LANDMARKS * _UNIT_PX + np.array(_MIDDLE)).astype(np.float32)
    portrait.setflags(write=False)
    points.setflags(write=False)
    return portrait, points


def _backdrop() -> NDArray[np.float32]:
    """A studio wall (512, 512, 3) BGR 0..1."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    glow = np.exp(-(((x - 200) / 330) ** 2) - ((y - 190) / 330) ** 2)
    return np.asarray(np.array([0.52, 0.46, 0.41]) * (0.5 + 0.6 * glow)[..., None], np.float32)


def _with_clothes(image: NDArray[np.float32], look: Look) -> NDArray[np.float32]:
    """The portrait with a round-necked jumper."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    aside = np.abs(x - _MIDDLE[0])
    shoulder = 418.0 + 0.0016 * aside**2 - 14.0 * np.exp(-((aside / 75.0) ** 2))
    neckline = 446.0 - 30.0 * (np.clip(aside / 62.0, 0.0, 1.0)) ** 2
    edge = np.maximum(shoulder, neckline * (aside < 62.0))
    cloth = np.clip((y - edge) / 1.6 + 0.5, 0.0, 1.0)[..., None]
    weave = strands((SIZE, SIZE), look.seed + 11, 5.0, 90.0)
    light = 1.0 - 0.0016 * (x - 150.0) - 0.002 * (y - 420.0) + 0.05 * weave
    collar = np.exp(-0.5 * ((y - edge - 8.0) / 2.5) ** 2) * (aside < 62.0)
    jumper = np.asarray(look.cloth) * (light - 0.35 * collar)[..., None]
    return np.asarray(image * (1.0 - cloth) + jumper * cloth, np.float32)
