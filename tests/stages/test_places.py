"""Detectors on prepared graphs: canvases, thresholds, overlaps, and outputs that are none."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession, ReusingSession

from edged.errors import EngineError, ModelError
from edged.stages.places import Canvas
from edged.stages.scrfd import Scrfd
from edged.stages.yunet import YuNet

COUNT = 16


def answer(*faces):
    """Outputs with faces (score, x, y, side), best first, then nothing."""
    scores = np.full(COUNT, -1, np.float32)
    boxes, points = np.zeros((COUNT, 4), np.float32), np.zeros((COUNT, 5, 2), np.float32)
    for row, (score, x, y, side) in enumerate(faces):
        scores[row], boxes[row] = score, [x, y, x + side, y + side]
        points[row] = [x + side / 2, y + side / 2]
    return [scores, boxes, points, np.zeros(1, np.float32)]


def detector(give, size=None, kind=FakeSession, stage=Scrfd):
    session = kind(
        {"picture": ((1, size, size, 3), np.uint8)},
        {"scores": (COUNT,), "boxes": (COUNT, 4), "landmarks": (COUNT, 5, 2), "checks": (1,)},
        give,
    )
    return stage(session)


def picture(height=48, width=64, level=9):
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize("stage", [Scrfd, YuNet])
def test_a_place_above_the_threshold_is_a_face(stage):
    """Below it nothing is found, at it something is; the family is named."""
    give = answer((0.9, 8, 4, 20), (0.5, 40, 4, 20), (0.49, 8, 30, 10))
    found = detector(lambda _: give, stage=stage)(picture(), 64)
    assert found.scores.tolist() == [pytest.approx(0.9), 0.5]
    assert found.boxes.tolist() == [[8, 4, 28, 24], [40, 4, 60, 24]]
    assert (found.landmarks[0] == [18, 14]).all()
    assert found.family == stage.__name__.lower()


def test_places_with_one_face_give_one():
    """Suppression by overlap; the best score stands."""
    give = answer((0.8, 10, 10, 20), (0.7, 11, 10, 20))
    assert detector(lambda _: give)(picture(), 64).scores.tolist() == [pytest.approx(0.8)]


def test_an_open_side_is_rounded_up_to_whole_strides():
    """The canvas's side divides by 32, whatever the search asks for."""
    detect = detector(lambda _: answer())
    detect(picture(), 70)
    assert detect.session.runs[0]["picture"].shape == (1, 96, 96, 3)


def test_the_canvas_is_black_beyond_the_picture():
    """Also after a larger one has lain there."""
    detect = detector(lambda _: answer())
    for extents in ((64, 40), (32, 64), (10, 10)):
        detect(picture(*extents), 64)
        (fed,) = detect.session.runs[-1]["picture"]
        assert (fed[: extents[0], : extents[1]] == 9).all()
        assert fed.sum() == 9 * 3 * extents[0] * extents[1]


def test_canvases_are_kept_by_size():
    """A size that comes again takes no new memory."""
    canvas = Canvas()
    first = canvas.fill(picture(), 64, 64)
    canvas.fill(picture(), 96, 96)
    assert canvas.fill(picture(20, 20), 64, 64) is first


def test_a_fixed_file_pads_a_small_look():
    """A 64 px look on a 128 px file is that picture in the corner of the canvas."""
    detect = detector(lambda _: answer((0.9, 8, 4, 20)), size=128)
    assert len(detect(picture(), 64)) == 1
    assert detect.session.runs[0]["picture"].shape == (1, 128, 128, 3)


def test_a_fixed_scrfd_cannot_take_a_larger_look():
    """The message names the setting."""
    with pytest.raises(ModelError, match=r"guard\.sizes_px"):
        detector(lambda _: answer(), size=64)(picture(100, 128), 128)


def test_yunet_scales_a_larger_look_and_scales_back():
    """The public file is 640 px; a finding at 1280 comes back at 1280's pixels."""
    detect = detector(lambda _: answer((0.9, 16, 16, 32)), size=64, stage=YuNet)
    found = detect(picture(128, 96), 128)
    assert found.boxes.tolist() == [[32, 32, 96, 96]]
    assert found.landmarks[0][0].tolist() == [64, 64]


def test_a_full_answer_is_refused_and_no_face_dropped():
    """When the weakest place still counts, there may be more that the graph did not give."""
    crowd = [(0.9, 10 * i, 0, 5) for i in range(COUNT)]
    with pytest.raises(EngineError, match=r"more than 16 places.*guard\.det_thresh"):
        detector(lambda _: answer(*crowd))(picture(), 64)
    assert len(detector(lambda _: answer(*crowd[:-1]))(picture(), 64)) == COUNT - 1


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("output", [0, 1, 2, 3])
def test_a_number_that_is_not_finite_is_an_error(output, wrong):
    """NaN is below every threshold: without this a broken network would find no faces."""
    give = answer((0.9, 8, 4, 20))
    give[output].reshape(-1)[0] = wrong
    with pytest.raises(EngineError, match="finite"):
        detector(lambda _: give)(picture(), 64)


@pytest.mark.parametrize("output", [1, 2])
def test_an_output_of_another_size_is_an_error(output):
    """Places would be read from the wrong rows."""
    give = answer()
    give[output] = give[output][:-1]
    with pytest.raises(EngineError, match="each place"):
        detector(lambda _: give)(picture(), 64)


def test_findings_outlive_the_session_s_memory():
    """A runtime that uses its output memory again does not move faces found before."""
    scores = iter([0.9, 0.6])
    detect = detector(lambda _: answer((next(scores), 8, 4, 20)), kind=ReusingSession)
    first = detect(picture(), 64)
    kept = (first.boxes.copy(), first.scores.copy(), first.landmarks.copy())
    detect(picture(), 64)
    for now, before in zip((first.boxes, first.scores, first.landmarks), kept, strict=True):
        assert np.array_equal(now, before)
