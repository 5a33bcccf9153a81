"""The assignment: the best total, one to one, and nothing that is forbidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.stages.assign import FORBIDDEN, assign

scipy_optimize = pytest.importorskip("scipy.optimize")

SCORES = st.integers(0, 12).flatmap(
    lambda n: st.integers(0, 12).flatmap(
        lambda m: st.lists(
            st.one_of(st.floats(-2, 3, width=32), st.integers(0, 2).map(float), st.just(FORBIDDEN)),
            min_size=n * m,
            max_size=n * m,
        ).map(lambda values: np.array(values, float).reshape(n, m))
    )
)


def total(scores, columns):
    return sum(scores[row, column] for row, column in enumerate(columns) if column >= 0)


@given(SCORES)
def test_no_assignment_is_better(scores):
    """The total is that of scipy, which may leave rows alone, too."""
    rows = len(scores)
    padded = np.concatenate([np.maximum(scores, -1e3), np.zeros((rows, rows))], axis=1)
    best = padded[scipy_optimize.linear_sum_assignment(padded, maximize=True)].sum()
    assert total(scores, assign(scores)) == pytest.approx(best, abs=1e-6)


@given(SCORES)
def test_it_is_one_to_one_and_keeps_to_what_is_allowed(scores):
    """No column twice, no forbidden pair, an answer for every row."""
    columns = assign(scores)
    taken = [column for column in columns if column >= 0]
    assert len(columns) == len(scores)
    assert len(set(taken)) == len(taken)
    assert all(scores[row, column] >= 0 for row, column in enumerate(columns) if column >= 0)


def test_the_best_pair_gives_way_where_the_total_is_better():
    """Greedy would take 0.9 and leave 0.1: 1.0 in place of 1.6."""
    assert assign(np.array([[0.9, 0.8], [0.8, 0.1]])) == [1, 0]
