"""The load's pictures: real faces, each picture numbered in its own pixels.

A number says everything of its picture, so that whoever finds one somewhere knows what the
camera saw.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from photos import astronaut, t1

SIDE_PX = 320
MARGIN_PX = 8
NUMBERS = 1 << 16

_CROPS = (
    (388, 210, 260), (828, 10, 260), (0, 200, 260), (646, 262, 300),
    (191, 80, 260), (1020, 210, 260), (240, 120, 360),
)  # fmt: skip
"""x, y, side of one person each of t1.jpg, and of two."""

STRIP_PX = 12
_BIT_PX = SIDE_PX // 16


@lru_cache(maxsize=1)
def bases() -> tuple[np.ndarray, ...]:
    """(320, 328, 3) uint8 BGR each: seven views of t1.jpg, the astronaut, all of them mirrored."""
    photo = t1()
    cut = [photo[y : y + side, x : x + side] for x, y, side in _CROPS]
    cut.append(astronaut()[0:320, 60:380])
    size = (SIDE_PX + MARGIN_PX, SIDE_PX)
    scaled = [cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR) for crop in cut]
    return tuple(np.ascontiguousarray(b) for a in scaled for b in (a, a[:, ::-1]))


def base_of(number: int) -> tuple[int, int]:
    """(which of :func:`bases`, px it is shifted to the left) of a picture.

    Sixteen numbers in a row show one person who moves a little.
    """
    return number // 16 % len(bases()), abs(number % 16 - 8)


def picture(number: int) -> np.ndarray:
    """(320, 320, 3) uint8 BGR; no two numbers below :data:`NUMBERS` give the same pixels."""
    base, shift = base_of(number)
    image = bases()[base][:, shift : shift + SIDE_PX].copy()
    for bit in range(16):
        image[-STRIP_PX:, bit * _BIT_PX : (bit + 1) * _BIT_PX] = 255 * (number >> bit & 1)
    return image


def number_of(image: np.ndarray) -> int | None:
    """Which :func:`picture` a picture was, or None: another size, or its strip is not clear."""
    if image.shape != (SIDE_PX, SIDE_PX, 3):
        return None
    middle = image[-STRIP_PX + 3 : -3, _BIT_PX // 2 :: _BIT_PX].mean(axis=(0, 2))
    if ((middle > 64) & (middle < 192)).any():
        return None
    return sum(int(value > 127) << bit for bit, value in enumerate(middle))


def jpeg(image: np.ndarray) -> bytes:
    """The picture's file, as a camera makes it."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    return bytes(data.tobytes())
