"""Whether a booth stayed as it was: memory, descriptors, threads, frames, latency.

Two windows are compared, each a sixth of the run: the first after a warm-up of a sixth, and
the last.  In 30 minutes these are five minutes each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from soak.samples import Sample

SHARE = 1 / 6
GROWTH = 0.02
"""Of resident memory, last window against first."""
LEAST_FPS = 10.0
CHANCE = 0.975
"""A 95th percentile of some hundred latencies scatters by itself.  How far is measured: both
windows are cut into blocks, which are dealt out anew, and only a rise that chance alone gives
in less than one of forty deals counts as worse."""
BLOCKS = 10
"""Of a window, each half a minute of a whole run.  What slows a machine for seconds slows
neighbours in time alike, so single looks would claim more knowledge than there is; a block is
longer than that, and holds enough of the control for a median."""
DEALS = 2000


@dataclass(frozen=True)
class Finding:
    """One promise, what was seen of it in both windows, and whether it held."""

    what: str
    first: str
    last: str
    judged: str
    held: bool


def windows(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Samples of the first window after the warm-up, and of the last one."""
    whole_s = samples[-1].at_s
    first = [s for s in samples if SHARE * whole_s < s.at_s <= 2 * SHARE * whole_s]
    return first, [s for s in samples if s.at_s > (1 - SHARE) * whole_s]


def judge(samples: Sequence[Sample], problems: Sequence[str] = ()) -> list[Finding]:
    """Every promise in turn.

    Args:
        samples: at least a dozen, in order.
        problems: what went wrong besides.
    """
    first, last = windows(samples)
    found = []
    for name in ("engine", "uplink"):
        found += [
            _memory(name, first, last, [s for s in samples if s.at_s >= first[0].at_s]),
            _constant(name, "fds", first, last),
            _constant(name, "threads", first, last),
        ]
    found += [
        _rate(samples, first, last),
        _latency("shots p95", first, last, lambda s: s.shots_ms),
        _latency("frames p95", first, last, lambda s: s.frames_ms),
        _drained(first, last),
    ]
    said = "; ".join(sorted(set(problems))[:3])
    return [*found, Finding("answers", "", "", said or "each a picture", not problems)]


def _memory(name: str, first: list[Sample], last: list[Sample], warm: list[Sample]) -> Finding:
    before, after = (median(getattr(s, name).rss_mb for s in part) for part in (first, last))
    growth = after / before - 1
    slope = theil_sen([(s.at_s / 3600, getattr(s, name).rss_mb) for s in warm])
    return Finding(
        f"{name} memory", f"{before:.1f} MB", f"{after:.1f} MB",
        f"{100 * growth:+.2f} %, below {100 * GROWTH:.0f} % asked; slope {slope:+.1f} MB/h",
        growth < GROWTH,
    )  # fmt: skip


def theil_sen(points: Sequence[tuple[float, float]]) -> float:
    """Median of all slopes between two points (Theil 1950, Sen 1968): outliers do not bend it."""
    x, y = np.array(points, float).T
    a, b = np.triu_indices(len(x), 1)
    return float(np.median((y[b] - y[a]) / (x[b] - x[a])))


def _constant(name: str, what: str, first: list[Sample], last: list[Sample]) -> Finding:
    before, after = ([getattr(getattr(s, name), what) for s in part] for part in (first, last))
    held = median(before) == median(after) and max(after) <= max(before)
    return Finding(f"{name} {what}", _span(before), _span(after), "no more than before", held)


def _span(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else f"{min(values)} to {max(values)}"


def _rate(samples: Sequence[Sample], first: list[Sample], last: list[Sample]) -> Finding:
    before, after, whole = (
        sum(s.shown_fps for s in part) / len(part) for part in (first, last, samples)
    )
    return Finding(
        "frames shown", f"{before:.1f} /s", f"{after:.1f} /s",
        f"{whole:.1f} /s of the whole run, {LEAST_FPS:.0f} asked",
        min(before, after, whole) >= LEAST_FPS,
    )  # fmt: skip


Blocks = list[np.ndarray]
"""Latencies, by block of time; (n,) float64 each."""


def _latency(
    what: str, first: list[Sample], last: list[Sample],
    of: Callable[[Sample], Sequence[float]],
) -> Finding:  # fmt: skip
    a, b = _blocks(first), _blocks(last)
    relative_a, relative_b = (
        [_of_block(block, of) / _control_of(block) for block in part] for part in (a, b)
    )
    if not _any(relative_a) or not _any(relative_b):
        return Finding(what, "", "", "nothing was measured", held=False)
    raw_a, raw_b = (_p95([_of_block(part, of)]) for part in (first, last))
    ratio = _p95(relative_b) / _p95(relative_a)
    bound = max(1.0, by_chance(relative_a, relative_b))
    return Finding(
        what, f"{raw_a:.0f} ms", f"{raw_b:.0f} ms",
        f"{ratio:.3f} of before, in units of the control; chance alone: {bound:.3f}",
        ratio <= bound,
    )  # fmt: skip


def _blocks(window: list[Sample]) -> list[list[Sample]]:
    """A window in blocks of equal time, without those in which the control was not timed."""
    begin_s = window[0].at_s
    each_s = (window[-1].at_s - begin_s) / BLOCKS or 1.0
    blocks: list[list[Sample]] = [[] for _ in range(BLOCKS)]
    for sample in window:
        blocks[min(BLOCKS - 1, int((sample.at_s - begin_s) / each_s))].append(sample)
    return [block for block in blocks if any(sample.control_ms for sample in block)]


def _control_of(samples: Sequence[Sample]) -> float:
    """Median of the control's times, ms."""
    return median([ms for sample in samples for ms in sample.control_ms])


def by_chance(first: Blocks, last: Blocks) -> float:
    """Ratio of the two p95 that only one deal in forty of the same blocks exceeds."""
    rng, everything = np.random.default_rng(0), [*first, *last]
    ratios = []
    for _ in range(DEALS):
        order = rng.permutation(len(everything))
        dealt = [everything[place] for place in order]
        a, b = dealt[: len(first)], dealt[len(first) :]
        if _any(a) and _any(b):
            ratios.append(_p95(b) / _p95(a))
    return float(np.quantile(ratios, CHANCE))


def _of_block(block: list[Sample], of: Callable[[Sample], Sequence[float]]) -> np.ndarray:
    return np.array([ms for sample in block for ms in of(sample)], float)


def _any(blocks: Blocks) -> bool:
    return any(len(block) for block in blocks)


def _p95(blocks: Blocks) -> float:
    return float(np.percentile(np.concatenate(blocks), 95))


def _drained(first: list[Sample], last: list[Sample]) -> Finding:
    before, after = (max((s.depth or 0 for s in part), default=0) for part in (first, last))
    return Finding("rows unsent", str(before), str(after), "64 at most", max(before, after) <= 64)
