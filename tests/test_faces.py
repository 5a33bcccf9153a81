"""The values between stages: thresholds of detections, and what a repr gives away."""

from __future__ import annotations

import numpy as np

from edged.faces import Detections, Face


def some():
    return Detections(
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.array([0.9, 0.5, 0.4], np.float32),
        np.arange(30, dtype=np.float32).reshape(3, 5, 2),
        "scrfd",
    )


def test_above_keeps_what_reaches_the_score():
    """The bound itself counts, and boxes and landmarks go along."""
    kept = some().above(0.5)
    assert len(kept) == 2
    assert kept.boxes.tolist() == some().boxes[:2].tolist()
    assert kept.landmarks.tolist() == some().landmarks[:2].tolist()
    assert kept.family == "scrfd"


def test_no_detections_have_the_shapes_of_some():
    """An empty answer can be joined with a full one."""
    none = Detections.none("yunet")
    assert len(none) == 0
    assert np.concatenate([none.boxes, some().boxes]).shape == (3, 4)
    assert np.concatenate([none.landmarks, some().landmarks]).shape == (3, 5, 2)


def test_a_repr_holds_no_number_of_a_face():
    """What lands in a log by mistake says nothing of a face."""
    face = Face(np.full(4, 271, np.float32), 0.828, np.full((5, 2), 314), frozenset({"scrfd"}))
    for shown in (repr(face), repr(some())):
        assert not any(number in shown for number in ("271", "828", "314", "0.9"))
