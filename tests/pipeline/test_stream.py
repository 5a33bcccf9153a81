"""The pipeline of streams: tracks, lost faces, and when it looks with all it has."""

from __future__ import annotations

import numpy as np
import pytest
from pipeline_kit import (
    LEFT,
    RIGHT,
    SETTINGS,
    Eyes,
    Surely,
    found,
    frame,
    is_filled,
    make,
    shot,
    stream,
    with_scene,
)

from edged.privacy.guard import Passed, Refused
from edged.verdicts import Reason

EMPTY = with_scene(allow_empty=True)


class Seen:
    """A detector whose answer a test sets; counts its looks."""

    def __init__(self, *places, family="scrfd"):
        self.places, self.family, self.looks = places, family, 0

    def __call__(self, _picture, _side):
        self.looks += 1
        return found(*self.places, family=self.family)


def identities(outcome):
    return {note.box_px[0]: note.identity for note in outcome.faces}


def test_a_lost_face_stays_filled_for_hold_ms():
    """Where it was last, although no detector sees it, and not longer."""
    eyes = Seen(LEFT, RIGHT)
    pipeline, _ = make(eyes)
    pipeline.process(frame(), stream(0))
    eyes.places = (RIGHT,)
    for now_ms in (100, SETTINGS.hold_ms):
        outcome = pipeline.process(frame(), stream(now_ms))
        assert isinstance(outcome.ruling, Passed)
        assert is_filled(outcome.ruling.image, LEFT)
        assert not is_filled(outcome.ruling.image, RIGHT)
        outcome.buffer.release()
    outcome = pipeline.process(frame(), stream(SETTINGS.hold_ms + 1))
    assert not is_filled(outcome.ruling.image, LEFT)


def test_a_published_sample_fills_who_is_lost():
    """A stream frame that goes to the broker is not let off what the view gets."""
    eyes = Seen(LEFT, RIGHT)
    pipeline, _ = make(eyes)
    pipeline.process(frame(), stream(0))
    eyes.places = (RIGHT,)
    sample = shot(stream=True, now_ms=100)
    outcome = pipeline.process(frame(), sample)
    assert isinstance(outcome.ruling, Passed)
    assert is_filled(outcome.ruling.image, LEFT)


def test_a_published_sample_keeps_the_characters():
    """Nobody changes character for one frame."""
    eyes = Seen(RIGHT)
    pipeline, _ = make(eyes)
    pipeline.process(frame(), stream(0))
    eyes.places = (LEFT, RIGHT)
    live = identities(pipeline.process(frame(), stream(100)))
    sample = identities(pipeline.process(frame(), shot(stream=True, now_ms=200)))
    assert sample == live
    assert set(live.values()) == {"actor", "other"}


def test_an_empty_frame_leaves_only_when_nobody_is_held():
    """Someone who was there a moment ago may still be there."""
    eyes = Seen(LEFT)
    pipeline, _ = make(eyes)
    pipeline.process(frame([LEFT]), stream(0, EMPTY))
    eyes.places = ()
    held = pipeline.process(frame([LEFT]), stream(100, EMPTY))
    assert is_filled(held.ruling.image, LEFT)
    gone = pipeline.process(frame([]), stream(5000, EMPTY))
    assert isinstance(gone.ruling, Passed)
    assert np.array_equal(gone.ruling.image, frame([]))


def test_the_only_person_of_a_frame_may_be_a_lost_one():
    """The picture goes on, with the place filled, also where empty frames may not leave."""
    eyes = Seen(LEFT)
    pipeline, _ = make(eyes)
    pipeline.process(frame([LEFT]), stream(0))
    eyes.places = ()
    outcome = pipeline.process(frame([LEFT]), stream(100))
    assert isinstance(outcome.ruling, Passed)
    assert is_filled(outcome.ruling.image, LEFT)


def test_an_empty_frame_stays_in_when_the_scene_says_so():
    """The default."""
    pipeline, _ = make(Seen())
    assert pipeline.process(frame([]), stream(0)).ruling == Refused(Reason.NO_FACE)


@pytest.fixture
def steady():
    """Two families, one person, one frame gone by."""
    families = [Seen(LEFT), Seen(LEFT, family="yunet")]
    pipeline, _ = make(*families)
    pipeline.process(frame([LEFT]), stream(0))

    def step(now_ms, **more):
        before = families[1].looks
        outcome = pipeline.process(frame([LEFT]), stream(now_ms, **more))
        return families[1].looks > before, outcome

    return families, step


def test_the_first_frame_is_looked_at_by_all(steady):
    """Input and output."""
    families, _ = steady
    assert families[1].looks == 2


def test_every_nth_frame_is_looked_at_by_all(steady):
    """In between the first family looks alone."""
    _, step = steady
    full = [step(100 * n)[0] for n in range(1, 9)]
    assert full == [False, False, False, True] * 2


def test_a_published_sample_is_a_full_look(steady):
    """The next one is due so many frames after it."""
    _, step = steady
    assert [step(100)[0], step(200)[0]] == [False, False]
    assert step(300, whole=True)[0]
    assert [step(n)[0] for n in (400, 500, 600, 700)] == [False, False, False, True]


@pytest.mark.parametrize("places", [(), (LEFT, RIGHT), (RIGHT,)])
def test_faces_that_come_or_go_are_looked_at_by_all(steady, places):
    """None, more, or somewhere else."""
    families, step = steady
    families[0].places = places
    assert step(100)[0]


def test_a_face_that_the_first_family_loses_is_found_by_the_second():
    """The full look catches it, and it is swapped, not filled."""
    families = Seen(LEFT), Surely(LEFT, family="yunet")
    pipeline, _ = make(*families)
    pipeline.process(frame([LEFT]), stream(0))
    families[0].places = ()
    outcome = pipeline.process(frame([LEFT]), stream(100))
    assert families[1].looks == 4
    assert [note.action for note in outcome.faces] == ["swapped"]


def test_the_output_is_looked_at_with_the_same_effort(steady):
    """A quick frame is checked by one family, a full one by both, and the note counts."""
    families, step = steady
    _, quick = step(100)
    assert quick.guard.looks == 2
    families[0].places = (LEFT, RIGHT)
    _, full = step(200)
    assert full.guard.looks == 4


def test_cameras_do_not_share_tracks():
    """A face lost in one is not filled in the other."""
    from dataclasses import replace

    eyes = Seen(LEFT, RIGHT)
    pipeline, _ = make(eyes)
    pipeline.process(frame(), stream(0))
    eyes.places = (RIGHT,)
    outcome = pipeline.process(frame(), replace(stream(100), camera="door"))
    assert not is_filled(outcome.ruling.image, LEFT)


def test_a_shot_neither_uses_nor_moves_the_tracks():
    """A still of the same camera has its own framing."""
    eyes = Seen(LEFT)
    pipeline, _ = make(eyes)
    pipeline.process(frame(), stream(0))
    eyes.places = (RIGHT,)
    outcome = pipeline.process(frame(), shot())
    assert not is_filled(outcome.ruling.image, LEFT)
    outcome = pipeline.process(frame(), stream(200))
    assert is_filled(outcome.ruling.image, LEFT)


def test_a_camera_that_changes_its_size_goes_on():
    """A lost box of the larger frame is clipped to the smaller."""
    eyes = Seen(RIGHT)
    pipeline, _ = make(eyes)
    pipeline.process(frame(), stream(0))
    eyes.places = (LEFT,)
    outcome = pipeline.process(np.ascontiguousarray(frame()[:, :256]), stream(100))
    assert isinstance(outcome.ruling, Passed | Refused)
    assert outcome.ruling != Refused(Reason.GUARD_ERROR)


def test_one_pair_of_eyes_that_fails_refuses_a_quick_frame():
    """A detector that raises is a matter of privacy in a stream as in a shot."""
    pipeline, _ = make(Eyes(found(LEFT), found(LEFT), found(LEFT), RuntimeError()))
    pipeline.process(frame([LEFT]), stream(0))
    assert pipeline.process(frame([LEFT]), stream(100)).ruling == Refused(Reason.GUARD_ERROR)
