"""Picture graphs on a CPU: the same pixels as OpenCV's resize, warp and our own paste."""

from __future__ import annotations

import platform
from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.runtime.graph.picture import BUCKETS, cropper, paster, sampler
from edged.stages.align import crops
from edged.stages.paste import oval_mask, paste
from edged.stages.search import fit
from edged.stages.taps import Axis, crop_table, paste_tables, resize_taps

MOST_LEVELS = 1
"""Builds of OpenCV that leave its plain C++ (vendor code on ARM) may round otherwise; on
x86-64 the difference is 0, as the last test says."""

SIDE = 64
MASK = oval_mask("arcface_128", SIDE)


@cache
def session(kind, *args, **more):
    build = {"sample": sampler, "crop": cropper, "paste": paster}[kind]
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(
        build(*args, **more).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def extent(image):
    return np.array(image.shape[:2], np.int32)


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def levels(one, other):
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other).max(initial=0))


def face(scale, angle, x, y, side=SIDE):
    """Frame -> crop: the crop's middle lies at (x, y), `scale` crop px a frame px."""
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    turn = np.array([[a, -b], [b, a]])
    return np.c_[turn, side / 2 - turn @ [x, y]]


FACES = st.builds(
    face,
    st.floats(0.05, 20),
    st.floats(-np.pi, np.pi),
    st.floats(-400, 700),
    st.floats(-400, 700),
)
SIZES = st.tuples(st.integers(20, 300), st.integers(20, 300))


def sampled(image, side, turn, canvas):
    """What a detector gets: fitted to a square, turned, black beyond."""
    height, width = fit(image, side)[0].shape[:2]
    rows = resize_taps(Axis(image.shape[0], height), canvas, down=True, reverse=turn in (2, 3))
    cols = resize_taps(Axis(image.shape[1], width), canvas, down=False, reverse=turn in (1, 2))
    feeds = {"frame": image, "rows": rows, "cols": cols}
    return session("sample", turned=turn % 2 == 1).run(None, feeds)[0][0]


def by_hand(image, side, turn, canvas):
    turned = np.rot90(fit(image, side)[0], turn)
    out = np.zeros((canvas, canvas, 3), np.uint8)
    out[: turned.shape[0], : turned.shape[1]] = turned
    return out


@given(SIZES, st.integers(32, 128), st.integers(0, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_letterboxed_picture_is_the_hosts(size, side, turn, seed):
    """Enlarged or reduced, in four turns, black beyond the picture."""
    image = noise(*size, seed)
    ours, hosts = sampled(image, side, turn, 128), by_hand(image, side, turn, 128)
    assert levels(ours, hosts) <= MOST_LEVELS


@pytest.mark.parametrize("shape", [(720, 1280), (1080, 1920), (2160, 3840), (480, 640)])
def test_a_cameras_frame_is_letterboxed_as_on_the_host(shape):
    """The usual sizes, one of which the host takes by nearest neighbour."""
    image = noise(*shape)
    assert levels(sampled(image, 640, 0, 640), by_hand(image, 640, 0, 640)) <= MOST_LEVELS


@given(SIZES, st.lists(FACES, min_size=1, max_size=8), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_crops_are_the_hosts(size, faces, seed):
    """Any turn and scale, partly or wholly outside the frame."""
    image = noise(*size, seed)
    table = crop_table(faces, SIDE, len(faces))
    feeds = {"frame": image, "extent": extent(image), "lines": table}
    ours = session("crop").run(None, feeds)[0]
    assert levels(ours, crops(image, faces, SIDE)) <= MOST_LEVELS


def test_a_padded_crop_repeats_the_last_face():
    """Buckets are filled with a face that is there, so that checks mean something."""
    image, one = noise(90, 120), face(0.8, 0.3, 60, 40)
    feeds = {"frame": image, "extent": extent(image), "lines": crop_table([one], SIDE, 4)}
    ours = session("crop").run(None, feeds)[0]
    assert all(np.array_equal(crop, ours[0]) for crop in ours)


def pasted(image, faces, pieces):
    count = next(b for b in BUCKETS if b >= len(faces))
    rows, cols, rects = paste_tables(faces, MASK, image.shape, count)
    padded = np.full((count, SIDE, SIDE, 3), 255, np.uint8)
    padded[: len(faces)] = pieces
    feeds = {
        "frame": image, "extent": np.array([*image.shape[:2], SIDE], np.int32),
        "crops": padded, "alpha": MASK.alpha, "rows": rows, "cols": cols,
    }  # fmt: skip
    return session("paste", count).run(None, feeds)[0], rects


@given(SIZES, st.lists(FACES, max_size=8), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_paste_is_the_hosts(size, faces, seed):
    """Up to eight faces, over one another, partly or wholly outside, in their order."""
    image, pieces = noise(*size, seed), noise(len(faces) * SIDE, SIDE, seed + 1)
    pieces = pieces.reshape(len(faces), SIDE, SIDE, 3)
    ours, rects = pasted(image, faces, pieces)
    hosts = image.copy()
    assert rects == [paste(hosts, p, m, MASK) for p, m in zip(pieces, faces, strict=True)]
    # A level that differs under one face may be blended again under the next.
    assert levels(ours, hosts) <= MOST_LEVELS


def test_padding_pastes_nothing():
    """Three faces in a bucket of four: the fourth, a white one, is nowhere."""
    image = np.zeros((200, 300, 3), np.uint8)
    faces = [face(1, 0, x, 100) for x in (50, 150, 250)]
    ours, _ = pasted(image, faces, np.zeros((3, SIDE, SIDE, 3), np.uint8))
    assert not ours.any()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="OpenCV runs vendor code there")
def test_on_a_pc_nothing_differs_at_all():
    """Crops, pastes and letterboxes equal OpenCV's to the byte."""
    image, faces = noise(300, 400), [face(0.7, 0.4, 180, 130), face(1.3, -2, 240, 160)]
    table = crop_table(faces, SIDE, 2)
    feeds = {"frame": image, "extent": extent(image), "lines": table}
    assert levels(session("crop").run(None, feeds)[0], crops(image, faces, SIDE)) == 0
    pieces = noise(2 * SIDE, SIDE, 1).reshape(2, SIDE, SIDE, 3)
    hosts = image.copy()
    for piece, matrix in zip(pieces, faces, strict=True):
        paste(hosts, piece, matrix, MASK)
    assert levels(pasted(image, faces, pieces)[0], hosts) == 0
    for picture in (image, noise(90, 101), noise(31, 20)):  # made smaller, and larger
        assert levels(sampled(picture, 128, 0, 128), by_hand(picture, 128, 0, 128)) == 0
