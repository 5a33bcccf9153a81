"""Faces over a stretch of frames: which stayed, which flashed up, and the score between them.

Detectors are asked with a low threshold, so that what the configured one would lose or let in
is seen as well.  A face that stays is taken for a true one, one that flashes up in a frame or
two for a false one: nobody labels anything, which is why a picture alone gives no threshold.
Knows boxes and scores; knows no pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.faces import Face, Floats
from edged.geometry import grow, iou
from edged.measure.rates import LEAN

ASKED_SCORE = 0.2
"""Threshold that detectors are asked with; below it they answer to anything."""

SAME_IOU = 0.3
_GAP_FRAMES = 2
"""So many frames may a face be missed without being another one."""

_STAYS_FRAMES, _STAYS_SHARE = 5, 0.6
_FLASHES_FRAMES = 2
_SURE = 0.5
"""Median score of a true face; what SCRFD and YuNet see in creases, hands and small looks
flickers between 0.2 and 0.6 for seconds, on photos of two rooms."""

_AROUND = 1.3
"""A head is so much larger than its face."""

_STILL_SHARE = 0.01
_STILL_FRAMES = 20
"""A face that moves less than this share of its side over so many frames is no visitor."""

LOWEST, HIGHEST = 0.2, 0.6
"""What is suggested at all: below, walls become faces; above, turned heads are lost."""

ENOUGH_FRAMES = 15


@dataclass(repr=False, eq=False)
class Sighting:
    """One face over time.

    Attributes:
        frames: numbers of the frames that it was seen in.
        boxes: (4,) px each.
        scores: of each.
        whole: whether it lay inside the frame; one that is leaving scores lower, rightly.
        rolls_deg: of each, how far the head leans; 0 is upright.
    """

    frames: list[int] = field(default_factory=list)
    boxes: list[Floats] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    rolls_deg: list[float] = field(default_factory=list)

    @property
    def stays(self) -> bool:
        """Whether it is taken for a true face."""
        span = self.frames[-1] - self.frames[0] + 1
        return (
            len(self.frames) >= _STAYS_FRAMES
            and len(self.frames) >= _STAYS_SHARE * span
            and float(np.median(self.scores)) >= _SURE
        )

    @property
    def flashes(self) -> bool:
        """Whether it is taken for a false one."""
        return len(self.frames) <= _FLASHES_FRAMES

    @property
    def still(self) -> bool:
        """Whether it is a picture on a wall rather than a person."""
        boxes = np.stack(self.boxes)
        side = float((boxes[:, 2:] - boxes[:, :2]).mean())
        moved = float(np.abs(boxes - np.median(boxes, axis=0)).max())
        return len(self.frames) >= _STILL_FRAMES and moved < _STILL_SHARE * side

    @property
    def sides_px(self) -> Floats:
        """(n,) shorter side of each box that lay inside the frame."""
        boxes = np.stack(self.boxes)[self.whole]
        return np.asarray((boxes[:, 2:] - boxes[:, :2]).min(axis=1), np.float32)

    @property
    def whole_scores(self) -> Floats:
        """(n,) likewise."""
        return np.array(self.scores, np.float32)[self.whole]


@dataclass(frozen=True)
class Threshold:
    """A score to part true faces from false ones.

    Attributes:
        det_thresh: suggested; None where nothing can be said.
        true_low: what faces that stayed reached in 49 of 50 frames.
        false_high: best score of what flashed up; 0 for nothing.
        stayed, flashed: how many there were.
        lost: share of the true faces' frames that the suggestion would lose.
        let_in: flashes that it would let in.
    """

    det_thresh: float | None
    true_low: float
    false_high: float
    stayed: int
    flashed: int
    lost: float
    let_in: int


@dataclass(repr=False, eq=False)
class Sightings:
    """The faces of a stretch of frames."""

    frames: int = 0
    all: list[Sighting] = field(default_factory=list)

    def add(self, faces: Sequence[Face], shape: Sequence[int]) -> None:
        """The next frame's faces, of any score; the frame's rows and columns come first."""
        number, self.frames = self.frames, self.frames + 1
        live = [s for s in self.all if number - s.frames[-1] <= _GAP_FRAMES + 1]
        pairs = []
        if faces and live:
            overlap = iou(np.stack([f.box for f in faces]), np.stack([s.boxes[-1] for s in live]))
            pairs = sorted(
                ((float(overlap[i, j]), i, j) for i, j in np.argwhere(overlap >= SAME_IOU)),
                reverse=True,
            )
        taken: dict[int, Sighting] = {}
        used: set[int] = set()
        for _, i, j in pairs:
            if i not in taken and j not in used:
                taken[int(i)] = live[j]
                used.add(int(j))
        for i, face in enumerate(faces):
            if i not in taken:
                taken[i] = Sighting()
                self.all.append(taken[i])
            one = taken[i]
            one.frames.append(number)
            one.boxes.append(face.box)
            one.scores.append(face.score)
            one.whole.append(_inside(face.box, shape))
            one.rolls_deg.append(_roll_deg(face))

    @property
    def stayed(self) -> list[Sighting]:
        """True faces."""
        return [s for s in self.all if s.stays]

    def threshold(self, configured: float) -> Threshold:
        """What `det_thresh` fits here.

        Args:
            configured: kept as an upper bound where nothing false was seen.
        """
        stayed = self.stayed
        flashed = [s for s in self.all if s.flashes and not _part_of(s, stayed)]
        false_high = max((max(s.scores) for s in flashed), default=0.0)
        scores = np.concatenate([np.zeros(0, np.float32), *(s.whole_scores for s in stayed)])
        if self.frames < ENOUGH_FRAMES or not len(scores):
            return Threshold(None, 0.0, false_high, len(stayed), len(flashed), 0.0, 0)
        true_low = float(np.quantile(scores, 0.02))
        if not flashed:
            wanted = min(configured, 0.8 * true_low)
        elif false_high < true_low:
            wanted = false_high + LEAN * (true_low - false_high)
        else:  # a face that is lost is a leak, one too many is a grey patch
            wanted = 0.9 * true_low
        bound = math.floor(100 * min(max(wanted, LOWEST), HIGHEST)) / 100
        return Threshold(
            det_thresh=bound,
            true_low=true_low,
            false_high=false_high,
            stayed=len(stayed),
            flashed=len(flashed),
            lost=float((scores < bound).mean()),
            let_in=sum(max(s.scores) >= bound for s in flashed),
        )


def _inside(box: Floats, shape: Sequence[int]) -> bool:
    """Whether the head, not only its box, lies inside the frame."""
    x1, y1, x2, y2 = (float(v) for v in grow(box, _AROUND))
    return x1 >= 0 and y1 >= 0 and x2 < shape[1] and y2 < shape[0]


def _part_of(flash: Sighting, stayed: Sequence[Sighting]) -> bool:
    """Whether it is another look at a face that stayed: its middle lies in that one's box."""
    for number, box in zip(flash.frames, flash.boxes, strict=True):
        x, y = (box[:2] + box[2:]) / 2
        for one in stayed:
            if number in one.frames:
                x1, y1, x2, y2 = grow(one.boxes[one.frames.index(number)], _AROUND)
                if x1 < x < x2 and y1 < y < y2:
                    return True
    return False


def _roll_deg(face: Face) -> float:
    """How far a head leans: the eyes' line against the horizontal."""
    dx, dy = (float(v) for v in face.landmarks[1] - face.landmarks[0])
    return math.degrees(math.atan2(dy, dx))
