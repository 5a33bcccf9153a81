"""What the pixels of a face are: occluder (XSeg) and parser (BiSeNet), as soft masks.

Both look at crops of the untouched picture, so that a hand, a microphone or spectacles are
still there to be seen.  The prepared graphs take `crops` uint8 [n, S, S, 3] BGR and give
bytes: `visible` [n, S, S] (0 something is before the face, 255 the face) or `labels`
[n, S, S] (the 19 classes of CelebAMask-HQ), and `checks`.  Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from edged.errors import EngineError
from edged.faces import Image
from edged.runtime.session import Session
from edged.stages.batches import require_finite, run_faces

REGIONS: Mapping[str, tuple[int, ...]] = {
    "skin": (1,), "brows": (2, 3), "eyes": (4, 5), "glasses": (6,), "ears": (7, 8, 9),
    "nose": (10,), "mouth": (11,), "lips": (12, 13), "neck": (14, 15), "hair": (17,), "hat": (18,),
}  # fmt: skip
"""Classes of CelebAMask-HQ by the name of a region; 0 is the background and 16 cloth."""

SOFT_PX = 128
"""Side at which masks are softened and kept: their edges are wider than its pixels, and a
blur at 256 px takes six times as long."""

_SIGMA_PX = 2.5
"""Of the edge at that side, as wide as FaceFusion's on crops of 256 px."""


@dataclass(frozen=True, repr=False, eq=False)
class Occluder:
    """One XSeg-like model.

    Attributes:
        session: entered session of the prepared model.
        size_px: side of its crops.
        template_name: alignment of its crops.
        most: faces in one run; 0 for any number.
    """

    session: Session
    size_px: int = 256
    template_name: str = "arcface_128"
    most: int = 0

    def __call__(self, crops: Image) -> Image:
        """What is face and not something before it.

        Args:
            crops: (n, S, S, 3) uint8 BGR aligned crops.

        Returns:
            (n, SOFT_PX, SOFT_PX) uint8 with soft edges, 255 the face.

        Raises:
            EngineError: the network gave something else than n finite masks.
        """
        return np.stack([soften(mask) for mask in _run(self.session, crops, "visible", self.most)])


@dataclass(frozen=True, repr=False, eq=False)
class Parser:
    """One BiSeNet-like model; see :class:`Occluder` for its attributes."""

    session: Session
    size_px: int = 512
    template_name: str = "ffhq_512"
    most: int = 0

    def __call__(self, crops: Image) -> Image:
        """The class of every pixel, (n, S, S) uint8.

        Raises:
            EngineError: the network gave something else than n finite answers.
        """
        return _run(self.session, crops, "labels", self.most)


def regions_mask(labels: Image, regions: Sequence[str]) -> Image:
    """Soft masks of some regions, (n, S, S) labels -> (n, SOFT_PX, SOFT_PX) uint8."""
    return np.stack([soften(one) for one in labelled(labels, regions)])


def labelled(labels: Image, regions: Sequence[str]) -> Image:
    """The same with their own edges."""
    table = _table(tuple(regions))
    return np.stack([_fitted(np.asarray(cv2.LUT(one, table), np.uint8)) for one in labels])


def soften(mask: Image) -> Image:
    """A mask with soft edges that lie inside it: (S, S) -> (SOFT_PX, SOFT_PX) uint8.

    Blurred, and what comes below the middle is cut off, so that nothing outside is let
    through by the blur.
    """
    blurred = cv2.GaussianBlur(_fitted(mask), (0, 0), _SIGMA_PX, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.LUT(blurred, _upper_half()), np.uint8)


def _fitted(mask: Image) -> Image:
    """A mask of SOFT_PX."""
    size = (SOFT_PX, SOFT_PX)
    if mask.shape == size:
        return mask
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)


@lru_cache(maxsize=1)
def _upper_half() -> Image:
    """(256,) uint8: 127.5..255 -> 0..255, what is below -> 0."""
    return np.asarray(np.rint(np.clip(np.arange(256) - 127.5, 0, None) * 2), np.uint8)


@lru_cache(maxsize=64)
def _table(regions: tuple[str, ...]) -> Image:
    """(256,) uint8: class -> 255 where it belongs to a region."""
    table = np.zeros(256, np.uint8)
    for name in regions:
        table[list(REGIONS[name])] = 255
    return table


def _run(session: Session, crops: Image, output: str, most: int) -> Image:
    """One output of a mask network, (n, S, S) uint8.

    Raises:
        EngineError: it is not that, or not every number was finite.
    """
    out = run_faces(session, {"crops": crops}, {}, most)
    made = out[output]
    if made.shape != crops.shape[:3] or made.dtype != np.uint8:
        msg = f"model {session.model_id} gave shape {made.shape}, not {crops.shape[:3]}"
        raise EngineError(msg)
    require_finite(session, out["checks"])
    return np.asarray(made, np.uint8)
