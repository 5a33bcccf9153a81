"""Which faces a scene is about, and that neighbours of one size do not take turns."""

from __future__ import annotations

import numpy as np
import pytest

from edged.stages.select import LARGER, NEARER, select

SHAPE = (1000, 1000, 3)


def box(x, y=500.0, size=100.0):
    half = size / 2
    return np.array([x - half, y - half, x + half, y + half], np.float32)


@pytest.mark.parametrize("rule", ["all", "largest", "centre"])
def test_nobody_is_selected_of_nobody(rule):
    """An empty frame."""
    assert select(rule, [], SHAPE) == set()


def test_each_rule_selects_what_it_says():
    """Two small ones, one of them in the middle, and a large one at the side."""
    boxes = [box(500), box(200, size=140), box(800)]
    assert select("all", boxes, SHAPE) == {0, 1, 2}
    assert select("largest", boxes, SHAPE) == {1}
    assert select("centre", boxes, SHAPE) == {0}


def test_the_largest_changes_only_for_a_much_larger_one():
    """By area, so that a step forward is needed."""
    little, much = 100 * np.sqrt(LARGER * 0.98), 100 * np.sqrt(LARGER * 1.02)
    assert select("largest", [box(200), box(700, size=little)], SHAPE, current=0) == {0}
    assert select("largest", [box(200), box(700, size=much)], SHAPE, current=0) == {1}


def test_the_middle_changes_only_for_a_much_nearer_one():
    """By a share of the frame."""
    far = 500 + 1000 * NEARER
    assert select("centre", [box(far - 2), box(500)], SHAPE, current=0) == {0}
    assert select("centre", [box(far + 2), box(500)], SHAPE, current=0) == {1}
