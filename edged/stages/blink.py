"""Blinks of a face over time: a second factor beside the look of its skin.

A print does not blink.  A film of a face does, so a blink alone proves nothing.  Knows
eye openings and milliseconds; knows no pictures.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

SHUT_BELOW = 0.6
OPEN_ABOVE = 0.8
"""In units of the opening that this face usually has: people's eyes differ by a factor of
two, so no fixed ratio would do."""

SHORTEST_MS = 40
LONGEST_MS = 600
"""A blink takes 100 to 400 ms; one frame of noise is shorter, a nod or a turned head longer."""

USUAL_MS = 4000
"""The usual opening is the 75th percentile of so long."""

FEWEST = 8
"""Openings before the usual one is known."""

LARGEST_GAP_MS = 250
"""Frames further apart say nothing about what happened between them."""


@dataclass(repr=False, eq=False)
class Blinks:
    """The eyes of one face.

    Attributes:
        last_ms: when the last whole blink ended; None before the first.
    """

    last_ms: int | None = None
    _seen: deque[tuple[int, float]] = field(default_factory=deque)
    _shut_ms: int | None = None

    def see(self, opening: float, now_ms: int) -> None:
        """Take the next opening, see :func:`edged.stages.face_parts.eye_opening`."""
        if self._seen and now_ms - self._seen[-1][0] > LARGEST_GAP_MS:
            self._seen.clear()
            self._shut_ms = None
        while self._seen and now_ms - self._seen[0][0] > USUAL_MS:
            self._seen.popleft()
        usual = self._usual()
        self._seen.append((now_ms, opening))
        if usual <= 0:
            return
        if opening < SHUT_BELOW * usual:
            self._shut_ms = now_ms if self._shut_ms is None else self._shut_ms
        elif self._shut_ms is not None and opening > OPEN_ABOVE * usual:
            if SHORTEST_MS <= now_ms - self._shut_ms <= LONGEST_MS:
                self.last_ms = now_ms
            self._shut_ms = None

    def within(self, period_ms: int, now_ms: int) -> bool:
        """Whether the face blinked in the last so many milliseconds."""
        return self.last_ms is not None and now_ms - self.last_ms <= period_ms

    def _usual(self) -> float:
        if len(self._seen) < FEWEST:
            return 0.0
        openings = sorted(opening for _, opening in self._seen)
        return openings[len(openings) * 3 // 4]
