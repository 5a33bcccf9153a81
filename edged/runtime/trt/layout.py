"""Where tensors lie in one region of memory, so that one copy moves all of them.

Arithmetic alone; knows no memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edged.faces import Tensor

ALIGNMENT_BYTES: Final = 256
"""TensorRT wants each tensor on such a boundary (documentation of setTensorAddress)."""


@dataclass(frozen=True)
class Slot:
    """One tensor's place.

    Attributes:
        name: of the tensor.
        shape: extents, all known.
        dtype: numpy dtype.
        offset: from the region's start, bytes.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def size_bytes(self) -> int:
        """What the tensor takes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def view(self, region: Tensor) -> Tensor:
        """The tensor inside a region of bytes; no copy."""
        part = region[self.offset : self.offset + self.size_bytes]
        return part.view(self.dtype).reshape(self.shape)


def pack(tensors: Iterable[tuple[str, tuple[int, ...], np.dtype[Any]]]) -> tuple[Slot, ...]:
    """Places one after the other."""
    slots: list[Slot] = []
    offset = 0
    for name, shape, dtype in tensors:
        slots.append(Slot(name, shape, dtype, offset))
        end = offset + slots[-1].size_bytes
        offset = -(-end // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    return tuple(slots)


def extent_bytes(slots: tuple[Slot, ...]) -> int:
    """Bytes from the region's start to the end of its last tensor."""
    return slots[-1].offset + slots[-1].size_bytes if slots else 0
