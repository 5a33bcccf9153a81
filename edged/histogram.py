"""Latency histograms with a bounded relative error, as HdrHistogram has them.

A value falls into one of 64 equal buckets between two powers of two, so that a percentile
is right within 0.8 % whatever its size, and recording costs one dictionary entry.
Percentiles are of the last minute; counts at fixed bounds are since the start, so that
whoever scrapes them can subtract and add them over devices.

After Gil Tene's HdrHistogram (sub-buckets of equal width inside each octave).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter

_PER_OCTAVE = 64
SLICE_S = 10.0
SLICES = 6
"""Percentiles are of the last 50 to 60 seconds."""

BOUNDS_MS: tuple[float, ...] = (
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000,
)  # fmt: skip
"""Upper bounds of the cumulative counts; 1-2-5 steps, the last is a frame's deadline."""


class Histogram:
    """Milliseconds that something took.  Not for several threads at once.

    Attributes:
        count, sum_ms: of all values since the start.
    """

    __slots__ = ("_bounds", "_slices", "_turn", "count", "sum_ms")

    def __init__(self) -> None:
        self._slices: list[Counter[int]] = [Counter() for _ in range(SLICES)]
        self._turn = -1
        self._bounds = [0] * len(BOUNDS_MS)
        self.count = 0
        self.sum_ms = 0.0

    def record(self, value_ms: float, now_s: float) -> None:
        """One value; negative ones and such that are no number are ignored."""
        if not 0.0 <= value_ms < math.inf:
            return
        self._rotate(now_s)
        self._slices[self._turn % SLICES][_bucket(value_ms)] += 1
        self.count += 1
        self.sum_ms += value_ms
        at = bisect_left(BOUNDS_MS, value_ms)
        if at < len(self._bounds):
            self._bounds[at] += 1

    def percentiles(self, shares: tuple[float, ...], now_s: float) -> tuple[float, ...]:
        """Values in ms below which so many of 100 lie in the last minute; () without any."""
        self._rotate(now_s)
        merged: Counter[int] = Counter()
        for one in self._slices:
            merged.update(one)
        total = merged.total()
        if not total:
            return ()
        ranks = [max(1, math.ceil(share / 100 * total)) for share in shares]
        found: dict[int, float] = {}
        seen = 0
        for bucket in sorted(merged):
            seen += merged[bucket]
            for rank in ranks:
                if rank <= seen and rank not in found:
                    found[rank] = _middle(bucket)
        return tuple(found[rank] for rank in ranks)

    def cumulative(self) -> tuple[int, ...]:
        """How many values since the start were at most each of :data:`BOUNDS_MS`."""
        total, counts = 0, []
        for count in self._bounds:
            total += count
            counts.append(total)
        return tuple(counts)

    def _rotate(self, now_s: float) -> None:
        turn = int(now_s // SLICE_S)
        if self._turn < 0:
            self._turn = turn
        for passed in range(self._turn + 1, min(turn, self._turn + SLICES) + 1):
            self._slices[passed % SLICES].clear()
        self._turn = max(turn, self._turn)


def _bucket(value_ms: float) -> int:
    """Number of the bucket; order is that of the values."""
    mantissa, exponent = math.frexp(max(value_ms, 1e-3))  # mantissa in [0.5, 1)
    return exponent * _PER_OCTAVE + int((mantissa - 0.5) * 2 * _PER_OCTAVE)


def _middle(bucket: int) -> float:
    """A value in the middle of a bucket, ms."""
    exponent, step = divmod(bucket, _PER_OCTAVE)
    return math.ldexp(0.5 + (step + 0.5) / (2 * _PER_OCTAVE), exponent)
