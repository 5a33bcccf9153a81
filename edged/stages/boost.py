"""Pixel boost: a crop of k times the network's side as k * k crops of that side, and back.

The parts are interleaved (polyphase): part (i, j) has every k-th row from the i-th on and
every k-th column from the j-th on, so that each shows the whole face.  All parts of all faces
go through the network together.  Knows pixels only.
"""

from __future__ import annotations

import numpy as np

from edged.faces import Image, Tensor

_PIXEL = np.dtype("V3")
"""Three bytes that are moved as one: half the time of moving each colour (measured)."""


def split(crops: Image, times: int) -> Image:
    """(n, k * S, k * S, 3) -> (n * k * k, S, S, 3), the parts of a face one after another."""
    count, side = crops.shape[0], crops.shape[1] // times
    pixels = np.ascontiguousarray(crops).view(_PIXEL).reshape(count, side, times, side, times)
    parts = np.ascontiguousarray(pixels.transpose(0, 2, 4, 1, 3))
    return parts.view(np.uint8).reshape(count * times * times, side, side, 3)


def join(parts: Tensor, times: int) -> Tensor:
    """(n * k * k, S, S, 3) or (n * k * k, S, S) uint8 -> (n, k * S, k * S, ...).

    What :func:`split` took apart.
    """
    side, *colours = parts.shape[2:]
    count = len(parts) // (times * times)
    pixels = np.ascontiguousarray(parts).view(_PIXEL if colours else np.uint8)
    apart = pixels.reshape(count, times, times, side, side)
    whole = np.ascontiguousarray(apart.transpose(0, 3, 1, 4, 2))
    return whole.view(np.uint8).reshape(count, side * times, side * times, *colours)
