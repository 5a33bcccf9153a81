"""Identity drift: how far restoring a face moved it away from who it was made to be.

A restorer invents what it adds.  Its drift is 1 - cosine between the embeddings of a crop
before and after it, by the guard's recogniser: 0 is the same face, and two pictures of one
person lie well apart from 0, too.  A face that drifted too far gets less of what was added.
Knows crops and vectors; knows no frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edged.faces import Floats, Image
from edged.geometry import Matrix, similarity, template
from edged.stages.embed import SIZE_PX, Embedder

SHARES = (2 / 3, 1 / 3)
"""What is tried of a restoration that went too far, the most first; then nothing of it."""

SMALL_PX = 128
"""Crops are halved down to this side before they are warped onto the recogniser's: a warp
alone would leave out three of four pixels, and what a restorer sharpened would alias."""


@dataclass(frozen=True, repr=False, eq=False)
class Drift:
    """The measure for one restorer.

    Attributes:
        recogniser: judges.
        template_name: alignment of the restorer's crops.
    """

    recogniser: Embedder
    template_name: str

    def __call__(self, before: Sequence[Image], after: Sequence[Image]) -> tuple[Floats, Floats]:
        """Drift of each of n faces, in one run of the recogniser.

        Args:
            before: n crops, (S, S, 3) uint8 BGR each, that the restorer was given.
            after: likewise, what became of them.

        Returns:
            (n,) float32, 0 (the same) to 2, and (n, d) unit vectors of the faces before.
        """
        vectors = self.recogniser(self._crops([*before, *after]))
        anchors = vectors[: len(before)]
        return _apart(anchors, vectors[len(before) :]), anchors

    def eased(
        self, anchors: Floats, before: Sequence[Image], after: Sequence[Image], most: float
    ) -> tuple[Floats, Floats]:
        """For faces that drifted too far: the largest of `SHARES` that does not.

        Args:
            anchors: (n, d) unit vectors of the faces before.
            before: n crops, (S, S, 3) uint8 BGR each.
            after: likewise.
            most: the bound.

        Returns:
            (n,) shares of the restoration, 0 where even the least is too much, and (n,)
            drifts at them.
        """
        tried = [
            np.asarray(cv2.addWeighted(new, share, old, 1 - share, 0), np.uint8)
            for share in SHARES
            for old, new in zip(before, after, strict=True)
        ]
        vectors = self.recogniser(self._crops(tried)).reshape(len(SHARES), *anchors.shape)
        best, drift = np.zeros(len(before), np.float32), np.zeros(len(before), np.float32)
        for share, found in reversed([*zip(SHARES, vectors, strict=True)]):
            apart = _apart(anchors, found)
            best[apart <= most], drift[apart <= most] = share, apart[apart <= most]
        return best, drift

    def _crops(self, crops: Sequence[Image]) -> Image:
        """Crops as the recogniser wants them, (n, 112, 112, 3)."""
        out = np.empty((len(crops), SIZE_PX, SIZE_PX, 3), np.uint8)
        for crop, place in zip(crops, out, strict=True):
            small = shrunk(crop, SMALL_PX)
            matrix = _onto_recogniser(self.template_name, len(small))
            cv2.warpAffine(small, matrix, (SIZE_PX, SIZE_PX), dst=place)
        return out


def _apart(some: Floats, others: Floats) -> Floats:
    """1 - cosine between rows of unit vectors."""
    return np.asarray(1 - (some * others).sum(axis=1), np.float32)


def shrunk(crop: Image, side: int) -> Image:
    """A square picture halved for as long as it has this side at least."""
    while len(crop) >= 2 * side:
        half = (len(crop) // 2, len(crop) // 2)
        crop = np.asarray(cv2.resize(crop, half, interpolation=cv2.INTER_AREA), np.uint8)
    return crop


@lru_cache(maxsize=4)
def _onto_recogniser(template_name: str, side: int) -> Matrix:
    """A small crop of a template -> the recogniser's crop."""
    matrix = similarity(template(template_name, side), template("arcface_112", SIZE_PX))
    assert matrix is not None  # two fixed layouts
    return matrix
