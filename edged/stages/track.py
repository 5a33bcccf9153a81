"""Tracks of faces through one camera's stream: who was where, and who is lost.

Greedy overlap between neighbouring frames, no appearance.  Knows boxes and milliseconds;
knows no pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.faces import Face, Floats
from edged.geometry import iou

SAME_TRACK_IOU = 0.3
"""Overlap from which a face continues a track: at 10 frames a second a head that moves
half its width between frames still overlaps by a third."""


HELD_FRAMES = 2
"""A lost track is held for so many frames at least, however slowly they come: on a CPU a
frame may take longer than the configured hold, which would then hold nothing."""

HELD_AT_MOST_MS = 5000
"""Of that rule: what a camera saw before a longer pause is another scene."""


@dataclass(repr=False, eq=False)
class Track:
    """One face over time.  `box` is (4,) float32 px at `seen_ms`."""

    track_id: int
    box: Floats
    seen_ms: int


@dataclass(repr=False, eq=False)
class Tracks:
    """The tracks of one camera.

    Attributes:
        hold_ms: how long a lost track is remembered; `HELD_FRAMES` frames at least.
    """

    hold_ms: int
    _live: list[Track] = field(default_factory=list)
    _next_id: int = 1
    _last_ms: int | None = None
    _frame_ms: int = 0

    def changed(self, faces: Sequence[Face], now_ms: int) -> bool:
        """Whether faces came or went, or someone is still lost: time for a full look."""
        live = self._held(now_ms)
        if len(faces) != len(live):
            return True
        if not live:
            return False
        overlap = iou(np.stack([f.box for f in faces]), np.stack([t.box for t in live]))
        return bool((overlap.max(axis=1) < SAME_TRACK_IOU).any())

    def update(self, faces: Sequence[Face], now_ms: int) -> list[Floats]:
        """Give every face its track and forget what was lost too long ago.

        Args:
            faces: of this frame; their `track_id` is set.
            now_ms: monotonic time of the frame.

        Returns:
            Boxes of the tracks that are lost in this frame and still held.
        """
        self._live = self._held(now_ms)
        self._frame_ms = 0 if self._last_ms is None else now_ms - self._last_ms
        self._last_ms = now_ms
        free = list(self._live)
        for face in faces:
            best = max(
                free, key=lambda t: float(iou(face.box[None], t.box[None])[0, 0]), default=None
            )
            if best is None or iou(face.box[None], best.box[None])[0, 0] < SAME_TRACK_IOU:
                best = Track(self._next_id, face.box, now_ms)
                self._next_id += 1
                self._live.append(best)
            else:
                free.remove(best)
            best.box, best.seen_ms = face.box, now_ms
            face.track_id = best.track_id
        return [t.box for t in free]  # not by time: two frames may share a millisecond

    def _held(self, now_ms: int) -> list[Track]:
        """Tracks that are not forgotten at this frame."""
        # The shorter of the last two steps, since one pause makes no slow stream.
        frame_ms = 0 if self._last_ms is None else min(now_ms - self._last_ms, self._frame_ms)
        hold_ms = max(self.hold_ms, min(HELD_FRAMES * frame_ms, HELD_AT_MOST_MS))
        return [t for t in self._live if now_ms - t.seen_ms <= hold_ms]
