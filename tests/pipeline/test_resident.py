"""The pipeline on a device: the host's pictures, verdicts and notes, by other means."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from faces_kit import ATTACKS as PLAIN_ATTACKS
from faces_kit import E2, stranger
from pipeline_kit import (
    LEFT,
    RIGHT,
    Eyes,
    Recogniser,
    found,
    frame,
    is_filled,
    make,
    poster,
    shot,
    stream,
    with_scene,
)
from resident_kit import bench, scripted

from edged.measure.attacks import ATTACKS
from edged.privacy.guard import Passed, Refused
from edged.scene import Scene
from edged.stages.easel import HostPicture
from edged.stages.embed import SIZE_PX, Embedder
from edged.stages.identity import VectorSource
from edged.stages.resident import easel_on
from edged.stages.restore import Restorer
from edged.stages.retouch import MEASURE_EVERY
from edged.stages.swap import Swapper
from edged.verdicts import Reason

BOTH = found(LEFT, RIGHT)
RESTORED = with_scene(restore=True, restore_strength=0.5)
PORTRAIT = Scene(mode="portrait", restore=True)


@cache
def device():
    """Picture graphs are the same for all tests, and masks are uploaded once."""
    return bench()


def crops(side):
    return (None, side, side, 3), np.uint8


def swapper(change=lambda _crop: stranger(), own_mask=None):
    """The real stage over a network that makes the stranger, or what a test says."""
    inputs = {"crops": crops(128), "latents": ((None, 3), np.float32)}
    outputs = {"swapped": crops(128), "checks": ((None,), np.float32)}
    if own_mask is not None:
        outputs["masks"] = ((None, 128, 128), np.uint8)

    def answer(feeds):
        made = [np.asarray(change(c), np.uint8) for c in feeds["crops"]]
        out = [np.stack(made), np.zeros(len(made), np.float32)]
        return out if own_mask is None else [*out, np.stack([own_mask] * len(made))]

    source = VectorSource("swapper", 3, np.eye(3, dtype=np.float32))
    return Swapper(scripted("swapper", inputs, outputs, answer), source)


def restorer(check=0.0):
    """The real stage over a network that darkens by the strength."""
    inputs = {"crops": crops(512), "strength": ((1,), np.float32)}
    outputs = {"restored": crops(512), "checks": ((None,), np.float32)}

    def answer(feeds):
        made = feeds["crops"] - (feeds["crops"] * (feeds["strength"] / 8)).astype(np.uint8)
        return [made, np.full(len(made), check, np.float32)]

    return Restorer(scripted("restorer", inputs, outputs, answer))


def recogniser(known=None):
    """The real stage over the kit's recogniser."""
    known = known or Recogniser()
    inputs, outputs = {"crops": crops(112)}, {"embeddings": ((None, 3), np.float32)}
    return Embedder(scripted("recogniser", inputs, outputs, lambda f: [known(f["crops"])]))


class Unlike(Recogniser):
    """Takes every face of the output for nobody's."""

    def __call__(self, crops):
        known = super().__call__(crops)
        bright = np.array([c.mean() > 96 for c in crops], bool)
        return np.where(bright[:, None], known, E2) if len(known) else known


def on_both(job, *, people=(LEFT, RIGHT), eyes=BOTH, make_parts=dict, templates=None):
    """What host and device make of a frame, each with eyes and networks of its own."""
    outcomes = []
    for easel in (HostPicture, easel_on(device()[0])):
        parts = {"swapper": swapper(), "recogniser": recogniser(), **make_parts()}
        pipeline, _ = make(Eyes(eyes), easel=easel, templates=templates, **parts)
        outcomes.append(pipeline.process(frame(people), job))
    return outcomes


def assert_alike(here, there):
    """Ruling, notes and, where it passed, the picture."""
    assert type(here.ruling) is type(there.ruling)
    assert here.faces == there.faces
    assert here.guard == there.guard
    if isinstance(here.ruling, Refused):
        assert here.ruling == there.ruling
        assert there.buffer is None
    else:
        difference = np.abs(here.ruling.image.astype(int) - there.ruling.image)
        assert difference.max() <= 2, "one level a paste"


@pytest.mark.parametrize("people", [(LEFT, RIGHT), (RIGHT,), ()])
@pytest.mark.parametrize("scene", [with_scene(), RESTORED, with_scene(allow_empty=True)])
def test_a_disguise_is_the_same(people, scene):
    """Two people, one or none; restored or not."""
    here, there = on_both(
        shot(scene), people=people, eyes=found(*people), make_parts=lambda: {"restorer": restorer()}
    )
    assert_alike(here, there)
    if people:
        assert isinstance(there.ruling, Passed)
        assert {note.action for note in there.faces} == {"swapped"}


def test_a_boosted_disguise_is_the_same():
    """The frame stays on the device, its boosted crops go by way of host memory."""
    here, there = on_both(shot(with_scene(pixel_boost_px=256)))
    plain, _ = on_both(shot(with_scene()))
    assert_alike(here, there)
    assert isinstance(there.ruling, Passed)
    assert (here.ruling.image != plain.ruling.image).any()


def test_the_swapper_s_own_mask_is_the_same():
    """What it keeps of the frame is the frame to the bit, on host and device."""
    mask = np.zeros((128, 128), np.uint8)
    mask[40:] = 255
    here, there = on_both(
        shot(),
        people=[LEFT],
        eyes=found(LEFT),
        make_parts=lambda: {"swapper": swapper(own_mask=mask)},
    )
    assert_alike(here, there)
    assert isinstance(there.ruling, Passed)
    changed = (here.ruling.image != frame([LEFT])).any(axis=2)
    whole, _ = on_both(shot(), people=[LEFT], eyes=found(LEFT))
    everything = (whole.ruling.image != frame([LEFT])).any(axis=2)
    assert not (changed & ~everything).any()
    assert np.argmax(changed.any(axis=1)) > np.argmax(everything.any(axis=1)), "the brow is kept"


def test_a_stream_frame_is_the_same():
    """Tracks and fills are the pipeline's own."""
    assert_alike(*on_both(stream(1000, RESTORED), make_parts=lambda: {"restorer": restorer()}))


def test_a_portrait_is_the_same():
    """The template is put up like a frame; its slots' crops come from host memory."""
    here, there = on_both(
        shot(PORTRAIT, consents=("c1", "c2")),
        make_parts=lambda: {"restorer": restorer(), "recogniser": recogniser(Unlike())},
        templates={"scene": poster()},
    )
    assert_alike(here, there)
    assert isinstance(there.ruling, Passed)


@pytest.mark.parametrize("attack", [*ATTACKS, *PLAIN_ATTACKS])
def test_the_guard_judges_what_came_down(attack):
    """A swapper that leaves the face to be recognised: filled, as on the host."""
    change = {**PLAIN_ATTACKS, **ATTACKS}[attack]
    here, there = on_both(
        shot(), people=[LEFT], eyes=found(LEFT), make_parts=lambda: {"swapper": swapper(change)}
    )
    assert_alike(here, there)
    assert isinstance(there.ruling, Refused) or is_filled(there.ruling.image, LEFT)


@pytest.mark.parametrize("check", [np.inf, -np.inf, np.nan])
def test_an_overflow_in_the_restorer_lets_nothing_out(check):
    """Its bytes look well; the check says what they hide."""
    here, there = on_both(shot(RESTORED), make_parts=lambda: {"restorer": restorer(check)})
    assert there.ruling == here.ruling == Refused(Reason.PIPELINE_ERROR)
    assert there.buffer is None


def test_a_frame_goes_up_once_and_comes_down_once():
    """Swapped and restored; beside it only what is small, and the guard's own looks."""
    easel, traffic = easel_on(device()[0]), device()[1]
    image = frame()
    parts = {"swapper": swapper(), "recogniser": recogniser(), "restorer": restorer()}
    pipeline, _ = make(Eyes(BOTH), easel=easel, **parts)
    scene = with_scene(restore=True, restore_strength=0.5, max_identity_drift=0)
    assert isinstance(pipeline.process(image, shot(scene)).ruling, Passed)
    traffic.up.clear()
    traffic.down.clear()
    assert isinstance(pipeline.process(image, shot(scene)).ruling, Passed)
    assert traffic.up == [image.shape], "masks went up before"
    assert traffic.down.count(image.shape) == 1
    rest = [shape for shape in traffic.down if shape != image.shape]
    assert rest == [(2, SIZE_PX, SIZE_PX, 3)], "the guard's crops of the input"


def test_restored_crops_of_a_stream_come_down_to_be_measured_now_and_then():
    """For the bound on identity drift; in the frames between they stay on the device."""
    easel, traffic = easel_on(device()[0]), device()[1]
    parts = {"swapper": swapper(), "recogniser": recogniser(), "restorer": restorer()}
    pipeline, _ = make(Eyes(BOTH), easel=easel, **parts)
    came_down = []
    for number in range(2 * MEASURE_EVERY):
        traffic.down.clear()
        outcome = pipeline.process(frame(), stream(100 * number, RESTORED))
        assert isinstance(outcome.ruling, Passed)
        assert all(note.identity_drift is not None for note in outcome.faces)
        came_down.append((2, 512, 512, 3) in traffic.down)
    assert came_down == ([True] + [False] * (MEASURE_EVERY - 1)) * 2


def test_kept_details_are_the_host_s_own():
    """A scene that restores now and then shows the same pictures on both."""
    scene = with_scene(restore=True, restore_strength=0.5, restore_every_n=3)
    easel = easel_on(device()[0])
    pair = []
    for where in (HostPicture, easel):
        parts = {"swapper": swapper(), "recogniser": recogniser(), "restorer": restorer()}
        pair.append(make(Eyes(BOTH), easel=where, **parts)[0])
    for number in range(5):
        here, there = (one.process(frame(), stream(100 * number, scene)) for one in pair)
        assert_alike(here, there)


class Stale:
    """Downloads the frame of before instead of what was made of it."""

    def __init__(self, session, image):
        self._session, self._image = session, image

    def __getattr__(self, name):
        return getattr(self._session, name)

    def download(self, array, into=None):
        """As a device might that forgot to wait."""
        if into is None:
            return self._session.download(array)
        np.copyto(into, self._image)
        return into


def test_a_bad_download_does_not_pass():
    """The guard looks at the bytes that would leave, not at what the device meant."""
    image = frame([LEFT])
    bench = replace(device()[0], sampler=Stale(device()[0].sampler, image))
    parts = {"swapper": swapper(), "recogniser": recogniser()}
    pipeline, _ = make(Eyes(found(LEFT)), easel=easel_on(bench), **parts)
    outcome = pipeline.process(image, shot())
    assert isinstance(outcome.ruling, Refused) or is_filled(outcome.ruling.image, LEFT)
