"""How hard frames of a stream are looked at, and that faces are followed between full looks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from pipeline_kit import LEFT, RIGHT, SETTINGS, close_up, found, frame, make, shot, stream

from edged.faces import Detections
from edged.pipeline.lookout import eyes
from edged.stages.spots import spot_of
from edged.stages.union import union
from edged.stages.views import Effort

SMALL = replace(SETTINGS, sizes_px=(512, 128), rotations_deg=(0, 90, 180, 270))
"""Full looks in turns, close looks at 128 px."""


class Script:
    """A detector that answers `whole` to a picture of 512 px, and `close` to smaller ones."""

    def __init__(self, *places, family="scrfd"):
        self.whole, self.close = found(*places, family=family), []
        self.family, self.sides = family, []

    def __call__(self, picture, side):
        self.sides.append(side)
        if side == 512:
            return self.whole if picture.shape[0] < 512 else Detections.none(self.family)
        return self.close.pop(0) if self.close else Detections.none(self.family)


@pytest.fixture
def followed():
    """A camera that has seen two people."""
    eyes_of = Script(LEFT, RIGHT)
    pipeline, _ = make(eyes_of, settings=SMALL)
    pipeline.process(frame(), stream(0))
    eyes_of.sides.clear()
    return pipeline, eyes_of


def test_who_is_seen_where_they_were_is_not_looked_at_closely(followed):
    """The input and the output, one look each."""
    pipeline, detector = followed
    pipeline.process(frame(), stream(100))
    assert detector.sides == [512, 512]


def test_who_is_missed_is_looked_at_closely_and_swapped(followed):
    """No full look, nobody filled; the output is looked at in the same way."""
    pipeline, detector = followed
    detector.whole = found(RIGHT)
    detector.close = [close_up(128), close_up(128)]
    outcome = pipeline.process(frame(), stream(100))
    assert detector.sides == [512, 128, 512, 128]
    assert [note.action for note in outcome.faces] == ["swapped", "swapped"]


def test_who_is_not_found_closely_either_is_filled_after_a_full_look(followed):
    """As before there were close looks."""
    pipeline, detector = followed
    detector.whole = found(RIGHT)
    outcome = pipeline.process(frame(), stream(100))
    assert detector.sides.count(512) > 2
    assert sorted(note.action for note in outcome.faces) == ["filled", "swapped"]


def test_a_full_look_takes_the_quarter_turns_in_turn():
    """One a full look, by the first family alone; the other family looks upright."""
    first, second = Script(LEFT), Script(LEFT, family="yunet")
    settings = replace(SMALL, full_look_every_n=1, rotations_deg=(0, 90, 270))
    pipeline, _ = make(first, second, settings=settings)
    for n in range(2):
        first.sides.clear()
        second.sides.clear()
        outcome = pipeline.process(frame([LEFT]), stream(100 * n))
        # quick; full upright and aside at two sizes, one diagonal; the output as the full look
        assert first.sides == [512, *[512, 512, 128, 128, 512] * 2]
        assert second.sides == [512, 128] * 2
        assert outcome.guard.looks == 2 * (2 * 2 + 2 + 1)


def test_a_shot_looks_closely_at_everyone_and_moves_no_memory(followed):
    """Every size, turn and diagonal, then one close look a face."""
    pipeline, detector = followed
    pipeline.process(frame(), shot())
    assert len(detector.sides) == 2 * (4 * 2 + 4 + 2)
    detector.sides.clear()
    pipeline.process(frame(), stream(100))
    assert detector.sides == [512, 512]


def test_a_cutting_is_looked_at_in_every_turn():
    """Spots of the whole picture mean nothing in it, and the face may lean."""
    detector = Script()
    spot = spot_of(next(iter(_faces())))
    look = eyes(
        [detector], Effort((512,), families=1, close_px=128, expected=(spot,)), (256, 512, 3)
    )
    look(frame())
    assert detector.sides == [512, 128]
    detector.sides.clear()
    look(frame()[:200, :300])
    assert detector.sides == [512] * 4


def _faces():

    return union([found(LEFT)])
