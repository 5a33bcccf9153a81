"""Places where a face was a moment ago: each is filled until it is explained or too old.

Overlap between neighbouring frames and nothing else: who somebody is has no say here, so
that no mistake of the recogniser opens a place.  Knows boxes and milliseconds; knows no
pictures and no persons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.faces import Face, Floats
from edged.geometry import iou
from edged.stages.assign import FORBIDDEN, assign

SAME_PLACE_IOU = 0.3
"""Overlap from which a face is at a place: at 10 frames a second a head that moves half
its width between frames still overlaps by a third."""

HELD_FRAMES = 2
"""A place is held for so many frames at least, however slowly they come: on a CPU a frame
may take longer than the configured hold, which would then hold nothing."""

HELD_AT_MOST_MS = 5000
"""Of that rule: what a camera saw before a longer pause is another scene."""


@dataclass(repr=False, eq=False)
class Held:
    """The places of one camera.

    Attributes:
        hold_ms: how long a place without a face is held; `HELD_FRAMES` frames at least.
        window_ms: how long that is in the last frame that was given.
    """

    hold_ms: int
    _places: list[tuple[Floats, int]] = field(default_factory=list)
    window_ms: int = 0
    _last_ms: int | None = None
    _frame_ms: int = 0

    def changed(self, faces: Sequence[Face], now_ms: int) -> bool:
        """Whether faces came or went, or someone is still lost: time for a full look."""
        live = self._live(now_ms)
        if len(faces) != len(live):
            return True
        if not live:
            return False
        overlap = iou(np.stack([f.box for f in faces]), np.stack([box for box, _ in live]))
        return bool((overlap.max(axis=1) < SAME_PLACE_IOU).any())

    def update(self, faces: Sequence[Face], now_ms: int) -> list[Floats]:
        """Explain places by the faces of a frame, each by one, and forget the old ones.

        Args:
            faces: of this frame.
            now_ms: monotonic time of the frame.

        Returns:
            Boxes of the places that no face explains, (4,) float32 px each.
        """
        self.window_ms = self._window_ms(now_ms)
        live = self._live(now_ms)
        self._frame_ms = 0 if self._last_ms is None else now_ms - self._last_ms
        self._last_ms = now_ms
        here = [(face.box, now_ms) for face in faces]
        if live and faces:
            overlap = iou(np.stack([f.box for f in faces]), np.stack([box for box, _ in live]))
            explained = set(assign(np.where(overlap >= SAME_PLACE_IOU, overlap, FORBIDDEN)))
            live = [place for number, place in enumerate(live) if number not in explained]
        self._places = here + live
        return [box for box, _ in live]  # not by time: two frames may share a millisecond

    def _window_ms(self, now_ms: int) -> int:
        """How long ago a place may have been seen to be held in a frame of this time."""
        # The shorter of the last two steps, since one pause makes no slow stream.
        frame_ms = 0 if self._last_ms is None else min(now_ms - self._last_ms, self._frame_ms)
        return max(self.hold_ms, min(HELD_FRAMES * frame_ms, HELD_AT_MOST_MS))

    def _live(self, now_ms: int) -> list[tuple[Floats, int]]:
        """Places that are not forgotten at this frame."""
        window_ms = self._window_ms(now_ms)
        return [place for place in self._places if now_ms - place[1] <= window_ms]
