"""Liveness of a face in one picture: is it skin, or a print or a screen that shows some.

Two contracts.  `minifasnet` (minivision's Silent-Face-Anti-Spoofing): a piece of the
picture round the face's box, `values` float32 [n, 3] are class probabilities, class 1 is
live, and several networks that see pieces of different sizes vote by their mean.
`liveness_aligned` (insightface's add-on): a crop aligned by five points, `values` [n] is
the probability itself.  Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from edged.errors import EngineError
from edged.faces import Face, Floats, Image, Points, Tensor
from edged.geometry import Matrix, similarity
from edged.runtime.session import Session
from edged.stages.batches import run_faces

SIZE_PX = 80
"""Side of every crop here."""

CLASSES = 3
LIVE_CLASS = 1
"""Of MiniFASNet: 0 and 2 are attacks (its `test.py`: label 1 is a real face)."""

MINIFAS_LIVE_FROM = 0.5
"""Its own rule is that class 1 has the largest sum, which this implies."""

ALIGNED_LIVE_FROM = 0.8
OUTSIDE_MAX = 0.30
"""insightface 2.1, addons/liveness.py: its default threshold, and how much of a crop may
lie outside of the picture before it gives no answer."""

_ALIGNED = np.array(
    [[32.03, 38.06], [47.89, 37.98], [40.01, 47.08], [33.50, 56.36], [46.63, 56.29]], np.float32
)


class LivenessNet(Protocol):
    """One network."""

    def __call__(self, image: Image, faces: Sequence[Face]) -> list[float | None]:
        """Probability that each face is live; None where it cannot be told."""
        ...


@dataclass(frozen=True)
class MiniFas:
    """A network of the Silent-Face-Anti-Spoofing family.

    Attributes:
        session: entered session of the prepared model.
        crop_scale: side of the piece in units of the face's box.
        most: faces in one run; 0 for any number.
    """

    session: Session
    crop_scale: float
    most: int = 0

    def __call__(self, image: Image, faces: Sequence[Face]) -> list[float | None]:
        """See :class:`LivenessNet`; there is always an answer.

        Raises:
            EngineError: the network gave no probabilities.
        """
        if not faces:
            return []
        cut = np.stack([box_piece(image, face.box, self.crop_scale) for face in faces])
        values = run_faces(self.session, {"crops": cut}, {}, self.most)["values"]
        _require_chances(self.session, values, (len(faces), CLASSES))
        return [float(row[LIVE_CLASS]) for row in values]


@dataclass(frozen=True)
class AlignedLiveness:
    """insightface's liveness add-on.

    Attributes:
        session: entered session of the prepared model.
        most: faces in one run; 0 for any number.
    """

    session: Session
    most: int = 0

    def __call__(self, image: Image, faces: Sequence[Face]) -> list[float | None]:
        """See :class:`LivenessNet`; None for faces too near the edge or without direction.

        Raises:
            EngineError: the network gave no probabilities.
        """
        cut = [aligned_crop(image, face.landmarks) for face in faces]
        there = [crop for crop in cut if crop is not None]
        if not there:
            return [None] * len(faces)
        feeds = {"crops": np.stack(there)}
        values = run_faces(self.session, feeds, {}, self.most)["values"]
        _require_chances(self.session, values, (len(there),))
        scores = iter(float(value) for value in values)
        return [None if crop is None else next(scores) for crop in cut]


@dataclass(frozen=True)
class Liveness:
    """The networks that are configured, and from which mean a face counts as live.

    Attributes:
        nets: of one contract.
        live_from: probability.
    """

    nets: tuple[LivenessNet, ...]
    live_from: float

    def __call__(self, image: Image, faces: Sequence[Face]) -> list[float | None]:
        """Mean probability of each face; None where a network cannot tell.

        Args:
            image: (h, w, 3) uint8 BGR, as the camera gave it: a swap or a scaled copy has
                other traces.
            faces: with boxes and landmarks in its pixels.
        """
        votes = [net(image, faces) for net in self.nets]
        return [_mean(scores) for scores in zip(*votes, strict=True)]


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if len(known) == len(scores) else None


def box_piece(image: Image, box: Floats, crop_scale: float) -> Image:
    """The piece of a picture round a face, as MiniFASNet was trained on it.

    Silent-Face-Anti-Spoofing, src/generate_patches.py: the box is grown by the scale, less
    where the picture is too small for it, and pushed inside where it hangs over an edge; it
    keeps the box's shape and is then resized to a square, linearly.

    Args:
        image: (h, w, 3) uint8 BGR.
        box: (4,) float32 px: x1, y1, x2, y2.
        crop_scale: 2.7 or 4.0.

    Returns:
        (80, 80, 3) uint8 BGR.
    """
    height, width = image.shape[:2]
    left, top = int(box[0]), int(box[1])
    wide = max(1, int(float(box[2]) - float(box[0]) + 1))
    high = max(1, int(float(box[3]) - float(box[1]) + 1))
    scale = min((height - 1) / high, (width - 1) / wide, crop_scale)
    x1, x2 = _inside(left + wide / 2, wide * scale / 2, width - 1)
    y1, y2 = _inside(top + high / 2, high * scale / 2, height - 1)
    piece = image[y1 : y2 + 1, x1 : x2 + 1]
    return np.asarray(cv2.resize(piece, (SIZE_PX, SIZE_PX)), np.uint8)


def _inside(middle: float, half: float, last: int) -> tuple[int, int]:
    """A stretch round a middle, pushed into 0..last."""
    first, end = middle - half, middle + half
    if first < 0:
        end -= first
        first = 0.0
    if end > last:
        first -= end - last
        end = last
    return max(0, int(first)), max(0, int(end))


def aligned_crop(image: Image, landmarks: Points) -> Image | None:
    """The crop of insightface's add-on, or None where too little of it is in the picture.

    Args:
        image: (h, w, 3) uint8 BGR.
        landmarks: (5, 2) float32 px.

    Returns:
        (80, 80, 3) uint8 BGR; what lies outside repeats the picture's edge.
    """
    matrix = similarity(landmarks, _ALIGNED)
    if matrix is None or float(np.linalg.det(matrix[:, :2])) <= 0:
        return None
    if _outside(image.shape, matrix) > OUTSIDE_MAX:
        return None
    side = (SIZE_PX, SIZE_PX)
    crop = cv2.warpAffine(image, matrix, side, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)


def _outside(shape: tuple[int, ...], matrix: Matrix) -> float:
    """Share of the crop's pixels that come from outside of the picture, 0..1."""
    back = cv2.invertAffineTransform(matrix)
    xs, ys = np.meshgrid(np.arange(SIZE_PX), np.arange(SIZE_PX))
    x = back[0, 0] * xs + back[0, 1] * ys + back[0, 2]
    y = back[1, 0] * xs + back[1, 1] * ys + back[1, 2]
    # A pixel between the last one and the border is taken in part, as linear warps do.
    inside = _share(x, shape[1]) * _share(y, shape[0])
    return 1.0 - float(inside.mean())


def _share(places: Tensor, extent: int) -> Tensor:
    return np.asarray(np.clip(np.minimum(places + 1, extent - places), 0, 1))


def _require_chances(session: Session, values: Floats, shape: tuple[int, ...]) -> None:
    """Refuse what are no probabilities.

    Raises:
        EngineError: another shape, or values outside of 0..1.
    """
    if values.shape != shape:
        msg = f"model {session.model_id} gave shape {values.shape}, not {shape}"
        raise EngineError(msg)
    if not ((values >= -1e-6) & (values <= 1 + 1e-6)).all():
        msg = f"model {session.model_id} gave values that are no probabilities"
        raise EngineError(msg)
