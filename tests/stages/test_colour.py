"""Colour of swapped crops: nearer to their targets, never broken by what is degenerate."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_kit import ASTRONAUT_POINTS, T1_POINTS, T1_SECOND_POINTS, crop
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import astronaut, t1
from skimage.exposure import match_histograms

from edged.stages.colour import recoloured
from edged.stages.paste import oval_mask

OVAL = oval_mask("arcface_128", 128).alpha
ALL = np.full((128, 128), 255, np.uint8)
SHOWN = OVAL >= 128
RULES = ("lab", "histogram")


def faces():
    return (
        crop(astronaut(), ASTRONAUT_POINTS, "arcface_128", 128),
        crop(t1(), T1_POINTS, "arcface_128", 128),
        crop(t1(), T1_SECOND_POINTS, "arcface_128", 128),
    )


def lab(image):
    return cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2LAB)[SHOWN]


def exact_lab(made, target):
    """The transfer by numpy on floats, pixel by pixel, before rounding."""
    own, goal = lab(made), lab(target)
    factor = np.clip(goal.std(0) / own.std(0), 2 / 3, 1.5)
    moved = (own - own.mean(0)) * factor + goal.mean(0)
    return cv2.cvtColor(moved[None].astype(np.float32), cv2.COLOR_LAB2BGR)[0] * 255


@pytest.mark.parametrize("rule", RULES)
def test_a_face_takes_the_mean_colour_of_its_place(rule):
    """Within 1.5 LAB units where it was up to 40 off, in every pair and under other lights."""
    one, two, three = faces()
    dark = (three * 0.4).astype(np.uint8)
    for made, target in ((one, two), (two, three), (three, one), (one, dark), (dark, two)):
        out = recoloured(rule, made[None], target[None], [OVAL])[0]
        assert np.abs(lab(out).mean(0) - lab(target).mean(0)).max() < 1.5


def test_lab_is_the_exact_transfer_within_a_level_or_two():
    """The affine map is fitted; where colours stay inside the gamut it is near everywhere."""
    one, _, three = faces()
    made = recoloured("lab", three[None], one[None], [OVAL])[0][SHOWN]
    apart = np.abs(made - exact_lab(three, one))
    assert apart.mean() < 1.0
    assert np.percentile(apart, 99) < 4


def test_histograms_match_as_in_skimage():
    """Its ranks are counted to a level's end, ours to its middle: levels apart are few."""
    one, two, _ = faces()
    made = recoloured("histogram", one[None], two[None], [ALL])[0].astype(float)
    known = match_histograms(one, two, channel_axis=-1).astype(float)
    assert np.abs(made - known).mean() < 3


@pytest.mark.parametrize("rule", RULES)
def test_the_same_colours_are_left_alone(rule):
    """Nothing is lost to rounding: at most one level moves."""
    for made in faces():
        out = recoloured(rule, made[None], made[None], [OVAL])[0]
        assert np.abs(out.astype(int) - made)[SHOWN].max() <= 1


@pytest.mark.parametrize("rule", RULES)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.tuples(*[st.integers(0, 255)] * 3))
@settings(max_examples=25, deadline=None)
def test_one_flat_colour_becomes_the_other(rule, own, goal):
    """No spread to divide by; the crop stays flat."""
    made, target = (np.full((1, 64, 64, 3), colour, np.uint8) for colour in (own, goal))
    out = recoloured(rule, made, target, [np.full((64, 64), 255, np.uint8)])[0]
    assert np.abs(out.astype(int) - np.array(goal)).max() <= 1


@pytest.mark.parametrize("rule", RULES)
def test_a_flat_place_does_not_make_a_face_flat(rule):
    """A wall of light before the camera: by LAB half of the spread stays."""
    made = faces()[0]
    target = np.full_like(made, 200)
    out = recoloured(rule, made[None], target[None], [OVAL])[0]
    spread = out[SHOWN].astype(float).std()
    assert spread > 0.3 * made[SHOWN].astype(float).std() if rule == "lab" else spread < 1


@pytest.mark.parametrize("rule", RULES)
def test_a_face_that_is_all_occluded_stays_as_it_is(rule):
    """There is nothing to measure on."""
    one, two, _ = faces()
    closed = np.zeros((128, 128), np.uint8)
    assert np.array_equal(recoloured(rule, one[None], two[None], [closed])[0], one)


@pytest.mark.parametrize("rule", RULES)
def test_what_is_not_shown_has_no_say(rule):
    """A red hand that the mask keeps does not redden the face."""
    one, two, _ = faces()
    hand = two.copy()
    hand[70:] = (0, 0, 255)
    mask = OVAL.copy()
    mask[70:] = 0
    with_hand = recoloured(rule, one[None], hand[None], [mask])[0]
    assert np.array_equal(with_hand, recoloured(rule, one[None], two[None], [mask])[0])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("side", [64, 256, 512])
def test_faces_of_a_batch_are_changed_one_by_one_at_every_size(rule, side):
    """Each towards its own target; the result is new memory."""
    one, two, three = (cv2.resize(face, (side, side)) for face in faces())
    mask = cv2.resize(OVAL, (side, side))
    made, targets = np.stack([one, two]), np.stack([two, three])
    before = made.copy()
    both = recoloured(rule, made, targets, [mask, mask])
    assert np.array_equal(made, before)
    for row in range(2):
        alone = recoloured(rule, made[row : row + 1], targets[row : row + 1], [mask])
        assert np.array_equal(both[row], alone[0])
