"""The pipeline of portraits: consent, bystanders, slots, and template pixels alone."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from faces_kit import E2
from pipeline_kit import (
    LEFT,
    RIGHT,
    Eyes,
    Recogniser,
    Restorer,
    Swapper,
    box,
    found,
    frame,
    landmarks,
    make,
    poster,
    shot,
)

from edged.privacy.guard import Passed, Refused
from edged.scene import Scene
from edged.transport.wire import ConsentEntry
from edged.verdicts import Reason

PORTRAIT = Scene(mode="portrait", restore=False)
LARGEST = Scene(mode="portrait", restore=False, surplus_faces="largest")


class Unlike(Recogniser):
    """Takes every face of the output for nobody's."""

    def __call__(self, crops):
        known = super().__call__(crops)
        bright = np.array([c.mean() > 96 for c in crops], bool)
        return np.where(bright[:, None], known, E2) if len(known) else known


def run(*eyes, consents=("c1",), slots=(LEFT, RIGHT), scene=PORTRAIT, **parts):
    parts.setdefault("recogniser", Unlike())
    pipeline, pool = make(*eyes, templates={"scene": poster(slots)}, **parts)
    return pipeline.process(frame(), shot(scene, consents=consents)), pool


def test_without_consent_there_is_no_portrait():
    """It is refused before anything is looked at."""
    eyes = Eyes(found(LEFT))
    outcome, pool = run(eyes, consents=())
    assert outcome.ruling == Refused(Reason.NO_CONSENT)
    assert eyes.looks == 0
    assert pool.leased == 0


def test_the_picture_is_the_template_but_for_the_slots():
    """No pixel of the camera's frame is in it."""
    outcome, _ = run(Eyes(found(LEFT, RIGHT)), consents=("c1", "c2"))
    assert isinstance(outcome.ruling, Passed)
    changed = (outcome.ruling.image != poster().image).any(axis=2)
    assert changed.any()
    for at in (LEFT, RIGHT):
        x1, y1, x2, y2 = (int(v) for v in box(at, grow=40))
        changed[y1:y2, max(0, x1) : x2] = False
    assert not changed.any()


def test_the_template_itself_is_never_written_to():
    """The next visitors get it as it was."""
    template = poster()
    before = template.image.copy()
    pipeline, _ = make(Eyes(found(LEFT)), templates={"scene": template}, recogniser=Unlike())
    pipeline.process(frame(), shot(PORTRAIT, consents=("c1",)))
    assert np.array_equal(template.image, before)


@pytest.mark.parametrize(
    ("people", "consents", "slots", "used"),
    [
        ((LEFT, RIGHT), 2, (LEFT, RIGHT), ["c0", "c1"]),
        ((LEFT, RIGHT), 1, (LEFT, RIGHT), ["c0"]),
        ((LEFT, RIGHT), 2, (LEFT,), ["c0"]),
        ((LEFT, RIGHT), 5, (LEFT,), [""]),
        ((LEFT,), 2, (LEFT, RIGHT), [""]),
    ],
    ids=["all", "one-consent", "one-slot", "one-slot-many-consents", "one-visitor"],
)
def test_as_many_as_consents_slots_and_visitors_allow(people, consents, slots, used):
    """Everybody else is a bystander and not used; a doubtful reference is not told."""
    refs = tuple(f"c{n}" for n in range(consents))
    swapper = Swapper()
    eyes = Eyes(found(*people), found(*slots))
    outcome, _ = run(eyes, consents=refs, slots=slots, swapper=swapper, scene=LARGEST)
    assert isinstance(outcome.ruling, Passed)
    assert [note.slot for note in outcome.faces] == list(range(len(used)))
    assert [note.consent for note in outcome.faces] == used
    assert outcome.bystanders == len(people) - len(used)
    assert outcome.guard.swapped == len(used)
    assert len(swapper.latents) == len(used)


def test_more_people_than_consents_use_nobody():
    """Without boxes nobody can tell whose the consent is: refused before anything is swapped."""
    swapper = Swapper()
    outcome, pool = run(Eyes(found(LEFT, RIGHT)), consents=("c1",), swapper=swapper)
    assert outcome.ruling == Refused(Reason.SURPLUS_FACES)
    assert outcome.usable == 2
    assert not swapper.latents
    assert pool.leased == 0


def test_a_visitor_too_near_to_be_used_does_not_hand_the_consent_on():
    """The one face that the scene can use may be a bystander's."""
    near = found(LEFT, RIGHT, boxes=[box(LEFT), box(RIGHT, grow=60)],
                 points=[landmarks(LEFT), landmarks(RIGHT)])  # fmt: skip
    scene = msgspec.structs.replace(PORTRAIT, max_face_px=int(min(np.diff(box(LEFT)[::2]))) + 40)
    outcome, _ = run(Eyes(near), scene=scene)
    assert outcome.ruling == Refused(Reason.SURPLUS_FACES)
    assert outcome.usable == 1


def test_a_box_names_the_visitor_behind_a_nearer_bystander():
    """The consent's own face is used, and the nearer one is a bystander."""
    behind = found(LEFT, RIGHT, boxes=[box(LEFT), box(RIGHT, grow=20)],
                   points=[landmarks(LEFT), landmarks(RIGHT)])  # fmt: skip
    seen = []

    class Noting(Unlike):
        def __call__(self, crops):
            seen.append([float(c.mean()) for c in crops])
            return super().__call__(crops)

    image = frame()
    image[:, 256:] //= 2
    pipeline, _ = make(Eyes(behind, found(LEFT)), templates={"scene": poster()},
                       recogniser=Noting())  # fmt: skip
    consent = ConsentEntry("c1", box_px=tuple(box(LEFT).tolist()))
    outcome = pipeline.process(image, shot(PORTRAIT, consents=(consent,)))
    assert [note.consent for note in outcome.faces] == ["c1"]
    assert outcome.bystanders == 1
    assert seen[1] == [max(seen[0])]


def test_a_box_with_nobody_in_it_is_refused():
    """A consent for a face that is not there is told apart from no face at all."""
    consent = ConsentEntry("c1", box_px=(1, 1, 20, 20))
    outcome, _ = run(Eyes(found(LEFT, RIGHT)), consents=(consent,))
    assert outcome.ruling == Refused(Reason.CONSENT_UNMATCHED)


def test_visitors_stand_from_left_to_right():
    """The leftmost takes the first slot and the first consent."""
    sources = []

    class Noting(Unlike):
        def __call__(self, crops):
            sources.append([c.copy() for c in crops])
            return super().__call__(crops)

    image = frame()
    image[:, 256:] //= 2  # the right one stands in the dark
    pipeline, _ = make(Eyes(found(RIGHT, LEFT)), templates={"scene": poster()}, recogniser=Noting())
    pipeline.process(image, shot(PORTRAIT, consents=("c1", "c2")))
    embedded = sources[1]  # the first call is of all faces, the second of the chosen ones
    assert embedded[0].mean() > embedded[1].mean()


def test_a_scene_may_say_that_the_largest_face_is_meant():
    """Who stands in front; the one behind is a bystander."""
    large = found(LEFT, RIGHT, boxes=[box(LEFT), box(RIGHT, grow=20)],
                  points=[landmarks(LEFT), landmarks(RIGHT)])  # fmt: skip
    seen = []

    class Noting(Unlike):
        def __call__(self, crops):
            seen.append([float(c.mean()) for c in crops])
            return super().__call__(crops)

    image = frame()
    image[:, 256:] //= 2
    pipeline, _ = make(Eyes(large, found(LEFT)), templates={"scene": poster()},
                       recogniser=Noting())  # fmt: skip
    pipeline.process(image, shot(LARGEST, consents=("c1",)))
    assert seen[1] == [min(seen[0])]


@pytest.mark.parametrize(
    ("people", "scene"),
    [
        (found(), PORTRAIT),
        (found(LEFT), Scene(mode="portrait", min_face_px=500)),
        (found(LEFT, points=[np.full((5, 2), 9.0)]), PORTRAIT),
    ],
    ids=["nobody", "too-small", "degenerate"],
)
def test_without_a_usable_visitor_it_is_refused(people, scene):
    """Nobody's face is made up."""
    outcome, pool = run(Eyes(people), scene=scene)
    assert outcome.ruling == Refused(Reason.NO_FACE)
    assert pool.leased == 0


def test_the_likeness_of_a_bystander_refuses_the_picture():
    """Made and checked, and kept in; the buffer goes back."""

    class Confused(Recogniser):
        """The slot shows who stood on the left, and the right one consented."""

        def __call__(self, crops):
            dark = [c.mean() < 70 for c in crops]
            return np.stack([np.float32([0, 1, 0]) if d else np.float32([1, 0, 0]) for d in dark])

    image = frame()
    image[:, 256:] //= 3
    large = found(LEFT, RIGHT, boxes=[box(LEFT), box(RIGHT, grow=20)],
                  points=[landmarks(LEFT), landmarks(RIGHT)])  # fmt: skip
    pipeline, pool = make(Eyes(large, found(LEFT)), templates={"scene": poster()},
                          recogniser=Confused())  # fmt: skip
    outcome = pipeline.process(image, shot(LARGEST, consents=("c1",)))
    assert outcome.ruling == Refused(Reason.FACE_RECOGNISABLE)
    assert outcome.buffer is None
    assert pool.returned == 1


def test_a_face_that_the_template_does_not_have_refuses_the_picture():
    """The second look found somebody in between."""
    nobody = found(LEFT, boxes=[[215, 10, 250, 50]])
    outcome, _ = run(Eyes(found(LEFT), nobody))
    assert outcome.ruling == Refused(Reason.FACE_UNEXPECTED)


def test_restored_slots_are_still_slots():
    """What the restorer touches counts to the slot."""
    restorer = Restorer()
    outcome, _ = run(
        Eyes(found(LEFT, RIGHT)), consents=("c1", "c2"), restorer=restorer,
        scene=Scene(mode="portrait"),
    )  # fmt: skip
    assert isinstance(outcome.ruling, Passed)
    assert restorer.crops == 2


def test_an_unknown_template_is_an_error_of_the_pipeline():
    """The frame is refused."""
    pipeline, _ = make(Eyes(found(LEFT)))
    outcome = pipeline.process(frame(), shot(PORTRAIT, consents=("c1",)))
    assert outcome.ruling == Refused(Reason.PIPELINE_ERROR)
