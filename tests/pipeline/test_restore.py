"""Restoring in the pipeline: which faces, whose turn, and what the result says of it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces_kit import stranger
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
    make,
    poster,
    shot,
    stream,
    with_scene,
)

from edged.privacy.guard import Passed
from edged.scene import Scene
from edged.stages.kept import FORGET_FRAMES
from edged.stages.paste import oval_mask
from edged.transport.wire import ConsentEntry

BOTH = found(LEFT, RIGHT)


class Sharpener(Restorer):
    """Changes what it is given, and remembers how hard it was asked to."""

    def __init__(self):
        super().__init__()
        self.strengths = []

    def __call__(self, crops, strength):
        self.strengths.append(strength)
        super().__call__(crops, strength)
        return np.clip(crops.astype(int) + 12, 0, 255).astype(np.uint8)


def restoring(eyes, scene, jobs, **parts):
    """Outcomes of a pipeline with a restorer, and the restorer."""
    restorer = Sharpener()
    pipeline, _ = make(eyes, restorer=restorer, **parts)
    return [pipeline.process(frame(), job) for job in jobs(scene)], restorer


def shots(scene):
    return [shot(scene)]


def test_small_faces_are_left_as_the_swapper_made_them():
    """Their swap is not enlarged; the result says that nothing was restored."""
    small = box(LEFT)
    small[2] = small[0] + 70
    eyes = Eyes(found(LEFT, RIGHT, boxes=[small, box(RIGHT)]))
    (outcome,), restorer = restoring(eyes, with_scene(restore=True), shots)
    assert isinstance(outcome.ruling, Passed)
    assert restorer.crops == 1
    by_place = sorted(outcome.faces, key=lambda note: note.box_px)
    assert [note.restored for note in by_place] == [0.0, 0.8]
    assert sorted(touch.kind for touch in outcome.touches) == ["anew", "small"]


def test_only_small_faces_need_no_network():
    """Nor a measure."""
    scene = with_scene(restore=True, restore_min_face_px=200)
    (outcome,), restorer = restoring(Eyes(BOTH), scene, shots)
    assert restorer.crops == 0
    assert {touch.kind for touch in outcome.touches} == {"small"}


@pytest.mark.parametrize("scene", [{"restore": False}, {"restore": True, "restore_strength": 0.0}])
def test_a_scene_that_asks_for_nothing_costs_nothing(scene):
    """Neither the network nor a word in the result."""
    (outcome,), restorer = restoring(Eyes(BOTH), with_scene(**scene), shots)
    assert restorer.crops == 0
    assert all(note.restored == 0 and note.identity_drift is None for note in outcome.faces)
    assert outcome.touches == ()


def test_the_drift_of_each_face_is_in_the_result():
    """By the guard's recogniser; without a bound it is not measured."""
    (outcome,), _ = restoring(Eyes(BOTH), with_scene(restore=True), shots)
    assert [note.identity_drift for note in outcome.faces] == [0.0, 0.0]
    scene = with_scene(restore=True, max_identity_drift=0)
    (outcome,), _ = restoring(Eyes(BOTH), scene, shots)
    assert [note.identity_drift for note in outcome.faces] == [None, None]


class Moody(Recogniser):
    """Takes a face for another person once it was brightened."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __call__(self, crops):
        vectors = super().__call__(crops)
        for row, crop in enumerate(crops):
            level = crop[30:90, 30:80].mean()
            if any(2 < level - before < 13 for before in self.seen):
                vectors[row] = np.eye(3, dtype=np.float32)[2]
            elif vectors[row][1]:  # the stranger that the swapper makes
                self.seen.append(level)
        return vectors


def test_a_restorer_that_makes_somebody_else_is_taken_back():
    """The swap stays as it was, the result and the counts say so."""
    (outcome,), restorer = restoring(
        Eyes(BOTH), with_scene(restore=True), shots, recogniser=Moody()
    )
    assert isinstance(outcome.ruling, Passed)
    assert restorer.crops == 2
    assert [(t.strength, t.eased) for t in outcome.touches] == [(0.0, True)] * 2
    plain, _ = restoring(Eyes(BOTH), with_scene(restore=False), shots)
    assert np.array_equal(outcome.ruling.image, plain[0].ruling.image)


class Fine(Swapper):
    """Swaps at 512 px, with grain that no smaller crop holds."""

    size_px = 512

    def __init__(self):
        grain = np.random.default_rng(0).integers(-8, 9, (512, 512, 3))
        made = cv2.resize(stranger(), (512, 512)).astype(int) + grain
        super().__init__(lambda _target: np.clip(made, 0, 255))


class Small(Restorer):
    """Restores crops of 64 px and changes none."""

    size_px = 64


def test_a_face_finer_than_the_restorer_s_crops_is_not_softened():
    """A restorer that adds nothing changes nothing, however coarse its crops are."""
    pictures = []
    for restorer in (Small(), None):
        pipeline, _ = make(Eyes(BOTH), swapper=Fine(), restorer=restorer)
        studio = pipeline._studio
        mask = oval_mask("ffhq_512", 64)
        pipeline._studio = replace(studio, stages=replace(studio.stages, restore_mask=mask))
        outcome = pipeline.process(frame(), shot(with_scene(restore=True, max_identity_drift=0)))
        assert isinstance(outcome.ruling, Passed)
        pictures.append(outcome.ruling.image)
    assert np.array_equal(*pictures)


def frames(count, whole=()):
    """Jobs of a stream; some are published."""
    return lambda scene: [stream(100 * n, scene, whole=n in whole) for n in range(count)]


def test_faces_of_a_stream_take_turns():
    """Two faces, every second frame: one restoration a frame, after one frame to begin."""
    scene = with_scene(restore=True, restore_every_n=2)
    outcomes, restorer = restoring(Eyes(BOTH), scene, frames(6))
    kinds = [sorted(touch.kind for touch in outcome.touches) for outcome in outcomes]
    assert kinds == [["anew", "waiting"]] + [["anew", "kept"]] * 5
    assert restorer.crops == 6


def test_a_kept_detail_is_in_the_picture():
    """The frame between shows what the restored one shows, where nothing moved."""
    scene = with_scene(restore=True, restore_every_n=4)
    (first, second), _ = restoring(Eyes(found(LEFT)), scene, frames(2))
    assert second.touches[0].kind == "kept"
    assert np.abs(second.ruling.image.astype(int) - first.ruling.image).max() <= 1
    (plain, *_), _ = restoring(Eyes(found(LEFT)), with_scene(restore=False), frames(1))
    assert np.abs(second.ruling.image.astype(int) - plain.ruling.image).max() >= 8


def test_a_published_frame_restores_everybody():
    """Whoever's turn it is."""
    scene = with_scene(restore=True, restore_every_n=4)
    outcomes, _ = restoring(Eyes(BOTH), scene, frames(3, whole=(2,)))
    assert [touch.kind for touch in outcomes[2].touches] == ["anew", "anew"]


def test_who_is_gone_is_forgotten_also_by_a_camera_that_sees_nobody():
    """Details are pictures of faces: they do not wait in memory for the next visitor."""
    eyes = Eyes(found(LEFT))
    pipeline, _ = make(eyes, restorer=Sharpener())
    scene = with_scene(restore=True, restore_every_n=4)
    assert pipeline.process(frame(), stream(0, scene)).touches[0].kind == "anew"
    assert pipeline._details["booth"].bytes
    eyes.answers = [found()]
    for number in range(1, FORGET_FRAMES + 2):
        pipeline.process(frame([]), stream(100_000 * number, scene))
    assert not pipeline._details["booth"].bytes


def test_cameras_do_not_share_details():
    """The first frame of another camera begins anew."""
    scene = with_scene(restore=True, restore_every_n=4)
    restorer = Sharpener()
    pipeline, _ = make(Eyes(found(LEFT)), restorer=restorer)
    pipeline.process(frame(), stream(0, scene))
    other = pipeline.process(frame(), replace(stream(0, scene), camera="other"))
    assert other.touches[0].kind == "anew"


def test_portraits_say_how_far_their_slots_drifted():
    """Template faces are restored and measured alike."""
    scene = Scene(mode="portrait", restore=True)
    pipeline, _ = make(Eyes(BOTH), restorer=Sharpener(), templates={"scene": poster()})
    consents = (ConsentEntry("a"), ConsentEntry("b"))
    outcome = pipeline.process(frame(), shot(scene, consents=consents))
    assert [note.action for note in outcome.faces] == ["slot", "slot"]
    assert all(note.restored == 0.8 for note in outcome.faces)
    assert all(note.identity_drift is not None for note in outcome.faces)
