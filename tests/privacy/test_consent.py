"""Whose consent covers which face: places, plain references, and refusals where it is unclear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.privacy.consent import cover
from edged.transport.wire import ConsentEntry
from edged.verdicts import Reason

NEAR = (300, 100, 500, 350)
"""A bystander, nearer the camera than the visitor."""
FAR = (60, 120, 160, 250)
THIRD = (600, 140, 690, 250)


def boxes(*faces):
    """Largest first, as the pipeline hands them over."""
    found = np.array(faces, np.float32).reshape(-1, 4)
    sides = found[:, 2:] - found[:, :2]
    return found[np.argsort(-sides.prod(axis=1), kind="stable")]


def at(ref, box=None, point=None):
    return ConsentEntry(ref, box, point)


def covered(faces, *entries, surplus="refuse", aside=0):
    """(box, reference) of each face that may be used, or the reason."""
    known = boxes(*faces)
    entries = [at(e) if isinstance(e, str) else e for e in entries]
    found = cover(known, entries, surplus, aside)
    if isinstance(found, Reason):
        return found
    return [(tuple(known[one.face].astype(int).tolist()), one.ref) for one in found]


def test_one_reference_does_not_make_the_nearer_person_a_visitor():
    """Two people and one reference: nobody can tell whose it is, so nobody is used."""
    assert covered([FAR, NEAR], "r") is Reason.SURPLUS_FACES


def test_somebody_whose_face_cannot_be_used_may_be_the_one_who_agreed():
    """Too near for the scene, or turned away: the usable face may be a bystander's."""
    assert covered([FAR], "r", aside=1) is Reason.SURPLUS_FACES
    assert covered([FAR], at("r", FAR), aside=1) == [(FAR, "r")]
    assert covered([FAR], "r", "s", aside=1) == [(FAR, "")]
    assert covered([FAR], "r", aside=1, surplus="largest") == [(FAR, "r")]


def test_a_box_tells_who_is_meant():
    """The visitor is used although a bystander is nearer, and no other reference is needed."""
    assert covered([FAR, NEAR], at("r", FAR)) == [(FAR, "r")]


def test_a_point_tells_who_is_meant():
    """One touch on the screen is enough."""
    assert covered([FAR, NEAR], at("r", point=(100, 200))) == [(FAR, "r")]


def test_a_larger_box_around_the_head_means_its_face():
    """Other detectors draw other boxes."""
    assert covered([FAR, NEAR], at("r", (40, 80, 180, 270))) == [(FAR, "r")]


def test_the_scene_may_say_that_the_largest_are_meant():
    """In so many words, as a booth with one place to stand may."""
    assert covered([FAR, NEAR, THIRD], "r", surplus="largest") == [(NEAR, "r")]
    assert covered([FAR, NEAR, THIRD], "r", "s", surplus="largest") == [(FAR, "r"), (NEAR, "s")]


def test_as_many_references_as_people_go_from_left_to_right():
    """The order of the header is the order in the picture."""
    assert covered([NEAR, FAR], "left", "right") == [(FAR, "left"), (NEAR, "right")]


def test_more_references_than_people_name_nobody():
    """Who is missing is not known, so no face gets a reference that may be another's."""
    assert covered([NEAR], "a", "b") == [(NEAR, "")]


def test_boxes_and_plain_references_share_the_work():
    """The plain reference takes the face that no box took."""
    assert covered([FAR, NEAR], "b", at("a", NEAR)) == [(FAR, "b"), (NEAR, "a")]
    assert covered([FAR, NEAR, THIRD], "b", at("a", NEAR)) is Reason.SURPLUS_FACES


@pytest.mark.parametrize(
    "entries",
    [
        [at("a", (700, 400, 800, 500))],
        [at("a", point=(250, 50))],
        [at("a", FAR), at("b", (65, 125, 165, 255))],
        [at("a", FAR), at("b", point=(100, 180))],
        [at("a", (0, 0, 800, 600))],
    ],
    ids=["nobody-there", "point-beside", "one-face-twice", "box-and-point", "whole-frame"],
)
def test_a_place_without_its_own_face_is_refused(entries):
    """No face, or one that is another entry's: nothing is guessed."""
    assert covered([FAR, NEAR], *entries) is Reason.CONSENT_UNMATCHED


def test_a_box_between_two_people_is_refused():
    """It fits both about as well."""
    couple = [(100, 100, 200, 230), (180, 100, 280, 230)]
    assert covered(couple, at("a", (140, 100, 240, 230))) is Reason.CONSENT_UNMATCHED
    assert covered(couple, at("a", couple[0])) == [(couple[0], "a")]
    assert covered(couple, *(at(r, b) for r, b in zip("ab", couple, strict=True))) == [
        (couple[0], "a"),
        (couple[1], "b"),
    ]


def test_without_a_face_there_is_nothing_to_cover():
    """That is said before anything about consents."""
    assert covered([], at("r", FAR)) is Reason.NO_FACE


spots = st.tuples(
    st.integers(-50, 700), st.integers(-50, 500), st.integers(1, 300), st.integers(1, 300)
).map(lambda s: (s[0], s[1], s[0] + s[2], s[1] + s[3]))


@given(
    faces=st.lists(spots, max_size=6),
    places=st.lists(st.one_of(st.none(), spots), max_size=6),
    surplus=st.sampled_from(["refuse", "largest"]),
)
def test_nobody_is_used_without_an_entry_of_their_own(faces, places, surplus):
    """Whatever is sent: never more faces than entries, each face once, each reference once."""
    entries = [at(f"r{n}", place) for n, place in enumerate(places)]
    found = cover(boxes(*faces), entries, surplus)
    if isinstance(found, Reason):
        return
    refs = [one.ref for one in found if one.ref]
    assert len(found) <= len(entries)
    assert len({one.face for one in found}) == len(found)
    assert len(set(refs)) == len(refs)
