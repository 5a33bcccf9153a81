"""Pixel boost: a crop of k times the network's side as k * k crops of that side, and back.

The parts are interleaved (polyphase): part (i, j) has every k-th row from the i-th on and
every k-th column from the j-th on, so that each shows the whole face.  All parts of all faces
go through the network together.  Knows pixels only.
"""

from __future__ import annotations

import numpy as np

from edged.faces import Image, Tensor


def split(crops: Image, times: int) -> Image:
    """(n, k * S, k * S, 3) -> (n * k * k, S, S, 3), the parts of a face one after another."""
    count, side = crops.shape[0], crops.shape[1] // times
    parts = crops.reshape(count, side, times, side, times, 3).transpose(0, 2, 4, 1, 3, 5)
    return np.ascontiguousarray(parts.reshape(count * times * times, side, side, 3))


def join(parts: Tensor, times: int) -> Tensor:
    """(n * k * k, S, S, ...) -> (n, k * S, k * S, ...), what :func:`split` took apart."""
    side, *rest = parts.shape[2:]
    count = len(parts) // (times * times)
    apart = parts.reshape(count, times, times, side, side, *rest)
    whole = apart.transpose(0, 3, 1, 4, 2, *range(5, apart.ndim))
    return np.ascontiguousarray(whole.reshape(count, side * times, side * times, *rest))
