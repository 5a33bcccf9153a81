"""Who is who through the whole pipeline: embedded when needed, kept, selected, filled."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from faces_kit import E0, E2, align
from pipeline_kit import (
    HIDE,
    LEFT,
    RIGHT,
    Recogniser,
    box,
    found,
    frame,
    is_filled,
    landmarks,
    make,
    shot,
    stream,
    with_scene,
)

from edged.geometry import similarity, template
from edged.pipeline.pipeline import Pipeline
from edged.privacy.guard import Passed
from edged.privacy.pixels import untouched_share
from edged.scene import Scene
from edged.stages.steady import OFF_AT_MOST
from edged.stages.track import EMBED_EVERY, LOOKS


class Colours(Recogniser):
    """Tells people with blue skin from the others, and what was swapped from both."""

    faces = 0

    def __call__(self, crops):
        self.faces += len(crops)
        vectors = super().__call__(crops)
        blue = [c[30:90, 30:90, 0].mean() > c[30:90, 30:90, 2].mean() for c in crops]
        return np.stack(
            [E2 if b and v @ E0 > 0.5 else v for b, v in zip(blue, vectors, strict=True)]
        )


class Seen:
    """A detector whose answer a test sets."""

    family = "scrfd"

    def __init__(self, *places):
        self.places = places

    def __call__(self, _picture, _side):
        return found(*self.places)


def crowd(*people, blue=()):
    """A frame with people at places, some of them with blue skin."""
    image = frame(people)
    for at in blue:
        image[:, at : at + 256] = image[:, at : at + 256, ::-1].copy()
    return image


def booth(*places, wearers=None):
    """(eyes, pipeline)."""
    eyes = Seen(*places)
    pipeline, _ = make(eyes, recogniser=Colours())
    if wearers:
        pipeline._who._wearers = wearers
    return eyes, pipeline


def played(outcome):
    """Identity by place, what is filled as ""."""
    assert isinstance(outcome.ruling, Passed), outcome.ruling
    outcome.buffer.release()
    return {LEFT if n.box_px[0] < 200 else RIGHT: n.identity for n in outcome.faces}


def test_a_face_that_nothing_happens_to_is_seldom_embedded():
    """The note of each frame says how many faces were; it is swapped in all of them."""
    _, pipeline = booth(LEFT)
    embedded = []
    for number in range(LOOKS + EMBED_EVERY):
        outcome = pipeline.process(crowd(LEFT), stream(number * 100))
        embedded.append(outcome.guard.embedded)
        assert played(outcome) == {LEFT: "actor"}
    assert embedded == [1] * LOOKS + [0] * (EMBED_EVERY - 1) + [1]


def test_shots_and_published_frames_embed_everybody():
    """What leaves the device is never judged by what was remembered."""
    _, pipeline = booth(LEFT, RIGHT)
    for number in range(LOOKS + 1):
        pipeline.process(crowd(LEFT, RIGHT), stream(number * 100)).buffer.release()
    sample = pipeline.process(crowd(LEFT, RIGHT), shot(stream=True, now_ms=500))
    assert sample.guard.embedded == 2
    assert pipeline.process(crowd(LEFT, RIGHT), shot()).guard.embedded == 2


def test_somebody_else_in_the_same_place_is_embedded_in_that_frame():
    """It looks different, and is nobody until the looks agree: filled."""
    _, pipeline = booth(LEFT)
    for number in range(LOOKS + 1):
        outcome = pipeline.process(crowd(LEFT), stream(number * 100))
        assert played(outcome) == {LEFT: "actor"}
    outcome = pipeline.process(255 - crowd(LEFT), stream(500))
    assert outcome.guard.embedded == 1
    assert played(outcome) == {LEFT: ""}


def test_who_comes_back_at_another_place_keeps_the_character():
    """After five seconds, while somebody else stands where they stood."""
    eyes, pipeline = booth(LEFT)
    for number in range(LOOKS + 1):
        assert played(pipeline.process(crowd(LEFT), stream(number * 100))) == {LEFT: "actor"}
    eyes.places = (RIGHT,)
    for number in range(10):
        outcome = pipeline.process(crowd(RIGHT, blue=[RIGHT]), stream(5500 + number * 100))
        assert played(outcome)[RIGHT] == ("other" if number >= LOOKS - 1 else "")
    eyes.places = (LEFT, RIGHT)
    outcome = pipeline.process(crowd(LEFT, RIGHT, blue=[LEFT]), stream(11_500))
    assert played(outcome) == {LEFT: "other", RIGHT: "actor"}


@pytest.mark.parametrize("rules", [{"on_stranger": "fill"}, {"select": "matched"}])
@pytest.mark.parametrize("job", [shot, lambda scene: stream(0, scene)])
def test_only_who_is_enrolled_is_swapped(rules, job):
    """From the first frame on; the stranger is filled."""
    _, pipeline = booth(LEFT, RIGHT, wearers={"other": E2})
    outcome = pipeline.process(crowd(LEFT, RIGHT, blue=[RIGHT]), job(with_scene(**rules)))
    image = outcome.ruling.image
    assert is_filled(image, LEFT)
    assert not is_filled(image, RIGHT)
    assert played(outcome) == {LEFT: "", RIGHT: "other"}


@pytest.mark.parametrize("job", [shot, lambda scene: stream(0, scene)])
def test_nobody_shares_an_identity_unless_the_scene_says_so(job):
    """Two people and one character."""
    one = with_scene(identities=("actor",))
    for scene, second in (
        (one, ""),
        (msgspec.structs.replace(one, share_identities=True), "actor"),
    ):
        _, pipeline = booth(LEFT, RIGHT)
        outcome = pipeline.process(crowd(LEFT, RIGHT, blue=[RIGHT]), job(scene))
        assert sorted(played(outcome).values()) == sorted(["actor", second])


def test_who_is_before_the_camera_is_dealt_a_new_character_when_told():
    """A stream remembers its roles, until somebody deals again."""
    _, pipeline = booth(LEFT)
    first, turned = (with_scene(identities=names) for names in (("a", "b"), ("b", "a")))
    cast = [look(pipeline, frame([LEFT]), number, scene).cast
            for number, scene in enumerate((first, turned))]  # fmt: skip
    pipeline.deal_again("nowhere")
    cast.append(look(pipeline, frame([LEFT]), 2, turned).cast)
    pipeline.deal_again(stream(0, turned).scene_name)
    cast.append(look(pipeline, frame([LEFT]), 3, turned).cast)
    assert cast == [["a"], ["a"], ["a"], ["b"]]


@pytest.mark.parametrize("rule", ["largest", "centre"])
def test_who_is_not_selected_is_filled(rule):
    """Both people are of one size here: the first one found, or the one nearer to the middle."""
    _, pipeline = booth(LEFT, RIGHT - 40)
    outcome = pipeline.process(crowd(LEFT, RIGHT - 40), shot(with_scene(select=rule)))
    image = outcome.ruling.image
    chosen, other = (RIGHT - 40, LEFT) if rule == "centre" else (LEFT, RIGHT - 40)
    assert is_filled(image, other)
    assert not is_filled(image, chosen)


def test_what_the_scene_is_about_does_not_change_hands_in_a_stream():
    """The other one comes a little nearer to the middle."""
    eyes, pipeline = booth(LEFT + 40, RIGHT)
    scene = with_scene(select="centre")
    played(pipeline.process(crowd(LEFT + 40, RIGHT), stream(0, scene)))
    eyes.places = (LEFT, RIGHT)
    outcome = pipeline.process(crowd(LEFT, RIGHT), stream(100, scene))
    assert played(outcome) == {LEFT: "actor", RIGHT: ""}


@pytest.mark.parametrize("step_px", [3, 12, 25, 31, 45])
def test_a_steadied_paste_covers_a_head_that_moves_fast(step_px):
    """To and fro, up to half a face a frame: each frame is swapped, nothing of it shows."""
    eyes, pipeline = booth(LEFT)
    core = template("arcface_112", 112)
    places = [*range(0, 240, step_px), *range(240, 0, -step_px)]
    for number, at in enumerate(places):
        eyes.places = (at,)
        raw = crowd(at)
        outcome = pipeline.process(raw, stream(number * 33))
        assert isinstance(outcome.ruling, Passed)
        note = next(n for n in outcome.faces if n.box_px[0] == round(float(box(at)[0])))
        if note.action == "swapped":  # a fill of the place before may reach it
            matrix = similarity(landmarks(at), core)
            assert untouched_share(align(raw, matrix), align(outcome.ruling.image, matrix)) == 0
        assert outcome.guard.refilled == 0
        outcome.buffer.release()


def test_steadied_landmarks_are_for_the_paste_alone():
    """Boxes to fill and crops for the guard are where the face was seen."""
    eyes, pipeline = booth(LEFT)
    for number, at in enumerate((0, 6, 12, 9)):
        eyes.places = (at,)
        seen = look(pipeline, crowd(at), number)
        (region,) = seen.regions
        face = region.face
        assert np.array_equal(face.landmarks, landmarks(at))
        assert np.allclose(region.to_crop, similarity(landmarks(at), template("arcface_112", 112)))
        off = np.linalg.norm(face.pasted_by - face.landmarks, axis=1).max()
        assert off <= OFF_AT_MOST * np.sqrt(92 * 120) * 1.001
    assert off > 0


def test_shots_and_scenes_that_do_not_want_it_are_not_steadied():
    """A still picture has no frame before it."""
    _, pipeline = booth(LEFT)
    assert (
        look(pipeline, crowd(LEFT), 0, with_scene(smoothing=False)).regions[0].face.steadied is None
    )
    _, pipeline = booth(LEFT)
    assert look(pipeline, crowd(LEFT), None).regions[0].face.steadied is None


def look(pipeline: Pipeline, image, number, scene: Scene = HIDE):
    """What the pipeline makes of the faces of a frame, before it works on them."""
    from edged.pipeline.parts import Watch
    from edged.runtime.session import Meter
    from edged.stages.easel import HostPicture

    job = shot(scene) if number is None else stream(number * 100, scene)
    return pipeline._who(HostPicture(image), job, image.shape, Watch(Meter()))
