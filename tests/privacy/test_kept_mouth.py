"""A kept mouth makes the test of pixels neither pass nor fail wrongly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_kit import (
    ASTRONAUT_BOX,
    ASTRONAUT_POINTS,
    E1,
    T1_POINTS,
    T1_SECOND_POINTS,
    align,
    crop,
    face,
    matrix,
    points,
    region,
    stranger,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from photos import astronaut, t1

from edged.calibration import Bounds
from edged.measure.attacks import ATTACKS
from edged.privacy.guard import Guard, Passed
from edged.privacy.pixels import MOUTH_112, coarse_correlation, still_shows, untouched_share
from edged.stages.align import matrices
from edged.stages.layers import through
from edged.stages.mouth import mouths
from edged.stages.paste import oval_mask, paste

BOUNDS = Bounds(0.42, 0.58, 0.15)
PEOPLE = {
    "astronaut": (astronaut, ASTRONAUT_POINTS),
    "first": (t1, T1_POINTS),
    "second": (t1, T1_SECOND_POINTS),
}


def put(image, named, change):
    """A photo with one face changed but for its own mouth."""
    out, to_crop = image.copy(), matrix(named, "arcface_128", 128)
    made = change(cv2.warpAffine(image, to_crop, (128, 128)))
    mask = through(oval_mask("arcface_128", 128), [mouths([points(named)], [to_crop])], 0, to_crop)
    paste(out, np.ascontiguousarray(made, np.uint8), to_crop, mask)
    return out


def shows(before, after, *, mouth_kept=True):
    return still_shows(before, after, 0.58, 0.15, mouth_kept=mouth_kept)


@pytest.mark.parametrize("attack", sorted(ATTACKS))
@pytest.mark.parametrize("person", sorted(PEOPLE))
def test_no_attack_passes_because_the_mouth_is_kept(person, attack):
    """Whatever else is done to the face, a person would still see who it is."""
    photo, named = PEOPLE[person]
    after = put(photo(), named, ATTACKS[attack])
    assert shows(crop(photo(), named), crop(after, named))


@pytest.mark.parametrize("person", sorted(PEOPLE))
def test_an_inverted_face_is_seen_more_clearly_without_its_upright_mouth(person):
    """The mouth takes from both figures; compared without it, nothing does."""
    photo, named = PEOPLE[person]
    before = crop(photo(), named)
    after = crop(put(photo(), named, lambda c: 255 - c), named)
    for figure in (coarse_correlation, untouched_share):
        assert figure(before, after, spare_mouth=True) > figure(before, after) + 0.04


def test_a_swap_passes_with_its_own_mouth_kept():
    """And its mouth is the input's."""
    out = put(astronaut(), ASTRONAUT_POINTS, lambda _: stranger())
    x, y = points(ASTRONAUT_POINTS)[3:].mean(axis=0).astype(int)
    assert np.array_equal(
        out[y - 2 : y + 3, x - 8 : x + 8], astronaut()[y - 2 : y + 3, x - 8 : x + 8]
    )
    assert not shows(crop(astronaut(), ASTRONAUT_POINTS), crop(out, ASTRONAUT_POINTS))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_only_the_zone_is_spared(seed):
    """What happens inside it has no say; the same outside of it has."""
    before = crop(astronaut(), ASTRONAUT_POINTS)
    noise = np.random.default_rng(seed).integers(0, 256, before.shape, np.uint8)
    x1, y1, x2, y2 = MOUTH_112
    inside, outside = before.copy(), noise.copy()
    inside[y1:y2, x1:x2] = noise[y1:y2, x1:x2]
    outside[y1:y2, x1:x2] = before[y1:y2, x1:x2]
    assert untouched_share(before, inside, spare_mouth=True) == 1
    assert coarse_correlation(before, inside, spare_mouth=True) > 0.97
    assert untouched_share(before, outside, spare_mouth=True) == 0


def test_eyes_are_not_spared():
    """A mask that keeps another part than the mouth is counted in full."""
    before = crop(astronaut(), ASTRONAUT_POINTS)
    after = crop(put(astronaut(), ASTRONAUT_POINTS, lambda _: stranger()), ASTRONAUT_POINTS)
    after[36:72] = before[36:72]
    assert shows(before, after)


def test_a_kept_mouth_never_lets_pass_what_would_fail_without():
    """It is compared besides, not instead."""
    before = crop(t1(), T1_POINTS)
    for attack in ATTACKS.values():
        after = crop(put(t1(), T1_POINTS, attack), T1_POINTS)
        assert shows(before, after) >= shows(before, after, mouth_kept=False)


def test_the_guard_fills_a_face_of_which_only_the_mouth_was_meant_to_stay():
    """The region says that its mouth is kept; the rest is the input: filled, not let out."""
    image = astronaut()
    of_input = region(image, ASTRONAUT_BOX, ASTRONAUT_POINTS)
    of_input.mouth_kept = True
    guard = Guard(
        align, lambda p: matrices([p], "arcface_112", 112)[0], lambda c: np.tile(E1, (len(c), 1)),
        BOUNDS,
    )  # fmt: skip
    looks = iter([[face(ASTRONAUT_BOX, ASTRONAUT_POINTS)], []])
    out = image.copy()
    ruling = guard.disguise(out, [of_input], lambda _: next(looks), (96, 96, 96), frame=image)
    assert isinstance(ruling, Passed)
    assert ruling.refilled == 1
    x1, y1, x2, y2 = ASTRONAUT_BOX
    assert (out[y1:y2, x1:x2] == 96).all()
