"""The short form of the matrix of faults: every kind once, those with the same needs on one site.

`make faults` is the long one.
"""

from __future__ import annotations

import os

import pytest
from faults.faces_out import FacesOut
from faults.kinds import all_kinds, grouped, together
from faults.matrix import Matrix
from faults.table import load_line, violations
from shots import say

GROUPS = grouped(kind for kind in all_kinds() if kind.short)


@pytest.fixture(scope="module")
def judge(test_models):
    assert test_models
    with FacesOut() as judge:
        yield judge


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kinds", GROUPS, ids=lambda kinds: f"{kinds[0].name} ({len(kinds)})")
def test_nothing_is_lost_doubled_or_let_out(judge, kinds):
    """Through faults of many kinds under load, and the device always comes back."""
    if kinds[0].state == "tmpfs" and os.geteuid():
        pytest.skip("a small file system is mounted, which needs root")
    matrix = Matrix(judge, seed=4)
    rows = matrix.run([together(kinds)], times=1)
    say(load_line(rows))
    assert violations(rows) == []
    assert not matrix.interrupted
    (row,) = rows
    assert row.injected == 1
    assert row.answered >= len(kinds)
    assert row.held["faces"] > len(kinds)
    assert set(row.judged) == {"broker", "reply", "view"}
