"""Error rates with their uncertainty, and the bound that parts two sets of measurements.

Knows numbers; knows no faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edged.faces import Floats

Z_95 = 1.959964
"""Standard normal quantile of a two-sided interval of 95 %."""

LEAN = 1 / 3
"""Where in the gap a bound lies, from the harmless side: a face that is filled without need
is a blemish, one that gets out is a leak."""


@dataclass(frozen=True)
class Rate:
    """Errors in so many trials.

    Attributes:
        errors: of them.
        trials: all.
    """

    errors: int
    trials: int

    @property
    def share(self) -> float:
        """0..1; 0 where nothing was tried."""
        return self.errors / self.trials if self.trials else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the share, trials taken as independent.

        Wilson's score interval (1927).  Without an error the upper end is the exact
        1 - 0.05**(1/n), which the rule of three (3/n) approximates.
        """
        n = self.trials
        if not n:
            return 0.0, 1.0
        if not self.errors:
            return 0.0, 1 - 0.05 ** (1 / n)
        p, z2 = self.share, Z_95 * Z_95
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def words(self) -> str:
        """For a person: "0 of 21 (95 %: at most 13 %)"."""
        low, high = self.interval
        of = f"{self.errors} of {self.trials}"
        if not self.errors:
            return f"{of} (95 %: at most {_percent(high)})"
        return f"{of}, {_percent(self.share)} (95 %: {_percent(low)} to {_percent(high)})"


@dataclass(frozen=True)
class Parted:
    """A bound between values that should pass and values that should not.

    Attributes:
        bound: values above it fail.
        harmless_max, harmful_min: the nearest values of the two sets, overlapping or not.
        needless: harmless values above the bound.
        missed: harmful values at or below it.
    """

    bound: float
    harmless_max: float
    harmful_min: float
    needless: Rate
    missed: Rate


def part(harmless: Floats, harmful: Floats, *, miss_cost: float = 1.0) -> Parted:
    """The bound with the fewest errors; where several do alike, in the widest gap.

    Args:
        harmless: (n,) values that should lie at or below the bound, n > 0.
        harmful: (m,) values that should lie above it, m > 0.
        miss_cost: what a share of missed values weighs against the same share of needless
            ones.

    Returns:
        With a bound `LEAN` of the way up the gap that it lies in.
    """
    low, high = np.sort(harmless.astype(np.float64)), np.sort(harmful.astype(np.float64))
    # Between two neighbouring values all bounds err alike, so one candidate a gap is enough.
    edges = np.unique(np.concatenate([low, high]))
    floor = edges[0] - 1e-6
    starts = np.concatenate([[floor], edges])  # the bound may be as low as a value itself
    ends = np.concatenate([edges, [edges[-1] + 1e-6]])
    needless = len(low) - np.searchsorted(low, starts, side="right")
    missed = np.searchsorted(high, starts, side="right")
    cost = needless / len(low) + miss_cost * missed / len(high)
    best = np.flatnonzero(cost <= cost.min() + 1e-12)
    chosen = best[np.argmax((ends - starts)[best])]
    return Parted(
        bound=float(starts[chosen] + LEAN * (ends - starts)[chosen]),
        harmless_max=float(low[-1]),
        harmful_min=float(high[0]),
        needless=Rate(int(needless[chosen]), len(low)),
        missed=Rate(int(missed[chosen]), len(high)),
    )


def histogram(values: Floats, low: float, high: float, bins: int) -> list[int]:
    """How many values fall into each of so many equal steps; those outside go to the ends."""
    counted, _ = np.histogram(np.clip(values, low, high), bins=bins, range=(low, high))
    return [int(n) for n in counted]


def _percent(share: float) -> str:
    """Two digits that matter: 13 %, 1.6 %, 0.16 %."""
    percent = 100 * share
    digits = 0 if percent >= 10 else 1 if percent >= 1 else 2
    return f"{percent:.{digits}f} %"
