"""Tracks: who is who, who is lost and for how long, when to look harder."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edged.faces import Face
from edged.stages.track import Tracks


def face(x, y=0.0, size=40.0):
    box = np.array([x, y, x + size, y + size], np.float32)
    return Face(box, 0.9, np.zeros((5, 2), np.float32), frozenset({"scrfd"}))


def ids(faces):
    return [f.track_id for f in faces]


def test_a_moving_face_keeps_its_track():
    """Half a head a frame is the same person."""
    tracks = Tracks(700)
    for step in range(5):
        seen = face(step * 20)
        assert tracks.update([seen], step * 100) == []
        assert seen.track_id == 1


def test_two_people_do_not_change_places():
    """Whatever order a search answers in."""
    tracks = Tracks(700)
    first = [face(0), face(100)]
    tracks.update(first, 0)
    swapped = [face(104), face(4)]
    tracks.update(swapped, 100)
    assert ids(swapped) == ids(first)[::-1]


def test_a_lost_face_is_held_and_then_forgotten():
    """Where it was seen last, for as long as it is said, and not longer."""
    tracks = Tracks(700)
    tracks.update([face(0), face(100)], 0)
    for now_ms in (100, 700):
        (lost,) = tracks.update([face(100)], now_ms)
        assert lost.tolist() == [0, 0, 40, 40]
    assert tracks.update([face(100)], 701) == []


def test_a_face_lost_within_a_millisecond_is_held_too():
    """Two frames may bear one time."""
    tracks = Tracks(700)
    tracks.update([face(0)], 5)
    assert len(tracks.update([], 5)) == 1


def test_a_face_that_comes_back_has_its_old_track():
    """So it keeps its character."""
    tracks = Tracks(700)
    tracks.update([face(0)], 0)
    tracks.update([], 300)
    back = face(5)
    assert tracks.update([back], 600) == []
    assert back.track_id == 1


def test_a_newcomer_gets_a_new_number():
    """Numbers are not used again."""
    tracks = Tracks(100)
    tracks.update([face(0)], 0)
    later = face(0)
    tracks.update([later], 500)
    assert later.track_id == 2


def test_a_held_box_is_not_the_caller_s():
    """What happens to a face afterwards does not move what is filled later."""
    tracks = Tracks(700)
    seen = face(0)
    tracks.update([seen], 0)
    seen.box = np.full(4, 7, np.float32)
    assert tracks.update([], 100)[0].tolist() == [0, 0, 40, 40]


def test_it_is_told_when_faces_come_go_or_jump():
    """Each of them is a reason for a full look; standing still is none."""
    tracks = Tracks(700)
    assert not tracks.changed([], 0)
    assert tracks.changed([face(0)], 0)
    tracks.update([face(0)], 0)
    assert not tracks.changed([face(3)], 100)
    assert tracks.changed([face(200)], 100)
    assert tracks.changed([], 100)
    assert tracks.changed([face(0), face(100)], 100)
    assert not tracks.changed([], 2000)


def test_while_somebody_is_lost_it_stays_changed():
    """A face that is held and not seen is looked for with all that there is."""
    tracks = Tracks(700)
    tracks.update([face(0), face(100)], 0)
    tracks.update([face(0)], 100)
    assert tracks.changed([face(0)], 200)


@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=5), min_size=2, max_size=8))
def test_no_face_disappears_between_two_frames(story):
    """Everybody of a frame is in the next one: seen with a track, or lost and held."""
    tracks = Tracks(10_000)
    before: set[int] = set()
    for now, places in enumerate(story):
        seen = [face(place * 15) for place in places]
        lost = tracks.update(seen, now * 100)
        assert len(set(ids(seen))) == len(seen)
        assert len(seen) + len(lost) >= len(before)
        assert before - set(ids(seen)) == set() or lost
        before = set(ids(seen))
