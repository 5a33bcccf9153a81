"""What restoring added to a face, kept from frame to frame of a stream.

A restorer costs more than all other networks together; a face in a live stream changes
little from frame to frame.  So its *detail*, the restored crop minus the crop that was
restored, is kept a track and added to the crops of the frames between: aligned crops lie
on one another, whatever the head does in the frame.  Where the crop itself changed since
(a mouth opened, a head turned) less of it is added, down to nothing.

Details are crops of faces: they live in memory only, in a bounded amount.
Knows crops and numbers of frames; knows no networks.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from edged.faces import Floats, Image
from edged.stages.drift import shrunk

MOST_BYTES = 64 * 1024**2
"""Of all details together: 80 faces at 512 px, 5 at 2048 px.  The oldest go first."""

FORGET_FRAMES = 90
"""A detail that was not used for so long is dropped: its track is gone."""

SKETCH_PX = 32
"""Side of the small grey picture by which a crop is compared with an earlier one."""

RIM_PX = 4
"""Of the sketch, not compared: what lies there is not pasted."""

FITS, UNFIT = 1.5, 8.0
"""Mean difference of two sketches, grey levels: up to the first all of a detail is added,
from the second on nothing.  Fitted to the share that comes nearest to the truth on
generated sequences of a talking and turning face (`tests/bench/RESULTS.md`)."""

WORN = 0.5
"""A detail that fits less is made anew at half its time already."""

RISE_A_FRAME = 0.25
"""What is added of a restoration grows by so much a frame at most: while a face moves faster
than its detail can follow, the frames that are restored must not stand out from the others."""

NEW = 1 << 30
"""Frames that a face has waited that was never restored."""

_BIAS = 128
"""Details are bytes around this; what lies beyond -128..127 is cut off."""


def detail_of(restored: Image, crop: Image) -> Image:
    """What was added to a crop, (S, S, 3) uint8 around 128."""
    return np.asarray(cv2.addWeighted(restored, 1, crop, -1, _BIAS), np.uint8)


def with_detail(crop: Image, detail: Image, share: float) -> Image:
    """A crop with a share 0..1 of a detail added, (S, S, 3) uint8, newly made."""
    return np.asarray(cv2.addWeighted(crop, 1, detail, share, -_BIAS * share), np.uint8)


def sketch(crop: Image) -> Floats:
    """A small grey picture of a crop, (32, 32) float32, mean 0: light may change."""
    grey = np.asarray(cv2.cvtColor(shrunk(crop, SKETCH_PX), cv2.COLOR_BGR2GRAY), np.float32)
    if len(grey) != SKETCH_PX:
        side = (SKETCH_PX, SKETCH_PX)
        grey = np.asarray(cv2.resize(grey, side, interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(grey - grey.mean(), np.float32)


def fit(then: Floats, now: Floats) -> float:
    """How much of a detail still fits, 1 (all) to 0, by two sketches."""
    apart = float(np.abs(then - now)[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX].mean())
    return min(1.0, max(0.0, (UNFIT - apart) / (UNFIT - FITS)))


@dataclass(repr=False, eq=False)
class Kept:
    """Of one face.

    Attributes:
        made: number of the frame in which it was restored.
        share: of the restoration that the bound on drift allows, 0..1.
        level: of that, what went into the last picture, 0..1.
        drift: at that share; None where it is not measured.
        detail: see :func:`detail_of`; None where details are not kept.
        sketch: of the crop that it was made for; likewise.
        used: number of the last frame that had the face.
    """

    made: int
    share: float = 1.0
    level: float = 1.0
    drift: float | None = None
    detail: Image | None = None
    sketch: Floats | None = None
    used: int = 0


@dataclass(repr=False, eq=False)
class Memory:
    """What is kept of one camera's faces, by what tells the faces apart (track, character)."""

    frame: int = 0
    _kept: dict[Hashable, Kept] = field(default_factory=dict)

    def next_frame(self) -> None:
        """A frame begins; forgets whom it has not seen for long."""
        self.frame += 1
        for key in [k for k, v in self._kept.items() if self.frame - v.used > FORGET_FRAMES]:
            del self._kept[key]

    def get(self, key: Hashable) -> Kept | None:
        """What is kept of a face in this frame."""
        found = self._kept.get(key)
        if found is not None:
            found.used = self.frame
        return found

    def keep(self, key: Hashable, kept: Kept) -> None:
        """Keep what was made in this frame; the oldest make room."""
        kept.used = self.frame
        self._kept.pop(key, None)
        self._kept[key] = kept
        while self.bytes > MOST_BYTES:
            del self._kept[next(iter(self._kept))]

    def due(self, keys: Sequence[Hashable], every_n: int, fits: Sequence[float]) -> list[int]:
        """Which faces of a frame are restored anew, by their numbers.

        A face's turn comes every `every_n` frames, sooner if its detail fits no more, a new
        face's at once.  Of many whose turn it is a share is restored in one frame, those
        that wait longest first, so that every frame costs about the same.

        Args:
            keys: of the faces.
            every_n: frames.
            fits: of their details, see :func:`fit`; none where every frame is restored.
        """
        waiting = []
        for i, key in enumerate(keys):
            kept = self._kept.get(key)
            age = self.frame - kept.made if kept else NEW
            early = age >= (every_n + 1) // 2 and i < len(fits) and fits[i] < WORN
            if age >= every_n or early:
                waiting.append((-age, i))
        return [i for _, i in sorted(waiting)][: -(-len(keys) // every_n)]

    @property
    def bytes(self) -> int:
        """Memory of the details."""
        return sum(v.detail.nbytes for v in self._kept.values() if v.detail is not None)
