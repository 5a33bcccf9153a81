"""A full look keeps the quick look's landmarks, unless those are worse or another face's."""

from __future__ import annotations

import numpy as np

from edged.faces import Face
from edged.stages.anchor import AS_GOOD, anchored


def face(x, score=0.8, lean=0.0, size=100.0):
    box = np.array([x, 0, x + size, size], np.float32)
    points = np.full((5, 2), x + size / 2 + lean, np.float32)
    return Face(box, score, points, frozenset({"scrfd"}))


def test_a_face_keeps_the_landmarks_of_the_quick_look():
    """Each its own; the box is the full look's."""
    full, quick = [face(0), face(200)], [face(205, lean=3), face(5, lean=2)]
    anchored(full, quick)
    assert full[0].landmarks is quick[1].landmarks
    assert full[1].landmarks is quick[0].landmarks
    assert full[0].box.tolist() == [0, 0, 100, 100]
    assert full[0].others == ()


def test_landmarks_that_lie_apart_are_kept_for_the_guard():
    """Both places are looked at."""
    full = [face(0, lean=20)]
    before = full[0].landmarks
    anchored(full, [face(0)])
    assert full[0].others[0] is before


def test_a_much_weaker_quick_finding_is_not_believed():
    """A face that fills the frame is seen badly at 640 px."""
    full, quick = [face(0)], [face(0, score=0.8 - AS_GOOD - 0.01, lean=2)]
    before = full[0].landmarks
    anchored(full, quick)
    assert full[0].landmarks is before


def test_who_was_not_seen_by_the_quick_look_is_left_alone():
    """Nor is anybody where one of the two saw nobody."""
    full = [face(0), face(300)]
    before = full[1].landmarks
    anchored(full, [face(0, lean=1)])
    anchored(full, [])
    anchored([], full)
    assert full[1].landmarks is before
