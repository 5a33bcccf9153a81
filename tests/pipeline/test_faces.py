"""Which faces a scene swaps; whatever else the guard finds is filled."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace
from pipeline_kit import (
    LEFT,
    RIGHT,
    SETTINGS,
    Eyes,
    found,
    frame,
    is_filled,
    landmarks,
    make,
    shot,
    with_scene,
)

from edged.faces import Detections
from edged.privacy.guard import Passed


def actions(outcome):
    return {note.box_px[0]: note.action for note in outcome.faces}


def unequal(left=0.9, right=0.6, grow=0):
    """Two people, found with these scores; the one on the right may be larger."""
    both = found(LEFT, RIGHT)
    boxes = both.boxes + np.float32([[0] * 4, [-grow, -grow, grow, grow]])
    return Detections(boxes, np.float32([left, right]), both.landmarks, "scrfd")


def test_a_face_below_the_scene_s_threshold_is_filled():
    """The guard's own threshold found it; the scene swaps only who is surer."""
    pipeline, _ = make(Eyes(unequal()))
    outcome = pipeline.process(frame(), shot(with_scene(det_thresh=0.7)))
    assert isinstance(outcome.ruling, Passed)
    assert list(actions(outcome).values()).count("filled") == 1
    assert is_filled(outcome.ruling.image, RIGHT)
    assert not is_filled(outcome.ruling.image, LEFT)


def test_a_scene_without_a_threshold_swaps_all_that_the_guard_finds():
    """0, the default."""
    pipeline, _ = make(Eyes(unequal()))
    assert set(actions(pipeline.process(frame(), shot())).values()) == {"swapped"}


def test_a_face_that_is_too_large_is_filled():
    """Someone bent over the camera is not who the scene is about."""
    pipeline, _ = make(Eyes(unequal(grow=8)))
    outcome = pipeline.process(frame(), shot(with_scene(max_face_px=100)))
    assert is_filled(outcome.ruling.image, RIGHT)
    assert not is_filled(outcome.ruling.image, LEFT)


def test_the_largest_is_chosen_among_those_that_fit():
    """A face that is too large or unsure does not keep the others from being swapped."""
    scene = with_scene(select="largest", det_thresh=0.7)
    pipeline, _ = make(Eyes(unequal(grow=8)))
    outcome = pipeline.process(frame(), shot(scene))
    assert is_filled(outcome.ruling.image, RIGHT)
    assert not is_filled(outcome.ruling.image, LEFT)


class Whole:
    """Sees people in whole pictures, and nothing close up."""

    def __init__(self, *places, family="scrfd"):
        self.places, self.family = places, family

    def __call__(self, _picture, side):
        return found(*self.places, family=self.family) if side == 512 else found()


def test_a_doubtful_face_is_filled():
    """One family saw it, and no close look did: no character on what may be a wall."""
    settings = replace(SETTINGS, sizes_px=(512, 128))
    pipeline, _ = make(Whole(LEFT), Whole(LEFT, RIGHT, family="yunet"), settings=settings)
    outcome = pipeline.process(frame(), shot())
    assert isinstance(outcome.ruling, Passed)
    assert is_filled(outcome.ruling.image, RIGHT)
    assert not is_filled(outcome.ruling.image, LEFT)


def test_a_doubtful_face_is_left_as_it_is_where_the_guard_is_told_so():
    """In the input and in the output; nobody is swapped there, and nothing is refused."""
    settings = replace(SETTINGS, sizes_px=(512, 128), fill_doubtful=False)
    pipeline, _ = make(Whole(LEFT), Whole(LEFT, RIGHT, family="yunet"), settings=settings)
    outcome = pipeline.process(frame(), shot())
    assert isinstance(outcome.ruling, Passed)
    assert list(actions(outcome).values()) == ["swapped"]
    assert np.array_equal(outcome.ruling.image[:, RIGHT:], frame()[:, RIGHT:])


@pytest.mark.parametrize("thresh", [0.0, 0.7])
def test_the_guard_s_look_at_the_output_knows_no_scene(thresh):
    """A face that only the second look finds is filled, also below the scene's threshold."""
    unsure = Detections(found(RIGHT).boxes, np.float32([0.55]), landmarks(RIGHT)[None], "scrfd")
    first = found(LEFT)
    both = Detections(*(np.concatenate(pair) for pair in (
        (first.boxes, unsure.boxes), (first.scores, unsure.scores),
        (first.landmarks, unsure.landmarks))), "scrfd")  # fmt: skip
    pipeline, _ = make(Eyes(first, first, both))
    outcome = pipeline.process(frame(), shot(with_scene(det_thresh=thresh)))
    assert is_filled(outcome.ruling.image, RIGHT)
