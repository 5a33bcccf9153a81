"""The values that stages hand to one another: detections, faces, pictures' regions.

Holds arrays in memory only: no I/O, no repr of numbers (a repr ends up in logs).
Knows nothing of models, sockets or configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""BGR picture, (h, w, 3) uint8, C-contiguous unless said otherwise."""

Points = NDArray[np.float32]
"""Points in picture coordinates, (..., 2) float32, x then y, pixel centres at integers."""

Boxes = NDArray[np.float32]
"""Boxes in picture coordinates, (n, 4) float32: x1, y1, x2, y2."""

Embedding = NDArray[np.float32]
"""Identity vector, (d,) float32, L2 norm 1."""

Floats = NDArray[np.float32]
"""Any float32 array; its docstring says the shape."""

Tensor = NDArray[Any]
"""An array that goes into or comes out of a session."""


@dataclass(frozen=True, repr=False, eq=False)
class Detections:
    """What one detector found in one picture.

    Attributes:
        boxes: (n, 4) float32 px.
        scores: (n,) float32, 0..1.
        landmarks: (n, 5, 2) float32 px: left eye, right eye, nose, left and right
            mouth corner, left and right as seen on an upright face in the picture.
        family: name of the detector family ("scrfd", "yunet", "haar").
    """

    boxes: Boxes
    scores: Floats
    landmarks: Points
    family: str

    def __len__(self) -> int:
        return len(self.scores)

    def above(self, score: float) -> Detections:
        """Those with at least this score."""
        keep = self.scores >= score
        return Detections(self.boxes[keep], self.scores[keep], self.landmarks[keep], self.family)

    @staticmethod
    def none(family: str) -> Detections:
        """An empty answer."""
        return Detections(
            np.zeros((0, 4), np.float32),
            np.zeros((0,), np.float32),
            np.zeros((0, 5, 2), np.float32),
            family,
        )


@dataclass(frozen=True)
class Touch:
    """What restoring did to one face.

    Attributes:
        kind: "anew" by the network, "kept" detail of an earlier frame, "waiting" for its
            turn, or "small": left as it was, since it would gain nothing.
        strength: blend of the restorer's output that is in the picture, 0..1.
        drift: identity drift, at most; None where it is not measured.
        eased: less than was asked for, so that the drift keeps its bound.
    """

    kind: Literal["anew", "kept", "waiting", "small"]
    strength: float = 0.0
    drift: float | None = None
    eased: bool = False


@dataclass(frozen=True)
class Life:
    """Whether a face is live or a picture of one.

    Attributes:
        score: probability by the networks, 0..1; None where they cannot tell.
        blinked: whether it was seen to blink of late; None where nobody looked.
        live: what follows, by the thresholds of the networks.
    """

    score: float | None
    blinked: bool | None
    live: bool


@dataclass(repr=False, eq=False)
class Face:
    """One face of one frame, after the union over detectors.

    Attributes:
        box: (4,) float32 px, the union's box.
        score: best score of its detections.
        landmarks: (5, 2) float32 px, of the best detection.
        families: which detector families saw it.
        track_id: number of its track in this camera's stream, 0 for a shot.
        embedding: guard recogniser's vector, filled in where it is needed.
        others: (5, 2) float32 px each, landmarks of merged findings that lie elsewhere.
        doubtful: one family saw it, and no close look did: it is filled, not swapped.
        steadied: (5, 2) float32 px, landmarks steadied over a stream's frames; what is cut
            out and pasted goes by these, what is checked or filled never.
        touch: what restoring did to it.
        life: whether it is live, where a scene asks for that.
        dense: (68 or 106, 2) float32 px, dense landmarks, where something needed them.
    """

    box: Floats
    score: float
    landmarks: Points
    families: frozenset[str]
    track_id: int = 0
    embedding: Embedding | None = field(default=None)
    others: tuple[Points, ...] = ()
    doubtful: bool = False
    steadied: Points | None = None
    touch: Touch | None = None
    life: Life | None = None
    dense: Points | None = None

    @property
    def pasted_by(self) -> Points:
        """(5, 2) float32 px, the landmarks by which it is cut out, swapped and pasted."""
        return self.landmarks if self.steadied is None else self.steadied
