"""The cosine basis that the built-in recogniser and swapper share.

Knows which cosines of the aligned crop make an embedding, how each is weighted, and how
shading is told from features.  Knows nothing of ONNX and of pictures on disk.

A face's *features* are what is left of its log colours after a wide blur inside the
inner face (its shading) is taken away.  Working on logarithms makes shading a sum and
gives dark and light skin the same feature contrast.  The embedding is 511 inner
products of the features with cosines, coarse ones over the whole inner face and fine
ones under soft windows over eyes, nose and mouth, where a face differs; and one
constant, so that the vector's length, which every host divides away, can be had back.
The windows overlap, so the way back goes through the Gram matrix (`gram_inverse`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edged.builtin.mask import SHIFT_128_PX, inner_face_mask

DIM = 512
"""Length of the embedding, that of ArcFace."""

CONSTANT = 0.35
"""The embedding's last number before normalisation, small beside the features'."""

OPPONENT = np.array([[0.299, 0.587, 0.114], [1.0, -1.0, 0.0], [0.0, -1.0, 1.0]], np.float32)
"""Log RGB to log lightness (weights of BT.601) and the differences red/green, blue/green."""

LOG_OFFSET = 0.08
"""Added to colours of 0..1 before the logarithm: bounds it, and calms dark noise."""

SHADING_SIGMA_PX = 19.0
"""Blur that separates shading from features; eyes are 35 px apart."""

LIMITS = np.array([0.9, 0.22, 0.22], np.float32)
"""How far from skin, in log lightness and colour differences, a feature is believed."""

# Weights of the inner products, see `weights`; found by the gap between one person's
# disturbed pictures and strangers.
_WHITEN = 1.0
_CALM_CYCLES = 12.0
_CHROMA_WEIGHT = 0.8
_RIDGE = 0.02


@dataclass(frozen=True)
class Block:
    """Cosines of one channel under one window of the 112 px crop.

    Attributes:
        channel: 0 lightness, 1 red/green, 2 blue/green.
        top, bottom, left, right: the window, px, ends excluded.
        rows, columns: number of cosines down and across.
        soft: the window falls to zero at its ends, as one that has neighbours must.
    """

    channel: int
    top: int
    bottom: int
    left: int
    right: int
    rows: int
    columns: int
    soft: bool

    @property
    def count(self) -> int:
        """Number of coefficients."""
        return self.rows * self.columns

    def vectors(self, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Row (rows, size) and column vectors (columns, size) in a 112 or 128 px crop."""
        shift = 0 if size == 112 else SHIFT_128_PX
        down = _cosines(self.rows, self.top, self.bottom, size, self.soft)
        across = _cosines(self.columns, self.left + shift, self.right + shift, size, self.soft)
        return down, across

    def frequencies(self) -> NDArray[np.float64]:
        """Radial frequency (count,) in cycles per 112 px."""
        down = np.arange(self.rows)[:, None] / (2.0 * (self.bottom - self.top))
        across = np.arange(self.columns)[None, :] / (2.0 * (self.right - self.left))
        return np.asarray(112.0 * np.hypot(down, across), np.float64).ravel()


BLOCKS = (
    Block(0, 27, 112, 16, 96, 12, 10, soft=False),  # the whole inner face
    Block(0, 30, 64, 18, 59, 8, 10, soft=True),  # left eye and brow
    Block(0, 30, 64, 53, 94, 8, 10, soft=True),  # right eye and brow
    Block(0, 56, 86, 38, 74, 7, 9, soft=True),  # nose
    Block(0, 78, 112, 30, 82, 9, 12, soft=True),  # mouth
    Block(1, 27, 112, 16, 96, 4, 3, soft=False),
    Block(1, 80, 110, 32, 80, 3, 6, soft=True),
    Block(2, 27, 112, 16, 96, 4, 3, soft=False),
    Block(2, 80, 110, 32, 80, 3, 6, soft=True),
)
"""451 coefficients of lightness and 2 x 30 of colour, in this order."""


def _cosines(count: int, start: int, stop: int, size: int, soft: bool) -> NDArray[np.float64]:
    """DCT-II vectors (count, size) over [start, stop), orthonormal unless `soft`."""
    length = stop - start
    phase = (np.arange(length) + 0.5) / length
    window = np.sin(np.pi * phase) if soft else np.ones(length)
    table = np.zeros((count, size))
    table[:, start:stop] = np.cos(np.pi * np.arange(count)[:, None] * phase) * window
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table / norms, np.float64)


@lru_cache(maxsize=1)
def gram_inverse() -> NDArray[np.float64]:
    """(511, 511) from inner products to the coefficients that rebuild the features.

    A ridge keeps nearly dependent cosines of overlapping windows from cancelling.
    """
    gram = np.eye(DIM - 1) * _RIDGE
    starts = np.cumsum([0, *(block.count for block in BLOCKS)])
    for one, i in zip(BLOCKS, starts, strict=False):
        for other, j in zip(BLOCKS, starts, strict=False):
            if one.channel != other.channel:
                continue
            down = one.vectors(112)[0] @ other.vectors(112)[0].T
            across = one.vectors(112)[1] @ other.vectors(112)[1].T
            gram[i : i + one.count, j : j + other.count] += np.kron(down, across)
    return np.asarray(np.linalg.inv(gram), np.float64)


@lru_cache(maxsize=1)
def weights() -> NDArray[np.float64]:
    """Weight (DIM,) of each inner product in the embedding; the constant's is 1.

    Lightness falls with frequency about as 1/f in any picture, so weights that rise
    flatten it; beyond `_CALM_CYCLES` a shift of a pixel decides, so they fall again.
    """
    parts = []
    for block in BLOCKS:
        f = block.frequencies() + 0.7
        flatten = f**_WHITEN / np.sqrt(1.0 + (f / _CALM_CYCLES) ** 4)
        parts.append(flatten if block.channel == 0 else np.full_like(f, _CHROMA_WEIGHT))
    return np.append(np.maximum(np.concatenate(parts), 0.15), 1.0)


@lru_cache(maxsize=8)
def blur(size: int, sigma_px: float = SHADING_SIGMA_PX) -> NDArray[np.float64]:
    """Gaussian blur along one axis as a matrix (size, size), rows sum to 1."""
    axis = np.arange(size, dtype=np.float64)
    kernel = np.exp(-0.5 * ((axis[:, None] - axis) / sigma_px) ** 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float64)


@lru_cache(maxsize=4)
def shading_weight(size: int) -> NDArray[np.float64]:
    """One over the blurred mask (size, size): makes the blur an average inside the face."""
    spread = blur(size) @ inner_face_mask(size).astype(np.float64) @ blur(size).T
    return np.asarray(1.0 / np.maximum(spread, 0.02), np.float64)


@lru_cache(maxsize=4)
def cheeks(size: int) -> NDArray[np.float64]:
    """Weights (size, size), sum 1, over nose and cheeks: skin in nearly every face."""
    shift = 0 if size == 112 else SHIFT_128_PX
    y = np.arange(size, dtype=np.float64)[:, None]
    x = np.arange(size, dtype=np.float64)[None, :] - shift
    blob = np.exp(-0.5 * (((x - 56.0) / 13.0) ** 2 + ((y - 72.0) / 7.0) ** 2))
    return np.asarray(blob / blob.sum(), np.float64)
