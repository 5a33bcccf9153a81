"""What a scene keeps of a face: real crops, pastes and guard, scripted networks."""

from __future__ import annotations

import numpy as np
import pytest
from faces_kit import align, stranger
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_kit import (
    BOUNDS,
    LEFT,
    RIGHT,
    Eyes,
    Restorer,
    Swapper,
    box,
    found,
    frame,
    is_filled,
    landmarks,
    make,
    poster,
    shot,
    with_scene,
)

from edged.geometry import similarity, template
from edged.privacy.guard import Passed
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.scene import MaskSettings, Scene
from edged.stages.segment import SOFT_PX


class Occluder:
    """Says of every face what a test says, in soft masks; counts."""

    template_name, size_px = "arcface_128", 256

    def __init__(self, *masks):
        self.masks, self.runs, self.seen = masks, 0, None

    def __call__(self, crops):
        self.runs += 1
        self.seen = crops
        return np.stack([self.masks[i % len(self.masks)] for i in range(len(crops))])


class Parser:
    """Labels every pixel as a test says."""

    template_name, size_px = "ffhq_512", 512

    def __init__(self, labels):
        self.labels = labels

    def __call__(self, crops):
        return np.repeat(self.labels[None], len(crops), axis=0)


ALL = np.full((SOFT_PX, SOFT_PX), 255, np.uint8)
NOTHING = np.zeros_like(ALL)


def keep(**changes):
    return with_scene(mask=MaskSettings(**changes))


def half(rows):
    """Occluded in some rows of the crop."""
    mask = ALL.copy()
    mask[rows] = 0
    return mask


EYES_KEPT, CHIN_KEPT = half(slice(35, 70)), half(slice(100, 128))


def one(occluder, scene=None, **more):
    """A shot of one person, and what became of it."""
    pipeline, _ = make(Eyes(found(LEFT)), occluder=occluder, **more)
    return pipeline.process(frame([LEFT]), shot(scene or keep(occlusion=True)))


@pytest.mark.parametrize("restore", [False, True])
def test_an_occluder_that_calls_all_occluded_ends_in_a_fill(restore):
    """The whole raw face would stay: the guard sees it and the region is filled."""
    scene = with_scene(mask=MaskSettings(occlusion=True), restore=restore)
    outcome = one(Occluder(NOTHING), scene, restorer=Restorer())
    assert isinstance(outcome.ruling, Passed)
    assert [note.action for note in outcome.faces] == ["filled"]
    assert outcome.guard.refilled == 1
    assert is_filled(outcome.ruling.image, LEFT)


def test_an_occluder_that_keeps_the_eyes_ends_in_a_fill():
    """Who somebody is can be told from the eyes; a mask is not believed."""
    outcome = one(Occluder(EYES_KEPT))
    assert is_filled(outcome.ruling.image, LEFT)


@given(st.lists(st.booleans(), min_size=64, max_size=64), st.booleans())
@settings(max_examples=30, deadline=None)
def test_whatever_an_occluder_says_a_face_is_changed_or_filled(open_cells, keep_mouth):
    """Any pattern of kept and changed cells; held against the frame by the bounds themselves."""
    cells = np.array(open_cells).reshape(8, 8)
    mask = (np.kron(cells, np.ones((SOFT_PX // 8, SOFT_PX // 8))) * 255).astype(np.uint8)
    outcome = one(Occluder(mask), keep(occlusion=True, keep_mouth=keep_mouth))
    assert isinstance(outcome.ruling, Passed)
    (note,) = outcome.faces
    if note.action == "filled":
        assert is_filled(outcome.ruling.image, LEFT)
    else:
        to_crop = similarity(landmarks(LEFT), template("arcface_112", 112))
        before, after = (align(im, to_crop) for im in (frame([LEFT]), outcome.ruling.image))
        assert coarse_correlation(before, after) <= BOUNDS.coarse_max
        assert untouched_share(before, after) <= BOUNDS.untouched_max


def test_what_is_before_a_face_stays_and_the_rest_is_swapped():
    """A microphone before the chin: its pixels are the frame's, bit by bit."""
    outcome = one(Occluder(CHIN_KEPT))
    assert [note.action for note in outcome.faces] == ["swapped"]
    plain, _ = make(Eyes(found(LEFT)))
    swapped = plain.process(frame([LEFT]), shot()).ruling.image
    x, y = landmarks(LEFT)[3:].mean(axis=0).astype(int)
    below = np.s_[y + 18 : y + 26, x - 15 : x + 15]
    assert np.array_equal(outcome.ruling.image[below], frame([LEFT])[below])
    assert not np.array_equal(swapped[below], frame([LEFT])[below])
    nose = np.s_[y - 25 : y - 15, x - 8 : x + 8]
    assert np.array_equal(outcome.ruling.image[nose], swapped[nose])


def test_an_occluder_sees_the_untouched_faces_once_all_together():
    """Crops of the frame, not of what was swapped before; one run for both pastes."""
    occluder = Occluder(ALL)
    pipeline, _ = make(Eyes(found(LEFT, RIGHT)), occluder=occluder, restorer=Restorer())
    scene = with_scene(mask=MaskSettings(occlusion=True), restore=True)
    outcome = pipeline.process(frame(), shot(scene))
    assert occluder.runs == 1
    assert occluder.seen.shape == (2, 256, 256, 3)
    assert np.abs(occluder.seen[0].astype(int) - occluder.seen[1]).mean() < 3
    assert "mask" in outcome.stages_ms


def test_each_face_has_its_own_mask():
    """The one that is all occluded is filled, its neighbour is swapped."""
    pipeline, _ = make(Eyes(found(LEFT, RIGHT)), occluder=Occluder(NOTHING, ALL))
    outcome = pipeline.process(frame(), shot(keep(occlusion=True)))
    by_side = [note.action for note in sorted(outcome.faces, key=lambda n: n.box_px)]
    assert by_side == ["filled", "swapped"]


class Brightener(Restorer):
    """Makes everything lighter."""

    def __call__(self, crops, _strength):
        return np.minimum(crops, 225) + np.uint8(30)


def test_a_restorer_leaves_what_is_kept():
    """It would paint a face onto the hand."""
    scene = with_scene(mask=MaskSettings(occlusion=True), restore=True)
    outcome = one(Occluder(CHIN_KEPT), scene, restorer=Brightener())
    x, y = landmarks(LEFT)[3:].mean(axis=0).astype(int)
    below = np.s_[y + 18 : y + 26, x - 15 : x + 15]
    assert np.array_equal(outcome.ruling.image[below], frame([LEFT])[below])


def dense(_image, faces):
    """68 landmarks of which the lips lie round the five's corners of the mouth."""
    out = []
    for face in faces:
        points = np.zeros((68, 2), np.float32)
        middle, turn = face.landmarks[3:].mean(axis=0), np.linspace(0, 2 * np.pi, 12, False)
        points[48:60] = middle + np.stack([16 * np.cos(turn), 8 * np.sin(turn)], 1)
        out.append(points)
    return out


@pytest.mark.parametrize("by", ["five", "dense", "parser"])
def test_a_kept_mouth_is_the_visitor_s_own(by):
    """By five landmarks, by dense ones or a parser's labels; the face is swapped and passes."""
    labels = np.ones((512, 512), np.uint8)
    labels[350:395, 190:325] = 12
    pipeline, _ = make(
        Eyes(found(LEFT)),
        parser=Parser(labels) if by == "parser" else None,
        vetting={"landmarker": dense if by == "dense" else None},
    )
    outcome = pipeline.process(frame([LEFT]), shot(keep(keep_mouth=True)))
    assert [note.action for note in outcome.faces] == ["swapped"]
    x, y = landmarks(LEFT)[3:].mean(axis=0).astype(int)
    lips = np.s_[y - 2 : y + 3, x - 6 : x + 6]
    assert np.array_equal(outcome.ruling.image[lips], frame([LEFT])[lips])


@pytest.mark.parametrize("change", [lambda c: c, lambda c: 255 - c, lambda c: c[:, ::-1]])
def test_a_kept_mouth_lets_no_unswapped_face_pass(change):
    """Untouched, inverted or mirrored round its own mouth: filled."""
    outcome = one(None, keep(keep_mouth=True), swapper=Swapper(change=change))
    assert is_filled(outcome.ruling.image, LEFT)


def test_only_the_regions_that_a_scene_names_are_changed():
    """Skin and nose by the parser; what it calls hair is the frame's."""
    labels = np.full((512, 512), 1, np.uint8)
    labels[:230] = 17
    pipeline, _ = make(Eyes(found(LEFT)), parser=Parser(labels))
    outcome = pipeline.process(frame([LEFT]), shot(keep(regions=("hair",))))
    assert is_filled(outcome.ruling.image, LEFT)  # the whole lower face would be raw
    labels[180:] = 1
    pipeline, _ = make(Eyes(found(LEFT)), parser=Parser(labels))
    outcome = pipeline.process(frame([LEFT]), shot(keep(regions=("skin",))))
    assert [note.action for note in outcome.faces] == ["swapped"]
    x, y = landmarks(LEFT)[:2].mean(axis=0).astype(int)
    brow = np.s_[y - 34 : y - 26, x - 15 : x + 15]
    assert np.array_equal(outcome.ruling.image[brow], frame([LEFT])[brow])


@pytest.mark.parametrize("shape", ["oval", "box"])
def test_the_outline_is_the_scene_s(shape):
    """A box reaches into the corners of the crop, an oval does not; no network is needed."""
    pipeline, _ = make(Eyes(found(LEFT)))
    scene = keep(shape=shape)
    changed = (pipeline.process(frame([LEFT]), shot(scene)).ruling.image != frame([LEFT])).any(2)
    x1, y1 = (int(v) for v in box(LEFT)[:2])
    beside = changed[y1 : y1 + 20, x1 - 12 : x1 - 2]
    assert beside.mean() > 0.5 if shape == "box" else not beside.any()


def red(_crop):
    """Somebody else under red light."""
    return np.clip(stranger() * np.array([0.7, 0.8, 1.1]), 0, 255)


@pytest.mark.parametrize("rule", ["lab", "histogram"])
def test_a_swap_takes_the_colours_of_its_place(rule):
    """The mean colour of the face comes nearer to the frame's, and it is still swapped."""
    x, y = landmarks(LEFT).mean(axis=0).astype(int)
    inner = np.s_[y - 15 : y + 15, x - 15 : x + 15]
    apart = []
    for colour in ("none", rule):
        pipeline, _ = make(Eyes(found(LEFT)), swapper=Swapper(change=red))
        outcome = pipeline.process(frame([LEFT]), shot(with_scene(colour=colour)))
        assert [note.action for note in outcome.faces] == ["swapped"]
        made = outcome.ruling.image[inner].mean((0, 1)) - frame([LEFT])[inner].mean((0, 1))
        apart.append(np.abs(made).max())
    assert apart[1] < 0.5 * apart[0]


def test_a_portrait_keeps_what_its_template_has_before_a_face():
    """The occluder looks at the template's faces, never at the visitor's."""
    occluder = Occluder(CHIN_KEPT)
    template = poster([LEFT])
    pipeline, _ = make(Eyes(found(LEFT)), occluder=occluder, templates={"scene": template})
    scene = Scene(mode="portrait", restore=False, mask=MaskSettings(occlusion=True), colour="lab")
    outcome = pipeline.process(frame([LEFT]), shot(scene, consents=("ref-1",)))
    assert isinstance(outcome.ruling, Passed)
    x, y = landmarks(LEFT)[3:].mean(axis=0).astype(int)
    below = np.s_[y + 18 : y + 26, x - 15 : x + 15]
    assert np.array_equal(outcome.ruling.image[below], template.image[below])
    assert not np.array_equal(outcome.ruling.image, template.image)
    assert abs(float(occluder.seen.mean()) - float(template.slots[0].target.mean())) < 3
    again = pipeline.process(frame([LEFT]), shot(scene, consents=("ref-2",)))
    assert np.array_equal(again.ruling.image, outcome.ruling.image)
    assert occluder.runs == 1, "a template does not change"


def test_a_scene_that_asks_for_none_of_it_costs_nothing():
    """Networks that are loaded for another scene are not run, and no time is noted."""
    occluder = Occluder(NOTHING)
    pipeline, _ = make(Eyes(found(LEFT)), occluder=occluder)
    outcome = pipeline.process(frame([LEFT]), shot())
    assert occluder.runs == 0
    assert "mask" not in outcome.stages_ms
    assert [note.action for note in outcome.faces] == ["swapped"]
