"""The pipeline of disguises, shot by shot, with scripted networks and the real guard."""

from __future__ import annotations

import numpy as np
import pytest
from faces_kit import ATTACKS, E0, E1
from pipeline_kit import (
    LEFT,
    RIGHT,
    Eyes,
    Recogniser,
    Restorer,
    Surely,
    Swapper,
    box,
    found,
    frame,
    is_filled,
    landmarks,
    make,
    shot,
    with_scene,
)

from edged.errors import EngineError
from edged.privacy.guard import Passed, Refused
from edged.verdicts import Reason

BOTH = found(LEFT, RIGHT)


def actions(outcome):
    return [note.action for note in outcome.faces]


def test_every_face_becomes_a_character():
    """Both are swapped, the frame itself is only read, the picture is another memory."""
    image = frame()
    pipeline, _ = make(Eyes(BOTH))
    outcome = pipeline.process(image, shot())
    assert isinstance(outcome.ruling, Passed)
    assert actions(outcome) == ["swapped", "swapped"]
    assert np.array_equal(image, frame())
    assert not np.shares_memory(outcome.ruling.image, image)
    assert outcome.ruling.refilled == 0


def test_outside_the_faces_the_picture_is_the_frame():
    """Hair, clothes and background are not touched."""
    pipeline, _ = make(Eyes(found(LEFT)))
    outcome = pipeline.process(frame([LEFT]), shot())
    changed = (outcome.ruling.image != frame([LEFT])).any(axis=2)
    ys, xs = np.nonzero(changed)
    assert len(ys) > 1000
    x1, y1, x2, y2 = box(LEFT, grow=40)
    assert x1 <= xs.min() <= xs.max() <= x2
    assert y1 <= ys.min() <= ys.max() <= y2


def test_a_read_only_frame_is_enough():
    """Raw frames are views of the sender's bytes."""
    image = frame()
    image.flags.writeable = False
    pipeline, _ = make(Eyes(BOTH))
    assert isinstance(pipeline.process(image, shot()).ruling, Passed)


def test_characters_are_dealt_from_left_to_right():
    """Whatever order the search answers in."""
    swapper = Swapper()
    pipeline, _ = make(Eyes(found(RIGHT, LEFT)), swapper=swapper)
    outcome = pipeline.process(frame(), shot())
    by_side = sorted((note.box_px[0], note.identity) for note in outcome.faces)
    assert [identity for _, identity in by_side] == ["actor", "other"]
    assert sorted(swapper.latents) == sorted([tuple(E0), tuple(E1)])


@pytest.mark.parametrize("identities", [(), ("nobody",)])
def test_without_a_character_faces_are_filled(identities):
    """None configured, or one that was never made."""
    pipeline, _ = make(Eyes(BOTH, found()))
    outcome = pipeline.process(frame(), shot(with_scene(identities=identities)))
    assert isinstance(outcome.ruling, Passed)
    assert actions(outcome) == ["filled", "filled"]
    assert outcome.guard.refilled == 0
    assert is_filled(outcome.ruling.image, LEFT)
    assert is_filled(outcome.ruling.image, RIGHT)


def test_a_small_face_is_filled():
    """Below `min_face_px` there is nothing to swap well."""
    pipeline, _ = make(Eyes(found(LEFT), found()))
    outcome = pipeline.process(frame([LEFT]), shot(with_scene(min_face_px=93)))
    assert actions(outcome) == ["filled"]
    assert outcome.guard.refilled == 0
    assert is_filled(outcome.ruling.image, LEFT)


@pytest.mark.parametrize("points", [np.full((5, 2), 100.0), np.full((5, 2), np.nan)])
def test_a_face_with_degenerate_landmarks_is_filled(points):
    """It cannot be aligned, and its box can still be hidden; the other face is swapped."""
    odd = found(LEFT, RIGHT, points=[points, landmarks(RIGHT)])
    pipeline, _ = make(Eyes(odd, found(RIGHT)))
    outcome = pipeline.process(frame(), shot())
    assert isinstance(outcome.ruling, Passed)
    assert sorted(actions(outcome)) == ["filled", "swapped"]
    assert outcome.guard.refilled == 0
    assert is_filled(outcome.ruling.image, LEFT)


@pytest.mark.parametrize("shift", [-140.0, 480.0, 2000.0])
def test_a_face_over_the_edge_is_done_and_noted_inside(shift):
    """Its note stays inside the picture, also when all of it lies outside."""
    moved = found(LEFT, points=[landmarks(LEFT) + np.array([shift, 0])], boxes=[box(LEFT) + shift])
    pipeline, _ = make(Eyes(moved, found()))
    outcome = pipeline.process(frame(), shot())
    assert isinstance(outcome.ruling, Passed)
    (note,) = outcome.faces
    x1, y1, x2, y2 = note.box_px
    assert 0 <= x1 <= x2 <= 512
    assert 0 <= y1 <= y2 <= 256


def test_a_shot_without_a_face_is_refused():
    """Unless the scene allows it; then it leaves as it is."""
    pipeline, pool = make(Eyes(found()))
    assert pipeline.process(frame([]), shot()).ruling == Refused(Reason.NO_FACE)
    assert pool.leased == 0
    outcome = pipeline.process(frame([]), shot(with_scene(allow_empty=True)))
    assert isinstance(outcome.ruling, Passed)
    assert np.array_equal(outcome.ruling.image, frame([]))


def test_faces_that_only_the_second_family_sees_are_hidden_too():
    """The union counts."""
    pipeline, _ = make(Surely(LEFT), Surely(RIGHT, family="yunet"))
    outcome = pipeline.process(frame(), shot())
    assert actions(outcome) == ["swapped", "swapped"]
    assert outcome.guard.families == ("scrfd", "yunet")
    assert outcome.guard.looks == 4


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_a_swapper_that_does_not_swap_ends_in_a_fill(attack):
    """The guard sees through it; the note says so."""
    pipeline, _ = make(Eyes(found(LEFT), found(LEFT), found()),
                       swapper=Swapper(change=ATTACKS[attack]))  # fmt: skip
    outcome = pipeline.process(frame([LEFT]), shot())
    assert isinstance(outcome.ruling, Passed)
    assert is_filled(outcome.ruling.image, LEFT)
    assert actions(outcome) == ["filled"]
    assert outcome.faces[0].identity == ""
    assert (outcome.guard.swapped, outcome.guard.filled, outcome.guard.refilled) == (0, 1, 1)


def test_the_restorer_runs_when_the_scene_wants_it():
    """On swapped faces only."""
    restorer = Restorer()
    pipeline, _ = make(Eyes(BOTH), restorer=restorer)
    pipeline.process(frame(), shot())
    assert restorer.crops == 0
    outcome = pipeline.process(frame(), shot(with_scene(restore=True)))
    assert restorer.crops == 2
    assert isinstance(outcome.ruling, Passed)


# -- failures ---------------------------------------------------------------------------

ERROR = EngineError("shape (1, 719)")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"eyes": [ERROR]}, Reason.GUARD_ERROR),
        ({"eyes": [BOTH, ERROR]}, Reason.GUARD_ERROR),
        ({"eyes": [BOTH], "recogniser": Recogniser(ERROR)}, Reason.GUARD_ERROR),
        ({"eyes": [BOTH], "swapper": Swapper(error=ERROR)}, Reason.PIPELINE_ERROR),
        ({"eyes": [BOTH], "swapper": Swapper(error=MemoryError())}, Reason.PIPELINE_ERROR),
        ({"eyes": [found(LEFT, boxes=[[0, 0, np.nan, 9]])]}, Reason.GUARD_ERROR),
    ],
    ids=["first-look", "second-look", "recogniser", "swapper", "memory", "nan-box"],
)
def test_an_exception_refuses_the_frame_and_keeps_its_text(parts, reason, caplog):
    """The privacy parts answer `guard-error`, the others `pipeline-error`; the log a type."""
    pipeline, _ = make(Eyes(*parts.pop("eyes")), **parts)
    outcome = pipeline.process(frame(), shot())
    assert outcome.ruling == Refused(reason)
    assert outcome.buffer is None
    assert "719" not in caplog.text
    assert "Error while in" in caplog.text


def test_the_next_frame_works_after_an_exception():
    """Nothing is left over."""
    pipeline, _ = make(Eyes(ERROR, BOTH))
    assert isinstance(pipeline.process(frame(), shot()).ruling, Refused)
    assert isinstance(pipeline.process(frame(), shot()).ruling, Passed)


def test_without_bounds_every_frame_is_refused():
    """Not calibrated."""
    pipeline, _ = make(Eyes(BOTH), bounds=None)
    assert pipeline.process(frame(), shot()).ruling == Refused(Reason.NOT_CALIBRATED)


def test_a_refused_picture_s_buffer_goes_back():
    """A passed one's is the caller's to release."""
    pipeline, pool = make(Eyes(BOTH), bounds=None)
    assert pipeline.process(frame(), shot()).buffer is None
    assert (pool.leased, pool.returned) == (1, 1)
    pipeline, pool = make(Eyes(BOTH))
    outcome = pipeline.process(frame(), shot())
    assert (pool.leased, pool.returned) == (1, 0)
    outcome.buffer.release()
    assert pool.returned == 1


def test_every_stage_is_timed():
    """Wall time of each, and of it what sessions took."""
    pipeline, _ = make(Eyes(BOTH))
    outcome = pipeline.process(frame(), shot())
    assert {"embed", "copy", "swap", "paste", "guard"} <= set(outcome.stages_ms)
    assert outcome.stages_ms.keys() == outcome.session_ms.keys()
    assert all(spent >= 0 for spent in outcome.stages_ms.values())
