"""Held places: who is lost and for how long, when to look harder."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edged.faces import Face
from edged.stages.hold import Held


def face(x, y=0.0, size=40.0):
    box = np.array([x, y, x + size, y + size], np.float32)
    return Face(box, 0.9, np.zeros((5, 2), np.float32), frozenset({"scrfd"}))


def test_a_moving_face_leaves_no_place_behind():
    """Half a head a frame is the same face."""
    held = Held(700)
    for step in range(5):
        seen = face(step * 20)
        assert held.update([seen], step * 100) == []


def test_a_lost_face_is_held_and_then_forgotten():
    """Where it was seen last, for as long as it is said, and not longer."""
    held = Held(700)
    held.update([face(0), face(100)], 0)
    for now_ms in (100, 700):
        (lost,) = held.update([face(100)], now_ms)
        assert lost.tolist() == [0, 0, 40, 40]
    assert held.update([face(100)], 701) == []


def test_a_face_lost_within_a_millisecond_is_held_too():
    """Two frames may bear one time."""
    held = Held(700)
    held.update([face(0)], 5)
    assert len(held.update([], 5)) == 1


def test_a_face_that_comes_back_explains_its_place():
    """It is there: nothing more to hold."""
    held = Held(700)
    held.update([face(0)], 0)
    held.update([], 300)
    back = face(5)
    assert held.update([back], 600) == []
    assert len(held.update([], 650)) == 1


def test_a_held_box_is_not_the_caller_s():
    """What happens to a face afterwards does not move what is filled later."""
    held = Held(700)
    seen = face(0)
    held.update([seen], 0)
    seen.box = np.full(4, 7, np.float32)
    assert held.update([], 100)[0].tolist() == [0, 0, 40, 40]


def test_it_is_told_when_faces_come_go_or_jump():
    """Each of them is a reason for a full look; standing still is none."""
    held = Held(700)
    assert not held.changed([], 0)
    assert held.changed([face(0)], 0)
    held.update([face(0)], 0)
    assert not held.changed([face(3)], 100)
    assert held.changed([face(200)], 100)
    assert held.changed([], 100)
    assert held.changed([face(0), face(100)], 100)
    assert not held.changed([], 2000)


def test_while_somebody_is_lost_it_stays_changed():
    """A face that is held and not seen is looked for with all that there is."""
    held = Held(700)
    held.update([face(0), face(100)], 0)
    held.update([face(0)], 100)
    assert held.changed([face(0)], 200)


@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=5), min_size=2, max_size=8))
def test_no_face_disappears_between_two_frames(story):
    """Everybody of a frame is in the next one: seen, or lost and held."""
    held = Held(10_000)
    before = 0
    for now, places in enumerate(story):
        seen = [face(place * 15) for place in places]
        lost = held.update(seen, now * 100)
        assert len(seen) + len(lost) >= before
        before = len(seen) + len(lost)
