"""Error rates, their intervals, and the bound between two sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.measure.rates import LEAN, Rate, histogram, part

values = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40)


def test_no_error_leaves_the_exact_upper_bound():
    """0 of 21: at most 13.3 % with 95 % confidence, near the rule of three (3/21)."""
    low, high = Rate(0, 21).interval
    assert low == 0
    assert high == pytest.approx(0.1329, abs=1e-4)
    assert Rate(0, 300).interval[1] == pytest.approx(3 / 300, rel=0.01)


def test_errors_get_wilsons_interval():
    """5 of 50: 4.35 to 21.36 %, as in published tables of Wilson's interval."""
    assert Rate(5, 50).interval == pytest.approx((0.0435, 0.2136), abs=1e-4)


def test_nothing_tried_is_nothing_known():
    """Without trials the share may be anything."""
    assert Rate(0, 0).interval == (0.0, 1.0)


def test_a_bound_lies_in_the_gap_and_leans_to_the_harmless_side():
    """A third of the way from strangers to one person, with no error on either side."""
    found = part(np.array([0.1, 0.3], np.float32), np.array([0.6, 0.9], np.float32))
    assert found.bound == pytest.approx(0.3 + LEAN * 0.3)
    assert (found.needless.errors, found.missed.errors) == (0, 0)


def test_an_outlier_costs_one_error_and_not_the_gap():
    """One stranger among the genuine pairs is an error; the bound stays in the wide gap."""
    harmless = np.array([0.0, 0.1, 0.2, 0.8], np.float32)
    found = part(harmless, np.array([0.7, 0.8, 0.9, 0.95], np.float32))
    assert 0.2 < found.bound < 0.7
    assert (found.needless.errors, found.missed.errors) == (1, 0)


def test_what_must_not_be_missed_is_not():
    """With a high cost of misses the bound goes below the lowest harmful value."""
    harmless = np.linspace(0, 0.6, 61).astype(np.float32)
    found = part(harmless, np.array([0.3, 0.9, 0.9, 0.9], np.float32), miss_cost=1000)
    assert found.bound < 0.3
    assert found.missed.errors == 0


@given(values, values)
def test_the_errors_are_those_of_the_bound(harmless, harmful):
    """Both counts are what the bound does to the values, and no other bound does better."""
    low, high = np.array(harmless, np.float32), np.array(harmful, np.float32)
    found = part(low, high)
    # Bounds are compared in float64, as the guard compares them.
    assert found.needless.errors == int((low.astype(np.float64) > found.bound).sum())
    assert found.missed.errors == int((high.astype(np.float64) <= found.bound).sum())
    cost = found.needless.share + found.missed.share
    for bound in [*harmless, *harmful, -2.0]:
        assert cost <= (low > bound).mean() + (high <= bound).mean() + 1e-9


def test_a_histogram_counts_everything():
    """Values beyond the ends are in the end steps."""
    assert histogram(np.array([-3, -1, 0.0, 0.99, 1, 7], np.float32), -1, 1, 2) == [2, 4]
