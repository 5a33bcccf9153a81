"""SCRFD's contract: anchors, strides, thresholds, and outputs that are not it."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError, ModelError
from edged.stages.scrfd import ANCHORS, STRIDES, Scrfd

NAMES = [f"{kind}_{stride}" for kind in ("score", "box", "kps") for stride in STRIDES]


def empty(side):
    """Nine outputs that find nothing."""
    return [
        np.zeros(((side // stride) ** 2 * ANCHORS, width), np.float32)
        for width in (1, 4, 10)
        for stride in STRIDES
    ]


def one_face(side, level=0, cell=(5, 3), score=0.9, anchor=0):
    """Nine outputs with one face of 2 strides to each side about cell (x, y)."""
    out, stride = empty(side), STRIDES[level]
    row = ((cell[1] * (side // stride)) + cell[0]) * ANCHORS + anchor
    out[level][row] = score
    out[level + 3][row] = 2
    out[level + 6][row] = np.arange(10) / 10
    return out


def detector(answer, size=None, kind=FakeSession, names=NAMES):
    session = kind({"input.1": (1, 3, size, size)}, dict.fromkeys(names, (None, None)), answer)
    return Scrfd(session)


def picture(height=48, width=64):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("anchor", [0, 1])
def test_a_cell_becomes_a_box(level, anchor):
    """Centre on the cell's corner, distances and landmarks in strides."""
    stride = STRIDES[level]
    found = detector(lambda _: one_face(128, level, (2, 1), anchor=anchor))(picture(), 128)
    centre = np.array([2, 1]) * stride
    assert found.boxes.tolist() == [[*(centre - 2 * stride), *(centre + 2 * stride)]]
    points = centre + np.arange(10).reshape(5, 2) / 10 * stride
    assert np.allclose(found.landmarks[0], points, atol=1e-4)
    assert found.family == "scrfd"


def test_a_weak_score_is_no_face():
    """Below the threshold nothing is found, at it something is."""
    assert len(detector(lambda _: one_face(64, score=0.49))(picture(), 64)) == 0
    assert len(detector(lambda _: one_face(64, score=0.5))(picture(), 64)) == 1


def test_neighbouring_cells_with_one_face_give_one():
    """Suppression over all levels; the best score stands."""

    def answer(_):
        both = zip(one_face(128, score=0.7), one_face(128, score=0.8, anchor=1), strict=True)
        return [one + other for one, other in both]

    found = detector(answer)(picture(), 128)
    assert found.scores.tolist() == [pytest.approx(0.8)]


def test_an_open_side_is_rounded_up_to_whole_strides():
    """The tensor's side divides by 32, whatever the search asks for."""
    detect = detector(lambda _: empty(96))
    detect(picture(), 70)
    assert detect.session.runs[0]["input.1"].shape == (1, 3, 96, 96)


def test_a_fixed_file_pads_a_small_look():
    """A 64 px look on a 128 px file is that picture in the corner of the canvas."""
    detect = detector(lambda _: one_face(128), size=128)
    assert len(detect(picture(), 64)) == 1
    assert detect.session.runs[0]["input.1"].shape == (1, 3, 128, 128)


def test_a_fixed_file_cannot_take_a_larger_look():
    """The message names the setting."""
    with pytest.raises(ModelError, match=r"guard\.sizes_px"):
        detector(lambda _: empty(64), size=64)(picture(100, 128), 128)


def test_a_model_without_landmarks_is_refused():
    """Six outputs are a detector that cannot align."""
    with pytest.raises(ModelError, match="9"):
        detector(lambda _: [], names=NAMES[:6])


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_an_error(wrong):
    """NaN is below every threshold: without this a broken network would find no faces."""

    def answer(_):
        out = empty(64)
        out[1][7] = wrong
        return out

    with pytest.raises(EngineError, match="finite"):
        detector(answer)(picture(), 64)


@pytest.mark.parametrize("output", [0, 3, 8])
def test_an_output_of_another_size_is_an_error(output):
    """Cells would be read from the wrong places."""

    def answer(_):
        out = empty(64)
        out[output] = out[output][:-1]
        return out

    with pytest.raises(EngineError, match="each place"):
        detector(answer)(picture(), 64)


def test_findings_outlive_the_session_s_memory():
    """A runtime that uses its output memory again does not move faces found before."""
    scores = iter([0.9, 0.6])
    detect = detector(lambda _: one_face(64, score=next(scores)), kind=ReusingSession)
    first = detect(picture(), 64)
    kept = (first.boxes.copy(), first.scores.copy(), first.landmarks.copy())
    detect(picture(), 64)
    for now, before in zip((first.boxes, first.scores, first.landmarks), kept, strict=True):
        assert np.array_equal(now, before)
