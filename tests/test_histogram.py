"""Histograms: the promised error, the window, the counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.histogram import BOUNDS_MS, SLICE_S, SLICES, Histogram

VALUES = st.lists(st.floats(0.01, 60_000), min_size=1, max_size=200)


@given(VALUES, st.sampled_from((1, 50, 95, 99, 100)))
def test_a_percentile_is_right_within_a_hundredth(values, share):
    """Against the value of that rank in the sorted list."""
    times = Histogram()
    for value in values:
        times.record(value, 5.0)
    rank = max(1, math.ceil(share / 100 * len(values)))
    (found,) = times.percentiles((share,), 5.0)
    assert found == pytest.approx(sorted(values)[rank - 1], rel=0.01)


@given(VALUES)
def test_counts_at_the_bounds_are_exact(values):
    """Each bound counts what is at most that much, and the sum is the sum."""
    times = Histogram()
    for value in values:
        times.record(value, 5.0)
    assert times.cumulative() == tuple(sum(v <= b for v in values) for b in BOUNDS_MS)
    assert (times.count, times.sum_ms) == (len(values), pytest.approx(sum(values)))


def test_a_value_leaves_the_window_after_a_minute():
    """It is there in its last slice, and gone when the ring has turned."""
    times = Histogram()
    times.record(7.0, 0.0)
    assert times.percentiles((50,), SLICE_S * SLICES - 0.1)
    assert times.percentiles((50,), SLICE_S * SLICES) == ()


def test_a_clock_that_stands_or_goes_back_breaks_nothing():
    """Monotonic clocks do not; a caller that mixes them up must not lose the ring."""
    times = Histogram()
    times.record(7.0, 1000.0)
    times.record(9.0, 10.0)
    assert times.percentiles((100,), 1000.0)[0] == pytest.approx(9.0, rel=0.01)


@pytest.mark.parametrize("odd", [-1.0, math.nan, math.inf])
def test_what_is_no_duration_is_ignored(odd):
    """Nothing is counted."""
    times = Histogram()
    times.record(odd, 1.0)
    assert times.count == 0
