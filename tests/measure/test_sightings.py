"""Faces over time: who stays is true, what flashes up is false, and the score between."""

from __future__ import annotations

import numpy as np
import pytest

from edged.faces import Face
from edged.measure.sightings import HIGHEST, LOWEST, Sightings

SHAPE = (720, 1280)


def face(x, score, y=300.0, side=100.0):
    box = np.array([x, y, x + side, y + side], np.float32)
    points = np.array(
        [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32
    ) * side + [x, y]  # fmt: skip
    return Face(box, score, points.astype(np.float32), frozenset({"scrfd"}))


def watched(frames, seed=0, *, false=(), true=0.8):
    """A face that walks, and false ones at (frame, score)."""
    random, seen = np.random.default_rng(seed), Sightings()
    for i in range(frames):
        faces = [face(300 + 4 * i, true + random.uniform(-0.03, 0.03))]
        faces += [face(900, score) for at, score in false if at == i]
        seen.add(faces, SHAPE)
    return seen


def test_a_walking_face_stays_and_a_flash_is_false():
    """One true face over forty frames, three flashes; the bound lies a third of the way up."""
    found = watched(40, false=[(5, 0.3), (17, 0.35), (30, 0.25)]).threshold(0.5)
    assert (found.stayed, found.flashed) == (1, 3)
    assert found.false_high == pytest.approx(0.35)
    assert found.true_low == pytest.approx(0.77, abs=0.01)
    assert found.det_thresh == pytest.approx(0.35 + (0.77 - 0.35) / 3, abs=0.02)
    assert (found.lost, found.let_in) == (0.0, 0)


def test_without_false_faces_the_threshold_is_not_raised():
    """The configured one stays, unless true faces score so low that it would lose them."""
    assert watched(40).threshold(0.5).det_thresh == 0.5
    assert watched(40, true=0.55).threshold(0.5).det_thresh == pytest.approx(0.41, abs=0.02)


def test_a_loss_weighs_more_than_a_false_face():
    """Where both overlap the true faces are kept, and what is let in is counted."""
    found = watched(40, false=[(3, 0.75), (20, 0.3)], true=0.6).threshold(0.5)
    assert found.det_thresh < 0.57
    assert found.lost == 0.0
    assert found.let_in == 1


@pytest.mark.parametrize("true", [0.52, 0.96])
def test_suggestions_keep_within_reason(true):
    """Never so low that walls are faces, never so high that turned heads are none."""
    found = watched(40, false=[(3, 0.97)] if true > 0.9 else [], true=true)
    assert LOWEST <= found.threshold(0.5).det_thresh <= HIGHEST


def test_few_frames_say_nothing():
    """A threshold from half a second would be a guess."""
    assert watched(10).threshold(0.5).det_thresh is None
    assert Sightings().threshold(0.5).det_thresh is None


def test_a_face_that_leaves_does_not_lower_the_bound():
    """At the frame's edge scores fall, rightly."""
    seen = Sightings()
    for i in range(60):
        x = 900 + 6 * i
        seen.add([face(x, 0.8 if x < 1170 else 0.3)], SHAPE)
    assert seen.threshold(0.5).true_low > 0.7


def test_another_look_at_a_true_face_is_no_false_one():
    """A weak second box on the same head flashes up on it."""
    seen = Sightings()
    for i in range(40):
        faces = [face(300, 0.8)]
        if i == 9:
            faces.append(face(320, 0.6, y=310, side=40))
        seen.add(faces, SHAPE)
    assert seen.threshold(0.5).flashed == 0


def test_two_faces_that_pass_each_other_stay_two():
    """Each frame's boxes go to the nearest face, one each."""
    seen = Sightings()
    for i in range(40):
        seen.add([face(300 + 5 * i, 0.9), face(500 - 5 * i, 0.8, y=420)], SHAPE)
    assert [len(s.frames) for s in seen.all] == [40, 40]


def test_a_poster_is_still_and_a_person_is_not():
    """Not a pixel in forty frames; a person breathes."""
    poster, person = Sightings(), Sightings()
    random = np.random.default_rng(2)
    for _ in range(40):
        poster.add([face(300, 0.9)], SHAPE)
        person.add([face(300 + random.normal(0, 2), 0.9)], SHAPE)
    assert poster.stayed[0].still
    assert not person.stayed[0].still
