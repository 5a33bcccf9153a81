"""Findings of one family are looked at again: askew, doubtful or as they were."""

from __future__ import annotations

import numpy as np
from spots_kit import SIDE, Upright, drawn, face, points

from edged.faces import Detections
from edged.stages.search import search
from edged.stages.views import Effort

ALL = Effort((640,), close_px=SIDE)
EMPTY = np.zeros((1080, 1920, 3), np.uint8)


class Mistaken(Upright):
    """Sees a face in every whole picture where it is told to, and what is there close up."""

    def __init__(self, *faces, family="yunet"):
        super().__init__(family)
        self.faces = faces

    def __call__(self, picture, side):
        if side == SIDE:
            return super().__call__(picture, side)
        self.sides.append(side)
        boxes = np.stack([f.box for f in self.faces]) / 3
        marks = np.stack([f.landmarks for f in self.faces]) / 3
        scores = np.array([f.score for f in self.faces], np.float32)
        return Detections(boxes.astype(np.float32), scores, marks.astype(np.float32), self.family)


def test_a_face_that_only_one_family_saw_and_sees_again_is_a_face():
    """Its close look is upright, as it was found."""
    truth = face(900, 500, 1000)
    (seen,) = search(drawn(truth.landmarks), [Upright(), Mistaken(truth)], ALL)
    assert not seen.doubtful
    assert np.abs(seen.landmarks[:2] - truth.landmarks[:2]).max() < 50


def test_a_face_that_was_seen_in_a_wrong_turn_is_put_upright():
    """The first family misses it in the whole picture, the other sees it askew."""
    truth = points(900, 500, 1000)
    first = Upright()
    (seen,) = search(drawn(truth), [first, Mistaken(face(900, 500, 1000, 90))], ALL)
    assert np.abs(seen.landmarks[:2] - truth[:2]).max() < 50
    assert not seen.doubtful
    assert first.sides == [640] + [SIDE] * 5  # it leans: one look at that, then four sides


def test_a_finding_that_nobody_sees_again_is_doubtful_and_stays():
    """Both families looked from all four sides."""
    first, second = Upright(), Mistaken(face(900, 500, 300))
    (seen,) = search(EMPTY, [first, second], ALL)
    assert seen.doubtful
    assert first.sides.count(SIDE) == second.sides.count(SIDE) == 4


def test_a_doubtful_finding_is_left_out_where_the_effort_says_so():
    """The operator's word; a face that is seen again stays."""
    lenient = Effort((640,), close_px=SIDE, doubtful=False)
    assert search(EMPTY, [Upright(), Mistaken(face(900, 500, 300))], lenient) == []
    truth = face(900, 500, 1000)
    assert len(search(drawn(truth.landmarks), [Upright(), Mistaken(truth)], lenient)) == 1


def test_a_ghost_on_a_known_face_is_left_out():
    """Two families see the face; one sees it once more, askew and half a face off."""
    truth = face(900, 500, 300)
    ghost = face(990, 560, 300, 90, score=0.85)
    first, second = Upright(), Mistaken(truth, ghost)
    (seen,) = search(drawn(truth.landmarks), [first, second], ALL)
    assert seen.families == {"scrfd", "yunet"}


def test_two_ghosts_of_one_face_are_one_face():
    """Neither overlaps the other enough for the union, both show the same face closely."""
    truth = points(900, 500, 1000)
    ghosts = face(820, 500, 1000, 90), face(1000, 600, 560, 180)
    faces = search(drawn(truth), [Upright(), Mistaken(*ghosts)], ALL)
    assert len(faces) == 1


def test_nothing_is_doubtful_where_not_every_family_looked():
    """A quick look at a stream's frame: the other family had no say."""
    quick = Effort((640,), families=1, close_px=SIDE)
    (seen,) = search(EMPTY, [Mistaken(face(900, 500, 300), family="scrfd"), Upright()], quick)
    assert not seen.doubtful
    (seen,) = search(EMPTY, [Mistaken(face(900, 500, 300))], ALL)
    assert not seen.doubtful
