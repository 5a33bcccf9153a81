"""Finds faces with the Haar cascades that OpenCV ships: the built-in pack's detector.

Knows cascades, the tilt of a head and where eyes sit in a box.  Knows no sessions, no
models on disk but OpenCV's own, and nothing of rotated pictures: the caller turns the
picture by quarter turns and maps the answers back.  The weakest detector of the house:
it sees frontal faces, and its landmarks below the eyes are the template's proportions.

How: one cascade proposes boxes in the picture shrunk to `max_side` and tilted by a few
angles; every proposal is looked at again, upright and at a fixed size, by two other
cascades (`support`: how many raw windows answer, a count that random texture seldom
gets) and by the eye cascades, which also place the eyes.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]
_Gray = NDArray[np.uint8]

# The second look: the face's box is this large in a square patch of this size.
_LOOK_PX, _LOOK_BOX_PX = 96, 60
_EYES_PX, _EYES_BOX_PX = 168, 112

# Where the eyes are in a frontal box, as a share of its side: the mean over upright
# faces, which is also the proportion that OpenCV's own samples assume.
_EYE_PRIOR = np.array([[0.315, 0.385], [0.685, 0.385]], np.float32)  # (2, 2)
_EYE_REACH = 0.15

# Five points of the ArcFace template (112 px), eyes first.
_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)

# Fewer answers than this are chance; a face with so many weighted ones is as likely as not.
# Frontal faces get 25 to 70, three-quarter ones 5 to 15, texture up to 15 and no eyes.
_LEAST_SUPPORT, _EVEN_SUPPORT = 3, 10.0
# What an answer counts by the number of eyes that are seen.
_EYES_COUNT = (0.3, 1.25, 2.0)

# Tilted heads are rarer: they are looked for in a smaller picture.
_TILTED_SHRINK = 0.9

_local = threading.local()


def _cascade(name: str) -> cv2.CascadeClassifier:
    """The named cascade, loaded once a thread: a classifier holds scratch buffers."""
    loaded: dict[str, cv2.CascadeClassifier] = _local.__dict__.setdefault("cascades", {})
    if name not in loaded:
        path = Path(cv2.__file__).parent / "data" / f"haarcascade_{name}.xml"
        loaded[name] = cv2.CascadeClassifier(str(path))
    return loaded[name]


@dataclass(frozen=True)
class _Proposal:
    """What may be a face: centre (2,) px, side of its box px, tilt in degrees."""

    centre: _Floats
    side: float
    tilt_deg: float

    def patch(self, gray: _Gray, patch_px: int, box_px: int) -> tuple[_Gray, _Floats]:
        """The proposal upright in a square patch, and the (2, 3) map from it back."""
        scale = box_px / self.side
        matrix = cv2.getRotationMatrix2D((0.0, 0.0), self.tilt_deg, scale)
        matrix[:, 2] = (patch_px - 1) / 2 - matrix[:, :2] @ self.centre
        shape = (patch_px, patch_px)
        patch = cv2.warpAffine(
            gray, matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        back = cv2.invertAffineTransform(matrix)
        return np.asarray(patch, np.uint8), np.asarray(back, np.float32)


@dataclass(frozen=True)
class HaarDetector:
    """Frontal faces of one upright picture.

    Attributes:
        max_side: the search runs on a picture whose long side is at most so many px;
            the second look uses the picture as given.
        tilts_deg: in-plane head tilts that are searched.
        min_face_px: smallest box side in the shrunk picture.
        threshold: score from which a face is reported.
    """

    max_side: int = 480
    tilts_deg: tuple[float, ...] = (0.0, -20.0, 20.0)
    min_face_px: int = 24
    threshold: float = 0.5

    def __call__(self, image: NDArray[np.uint8]) -> tuple[_Floats, _Floats, _Floats]:
        """Find faces.

        Args:
            image: (h, w, 3) uint8 BGR.

        Returns:
            Boxes (n, 4) x1, y1, x2, y2 px; scores (n,) 0..1; landmarks (n, 5, 2) px:
            left eye, right eye, nose, left and right mouth corner.  Best score first.
        """
        gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
        found: list[tuple[float, _Floats, _Floats]] = []
        for proposal in self._proposals(gray):
            support = _support(gray, proposal)
            if support >= _LEAST_SUPPORT:
                eyes, seen = _eyes(gray, proposal)
                weight = support * _EYES_COUNT[seen]
                found.append((weight, _box(eyes, proposal), _landmarks(eyes)))
        kept: list[tuple[float, _Floats, _Floats]] = []
        while found:
            # The best of those that are one face stands for all and has their weight.
            best = max(found, key=lambda item: item[0])
            group = [item for item in found if _same(item[1], best[1])]
            found = [item for item in found if not _same(item[1], best[1])]
            weight = sum(item[0] for item in group)
            score = weight / (weight + _EVEN_SUPPORT)
            if score >= self.threshold:
                kept.append((score, best[1], best[2]))
        kept.sort(key=lambda item: -item[0])
        if not kept:
            return (
                np.zeros((0, 4), np.float32),
                np.zeros((0,), np.float32),
                np.zeros((0, 5, 2), np.float32),
            )
        return (
            np.stack([box for _, box, _ in kept]),
            np.array([score for score, _, _ in kept], np.float32),
            np.stack([points for _, _, points in kept]),
        )

    def _proposals(self, gray: _Gray) -> list[_Proposal]:
        """What may be a face, in coordinates of the picture."""
        height, width = gray.shape
        proposals: list[_Proposal] = []
        for tilt in self.tilts_deg:
            most = self.max_side * (_TILTED_SHRINK if tilt else 1.0)
            shrink = min(1.0, most / max(height, width))
            size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
            small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
            scale = np.array([width / size[0], height / size[1]], np.float32)
            turned, back = _turn(np.asarray(small, np.uint8), tilt)
            least = (self.min_face_px, self.min_face_px)
            for x, y, w, h in _cascade("frontalface_alt2").detectMultiScale(
                turned, 1.2, 2, minSize=least
            ):
                middle = np.array([x + (w - 1) / 2, y + (h - 1) / 2, 1.0], np.float32)
                centre = (back @ middle + 0.5) * scale - 0.5
                proposals.append(
                    _Proposal(centre.astype(np.float32), float(w * scale.mean()), tilt)
                )
        return proposals


def _turn(gray: _Gray, tilt_deg: float) -> tuple[_Gray, _Floats]:
    """The picture turned by `tilt_deg` and the (2, 3) map from it back."""
    if tilt_deg == 0.0:
        return gray, np.eye(2, 3, dtype=np.float32)
    height, width = gray.shape
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(middle, tilt_deg, 1.0), np.float64)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (int(width * cos + height * sin), int(height * cos + width * sin))
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    turned = cv2.warpAffine(gray, matrix, size)
    back = cv2.invertAffineTransform(matrix)
    return np.asarray(turned, np.uint8), np.asarray(back, np.float32)


def _support(gray: _Gray, proposal: _Proposal) -> int:
    """How many raw windows of the more doubtful of two other cascades see a face."""
    patch, _ = proposal.patch(gray, _LOOK_PX, _LOOK_BOX_PX)
    low, high = int(_LOOK_BOX_PX * 0.75), int(_LOOK_BOX_PX * 1.35)
    counts = []
    for name in ("frontalface_alt", "frontalface_default"):
        windows = _cascade(name).detectMultiScale(
            patch, 1.08, 0, minSize=(low, low), maxSize=(high, high)
        )
        counts.append(len(windows))
        if not counts[-1]:
            break
    return min(counts)


def _eyes(gray: _Gray, proposal: _Proposal) -> tuple[_Floats, int]:
    """Both eyes in the picture (2, 2) px, and how many of them a cascade saw."""
    patch, back = proposal.patch(gray, _EYES_PX, _EYES_BOX_PX)
    corner = (_EYES_PX - _EYES_BOX_PX) / 2
    prior = corner + _EYE_PRIOR * _EYES_BOX_PX - 0.5  # (2, 2)
    reach = _EYE_REACH * _EYES_BOX_PX
    top, bottom = int(prior[0, 1] - 2.2 * reach), int(prior[0, 1] + 2.2 * reach)
    votes: list[list[tuple[float, float]]] = [[], []]
    for name in ("eye", "eye_tree_eyeglasses", "lefteye_2splits", "righteye_2splits"):
        windows = _cascade(name).detectMultiScale(
            patch[top:bottom], 1.1, 1, minSize=(20, 20), maxSize=(44, 44)
        )
        for x, y, w, h in windows:
            # The pupil sits a little below the middle of the cascades' windows.
            spot = np.array([x + w / 2 - 0.5, y + top + 0.54 * h - 0.5], np.float32)
            for which in (0, 1):
                if np.linalg.norm(spot - prior[which]) < reach:
                    votes[which].append((float(spot[0]), float(spot[1])))
    eyes = prior.copy()
    for which in (0, 1):
        if votes[which]:
            # The prior has one vote too: a lone false window moves the eye half-way.
            eyes[which] = np.mean([*votes[which], *votes[which], prior[which]], axis=0)
    seen = sum(bool(v) for v in votes)
    if seen == 1:
        # Faces tilt and shift more than they stretch: the unseen eye goes along.
        which = 0 if votes[0] else 1
        eyes[1 - which] += 0.5 * (eyes[which] - prior[which])
    return (eyes @ back[:, :2].T + back[:, 2]).astype(np.float32), seen


def _landmarks(eyes: _Floats) -> _Floats:
    """Five points (5, 2) px whose eyes are these: the template, turned and scaled."""
    model = _TEMPLATE[1] - _TEMPLATE[0]
    real = eyes[1] - eyes[0]
    # Complex division gives the similarity that maps one segment onto the other.
    ratio = complex(real[0], real[1]) / complex(model[0], model[1])
    turn = np.array([[ratio.real, -ratio.imag], [ratio.imag, ratio.real]], np.float32)
    points = (_TEMPLATE - _TEMPLATE[0]) @ turn.T + eyes[0]
    return np.asarray(points, np.float32)


def _box(eyes: _Floats, proposal: _Proposal) -> _Floats:
    """Box (4,) px from brow to chin, narrower than the cascade's square."""
    side = proposal.side
    half = np.array([0.38, 0.50], np.float32) * side
    middle = 0.5 * (proposal.centre + eyes.mean(axis=0) + np.array([0.0, 0.12 * side]))
    return np.asarray(np.concatenate([middle - half, middle + half]), np.float32)


def _same(one: _Floats, other: _Floats) -> bool:
    """Whether two boxes are one face: a centre lies within the other's inner half."""
    apart = np.abs((one[:2] + one[2:]) - (other[:2] + other[2:])) / 2
    size = np.maximum(one[2:] - one[:2], other[2:] - other[:2])
    return bool(np.all(apart < 0.5 * size))
