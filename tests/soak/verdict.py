"""Whether a booth stayed as it was: memory, descriptors, threads, frames, latency.

Two windows are compared, each a sixth of the run: the first after a warm-up of a sixth, and
the last.  In 30 minutes these are five minutes each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from soak.samples import Sample, percentile

SHARE = 1 / 6
GROWTH = 0.02
"""Of resident memory, last window against first."""
LEAST_FPS = 10.0
CHANCE = 0.975
"""A 95th percentile of some hundred latencies scatters by itself.  How far is measured: the
moments of both windows are dealt out anew, and only a rise that chance alone gives in less
than one of forty deals counts as worse."""
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
        _latency("shots p95", first, last, _shots_of),
        _latency("frames p95", first, last, _frames_of),
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


Moments = list[list[float]]


def _latency(
    what: str, first: list[Sample], last: list[Sample],
    of: Callable[[list[Sample]], tuple[Moments, Moments]],
) -> Finding:  # fmt: skip
    (raw_a, rel_a), (raw_b, rel_b) = of(first), of(last)
    if not any(rel_a) or not any(rel_b):
        return Finding(what, "", "", "nothing was measured", held=False)
    ratio = _p95(rel_b) / _p95(rel_a)
    bound = max(1.0, by_chance(rel_a, rel_b))
    return Finding(
        what, f"{_p95(raw_a):.0f} ms", f"{_p95(raw_b):.0f} ms",
        f"{ratio:.3f} of before, in units of the control; chance alone: {bound:.3f}",
        ratio <= bound,
    )  # fmt: skip


def by_chance(first: Moments, last: Moments) -> float:
    """Ratio of the two p95 that only one deal in forty of the same moments exceeds."""
    rng, everything = np.random.default_rng(0), [*first, *last]
    ratios = []
    for _ in range(DEALS):
        order = rng.permutation(len(everything))
        dealt = [everything[place] for place in order]
        a, b = dealt[: len(first)], dealt[len(first) :]
        if any(a) and any(b):
            ratios.append(_p95(b) / _p95(a))
    return float(np.quantile(ratios, CHANCE))


def _p95(moments: Moments) -> float:
    return float(np.percentile([value for moment in moments for value in moment], 95))


def _shots_of(samples: list[Sample]) -> tuple[Moments, Moments]:
    """Latencies of shots by moment, in ms and in units of the control beside each."""
    raw = [[ms for ms, _ in s.shots] for s in samples]
    return raw, [[ms / control for ms, control in s.shots] for s in samples]


def _frames_of(samples: list[Sample]) -> tuple[Moments, Moments]:
    """The same of frames; the control is the one of that moment, or the last before it."""
    raw, relative = [], []
    control = next((c for s in samples for _, c in s.shots), None)
    for sample in samples:
        control = median([c for _, c in sample.shots]) if sample.shots else control
        raw.append(list(sample.frames_ms))
        relative.append([ms / control for ms in sample.frames_ms] if control else [])
    return raw, relative


def _drained(first: list[Sample], last: list[Sample]) -> Finding:
    before, after = (max((s.depth or 0 for s in part), default=0) for part in (first, last))
    return Finding("rows unsent", str(before), str(after), "64 at most", max(before, after) <= 64)


def control_p95(samples: Sequence[Sample]) -> float | None:
    """Of the control's times in a window, ms."""
    return percentile([c for s in samples for _, c in s.shots], 95)
