"""Landmarks steadied over time, without lag: a swap on a still face does not tremble.

A filter like the One Euro filter (G. Casiez, N. Roussel, D. Vogel: "1 € Filter", CHI 2012),
whose cutoff rises with speed, but around a prediction: an alpha-beta filter, which does not
trail behind a head that moves evenly.  What is left of its error is bounded outright.
Knows points and milliseconds; knows no pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from edged.faces import Floats, Points

CUTOFF_HZ = 0.15
"""Of a still face.  With the noise of det_500m under sensor noise of 4 grey levels, 1 to 2 px
RMS at the corners of pastes on faces of 160 px, a paste trembles by 0.23 px at most
(tests/bench/RESULTS.md)."""

CUTOFF_PER_SPEED = 20.0
"""Hz for each face side a second; what moves is seen less sharply and must not be late."""

NOISE = 0.01
"""A detector misses a still face by less, in sides (twice the RMS measured, see above);
what all five landmarks miss beyond it is a motion that has just begun or ended."""

LATEST = 0.3
"""Share of the last frame in that: noise changes its side, a motion does not."""

CUTOFF_PER_MISS = 2000.0
"""Hz for each side of that."""

OFF_AT_MOST = 0.03
"""Steadied landmarks lie within this share of the face's side of the detector's, whatever
happens; a swap mask reaches further beyond the landmarks than that."""

JUMP = 0.3
"""Landmarks that move further from one frame to the next, in sides, are another look."""

PAUSE_MS = 500
"""After a longer pause nothing is known of the motion."""


@dataclass(repr=False, eq=False)
class Steady:
    """The filter of one face."""

    _points: Points | None = None
    _speed: Floats | None = None
    _drift: Floats = field(default_factory=lambda: np.zeros(2, np.float32))
    _seen_ms: int = 0
    _count: int = 0

    def __call__(self, points: Points, box: Floats, now_ms: int) -> Points:
        """Steadied landmarks of a frame.

        Args:
            points: (5, 2) float32 px, the detector's.
            box: (4,) float32 px of the face; its side is the unit of everything.
            now_ms: monotonic time of the frame.

        Returns:
            (5, 2) float32 px, none further than `OFF_AT_MOST` sides from its own.
        """
        side = math.sqrt(max(float((box[2] - box[0]) * (box[3] - box[1])), 1.0))
        step_s = (now_ms - self._seen_ms) / 1000
        self._seen_ms = now_ms
        if self._points is None or self._speed is None or not 0 < step_s <= PAUSE_MS / 1000:
            return self._begin(points)
        guess = self._points + self._speed * np.float32(step_s)
        miss = points - guess
        if np.linalg.norm((points - self._points).mean(axis=0)) > JUMP * side:
            return self._begin(points)
        # One cutoff for all five: they are one head, and speed is told better by five.
        speed = float(np.sqrt((self._speed**2).sum(axis=1).mean())) / side
        self._drift = (1 - LATEST) * self._drift + LATEST * miss.mean(axis=0)
        surprise = max(0.0, float(np.linalg.norm(self._drift)) / side - NOISE)
        cutoff_hz = CUTOFF_HZ + CUTOFF_PER_SPEED * speed + CUTOFF_PER_MISS * surprise
        lag_s = 1 / (2 * math.pi * cutoff_hz)
        alpha = 1 / (1 + lag_s / step_s)
        beta = alpha**2 / (2 - alpha)  # Benedict and Bordner, 1962: least transient error
        self._count += 1
        # The first landmarks are as noisy as any: a mean, until the filter is slower than one.
        gain = max(alpha, 1 / (self._count + 1))
        self._points = np.asarray(guess + gain * miss, np.float32)
        self._speed = np.asarray(self._speed + beta / step_s * miss, np.float32)
        # Bounded where it is kept, too: a filter that was left behind does not swing back.
        off = self._points - points
        far = np.linalg.norm(off, axis=1, keepdims=True) / (OFF_AT_MOST * side)
        self._points = np.asarray(points + off / np.maximum(far, 1), np.float32)
        return self._points

    def _begin(self, points: Points) -> Points:
        self._points = np.array(points, np.float32)
        self._speed = np.zeros_like(self._points)
        self._drift = np.zeros(2, np.float32)
        self._count = 0
        return self._points
