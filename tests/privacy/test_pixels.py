"""Has a face region changed: the two correlation tests on real crops."""

from __future__ import annotations

import numpy as np
import pytest
from faces_kit import (
    ASTRONAUT_POINTS,
    ATTACKS,
    T1_POINTS,
    T1_SECOND_POINTS,
    crop,
    put,
    stranger,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import astronaut, t1

from edged.privacy.pixels import CORE_112, PARTS, coarse_correlation, untouched_share

COARSE_MAX, UNTOUCHED_MAX = 0.58, 0.15


@pytest.fixture(scope="module")
def before():
    return crop(astronaut(), ASTRONAUT_POINTS)


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_a_face_that_a_person_still_sees_is_caught(before, attack):
    """One of the two tests finds it, whatever a recogniser would say."""
    after = crop(put(astronaut(), ASTRONAUT_POINTS, ATTACKS[attack]), ASTRONAUT_POINTS)
    assert (
        coarse_correlation(before, after) > COARSE_MAX
        or untouched_share(before, after) > UNTOUCHED_MAX
    )


def test_a_swapped_face_passes(before):
    """Somebody else's face in its place is neither untouched nor alike."""
    after = crop(put(astronaut(), ASTRONAUT_POINTS, lambda _: stranger()), ASTRONAUT_POINTS)
    assert coarse_correlation(before, after) <= COARSE_MAX
    assert untouched_share(before, after) <= UNTOUCHED_MAX


def test_two_people_do_not_correlate():
    """Not even the whole of their cores."""
    one, other = crop(t1(), T1_POINTS), crop(t1(), T1_SECOND_POINTS)
    assert coarse_correlation(one, other) <= COARSE_MAX
    assert untouched_share(one, other) == 0


@given(st.floats(0.4, 1), st.floats(0, 40))
@settings(max_examples=25, deadline=None)
def test_light_does_not_hide_a_face(gain, offset):
    """A change of gain and offset is no change."""
    before = crop(astronaut(), ASTRONAUT_POINTS)
    after = np.clip(before * gain + offset, 0, 255).astype(np.uint8)
    assert coarse_correlation(before, after) > 0.9
    assert untouched_share(before, after) > 0.7


def test_both_are_shares(before):
    """1 for the same crop, and between 0 and 1 for noise."""
    noise = np.random.default_rng(0).integers(0, 256, before.shape, np.uint8)
    assert coarse_correlation(before, before) == pytest.approx(1)
    assert untouched_share(before, before) == 1
    assert 0 <= coarse_correlation(before, noise) < 0.5
    assert untouched_share(before, noise) == 0


@pytest.mark.parametrize("level", [0, 96, 255])
def test_a_solid_fill_is_a_change(before, level):
    """A flat core correlates with nothing, and divides by nothing."""
    flat = np.full_like(before, level)
    for pair in ((before, flat), (flat, before), (flat, flat)):
        assert coarse_correlation(*pair) == 0
        assert untouched_share(*pair) == 0


def test_only_the_core_counts(before):
    """Hair, ears and background may stay as they are."""
    x1, y1, x2, y2 = CORE_112
    after = before.copy()
    after[y1:y2, x1:x2] = 96
    assert untouched_share(before, after) == 0
    outside = np.full_like(before, 96)
    outside[y1:y2, x1:x2] = before[y1:y2, x1:x2]
    assert untouched_share(before, outside) == 1


def test_one_untouched_part_is_one_of_sixteen(before):
    """The share counts parts."""
    x1, y1, x2, y2 = CORE_112
    after = np.full_like(before, 96)
    part = np.s_[y1 : y1 + (y2 - y1) // PARTS, x1 : x1 + (x2 - x1) // PARTS]
    after[part] = before[part]
    assert untouched_share(before, after) == pytest.approx(1 / PARTS**2)
