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
from edged.stages.paste import DETAIL_ZERO

MOST_BYTES = 64 * 1024**2
"""Of all details together: 80 faces at 512 px, 5 at 2048 px.  The oldest go first."""

FORGET_FRAMES = 90
"""A detail that was not used for so long is dropped: its track is gone."""

SKETCH_PX = 32
"""Side of the small grey picture by which a crop is compared with an earlier one."""

RIM_PX = 4
"""Of a sketch, left out of its mean and spread: what lies there is not pasted."""

SPREAD = 50.0
"""Standard deviation of a sketch; about that of the face that the bounds were fitted on."""

BLOCKS = 8
"""They are compared in so many blocks a side: a mouth that opens is no reason to lose the eyes."""

FITS, UNFIT = 1.5, 8.5
"""Mean difference of a block, grey levels: up to the first all of a detail is added there,
from the second on nothing.  Fitted to the share that comes nearest to the truth on generated
streams of a talking and turning face: 0.9 at 2, 0.5 at 4.5, 0.2 at 9 (tests/restore_kit.py)."""

WORN = 0.5
"""A detail that fits less, over all, is made anew at half its time already."""

RISE_A_FRAME = 0.15
"""What is added of a restoration grows by so much a frame at most: while a face moves faster
than its detail can follow, the frames that are restored must not stand out from the others."""

NEW = 1 << 30
"""Frames that a face has waited that was never restored."""


def detail_of(restored: Image, crop: Image) -> Image:
    """What was added to a crop, (S, S, 3) uint8 around 128; beyond -128..127 it is cut off."""
    return np.asarray(cv2.addWeighted(restored, 1, crop, -1, DETAIL_ZERO), np.uint8)


def with_detail(crop: Image, detail: Image, shares: Floats) -> Image:
    """A crop with a detail added, newly made.

    Args:
        crop: (S, S, 3) uint8 BGR.
        detail: likewise, see :func:`detail_of`.
        shares: (8, 8) float32 0..1, how much of it in each block; between their middles it
            changes smoothly.
    """
    share = float(shares[0, 0])
    if (shares == share).all():
        return np.asarray(cv2.addWeighted(crop, 1, detail, share, -DETAIL_ZERO * share), np.uint8)
    weights = np.rint(shares * 255).astype(np.uint8)
    alpha = cv2.cvtColor(cv2.resize(weights, crop.shape[1::-1]), cv2.COLOR_GRAY2BGR)
    grey = np.full_like(detail, DETAIL_ZERO)
    up, down = cv2.subtract(detail, grey), cv2.subtract(grey, detail)
    made = cv2.add(crop, cv2.multiply(up, alpha, scale=1 / 255))
    return np.asarray(cv2.subtract(made, cv2.multiply(down, alpha, scale=1 / 255)), np.uint8)


def sketch(crop: Image) -> Floats:
    """A small grey picture of a crop, (32, 32) float32, mean 0 and spread 50.

    So light may change, and a dark face counts like a bright one; what has next to no
    contrast is not blown up to noise.
    """
    grey = np.asarray(cv2.cvtColor(shrunk(crop, SKETCH_PX), cv2.COLOR_BGR2GRAY), np.float32)
    if len(grey) != SKETCH_PX:
        side = (SKETCH_PX, SKETCH_PX)
        grey = np.asarray(cv2.resize(grey, side, interpolation=cv2.INTER_AREA), np.float32)
    mean, spread = cv2.meanStdDev(grey[RIM_PX:-RIM_PX, RIM_PX:-RIM_PX])
    return np.asarray((grey - mean[0, 0]) * (SPREAD / max(spread[0, 0], SPREAD / 4)), np.float32)


def fit(then: Floats, now: Floats) -> Floats:
    """How much of a detail still fits by two sketches, (8, 8) float32: 1 (all) to 0."""
    apart = np.abs(then - now).reshape(BLOCKS, SKETCH_PX // BLOCKS, BLOCKS, -1).mean(axis=(1, 3))
    return np.asarray(np.clip((UNFIT - apart) / (UNFIT - FITS), 0, 1), np.float32)


def over_all(shares: Floats) -> float:
    """One number for a face; the blocks at the rim are not pasted."""
    return float(shares[1:-1, 1:-1].mean())


ALL: Floats = np.ones((BLOCKS, BLOCKS), np.float32)
"""Shares of all of a detail."""


@dataclass(repr=False, eq=False)
class Kept:
    """Of one face.

    Attributes:
        made: number of the frame in which it was restored.
        share: of the restoration that the bound on drift allows, 0..1.
        level: (8, 8) of that, what went into the last picture, 0..1.
        drift: at that share; None where it is not measured.
        measured: number of the frame in which it was.
        detail: see :func:`detail_of`; None where details are not kept.
        sketch: of the crop that it was made for; likewise.
        used: number of the last frame that had the face.
    """

    made: int = 0
    share: float = 1.0
    level: Floats = field(default_factory=lambda: ALL)
    drift: float | None = None
    measured: int = 0
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

    def look(self, key: Hashable) -> Kept | None:
        """What is kept of a face, which does not count as seen."""
        return self._kept.get(key)

    def get(self, key: Hashable) -> Kept | None:
        """What is kept of a face in this frame."""
        found = self._kept.get(key)
        if found is not None:
            found.used = self.frame
        return found

    def keep(self, key: Hashable, kept: Kept) -> None:
        """Keep what was made in this frame; the oldest make room."""
        kept.made = kept.used = self.frame
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
            fits: of their details, over all; none where every frame is restored.
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
