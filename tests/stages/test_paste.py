"""Pasting: exact rounding, only inside the rectangle, faces off the frame, any scale."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edged.geometry import invert
from edged.stages.paste import (
    DETAIL_ZERO,
    Mask,
    blend,
    box_mask,
    oval_mask,
    paste,
    paste_detail,
)

SIDE = 32
FULL = Mask.of(np.ones((SIDE, SIDE), np.float32))


def matrix(scale=1.0, angle=0.0, x=0.0, y=0.0):
    """Frame -> crop: the crop's origin lies at (x, y), `scale` crop px a frame px."""
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[a, -b, -a * x + b * y], [b, a, -b * x - a * y]])


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@given(arrays(np.uint8, (6, 7, 3)), arrays(np.uint8, (6, 7, 4)))
def test_blending_rounds_like_real_numbers(region, layers):
    """Each pixel is region + (colour - region) * alpha / 255, rounded once."""
    alpha = layers[..., 3:].astype(np.float64) / 255
    exact = region + (layers[..., :3].astype(np.float64) - region) * alpha
    blend(region, layers)
    assert np.array_equal(region, np.rint(exact))


def test_every_grey_level_and_alpha_rounds_right():
    """All 256 x 256 pairs of difference and alpha, upwards and downwards."""
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    layers = np.stack([colour, colour, colour, alpha], axis=-1).astype(np.uint8)
    for ground in (0, 77, 255):
        region = np.full((256, 256, 3), ground, np.uint8)
        blend(region, layers)
        exact = ground + (colour - ground) * (alpha / 255)
        assert np.array_equal(region[..., 0], np.rint(exact))


def test_blending_into_a_part_of_a_frame_writes_the_frame():
    """The region is a view; its neighbours stay."""
    frame = np.zeros((9, 9, 3), np.uint8)
    blend(frame[2:5, 3:7], np.full((3, 4, 4), 255, np.uint8))
    assert (frame[2:5, 3:7] == 255).all()
    assert frame.sum() == 255 * 3 * 4 * 3


@given(
    st.floats(0.02, 30),
    st.floats(-np.pi, np.pi),
    st.floats(-150, 250),
    st.floats(-150, 250),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_only_the_rectangle_is_touched(scale, angle, x, y, seed):
    """Partly or wholly off the frame, tiny or huge: outside its rectangle nothing changes."""
    frame = noise(90, 120, 3, seed=seed)
    before = frame.copy()
    x1, y1, x2, y2 = paste(frame, noise(SIDE, SIDE, 3, seed=1), matrix(scale, angle, x, y), FULL)
    assert 0 <= x1 <= x2 <= 120
    assert 0 <= y1 <= y2 <= 90
    changed = (frame != before).any(axis=2)
    changed[y1:y2, x1:x2] = False
    assert not changed.any()


@given(st.floats(0.3, 4), st.floats(-np.pi, np.pi), st.floats(-20, 110), st.floats(-20, 80))
@settings(max_examples=80, deadline=None)
def test_a_paste_equals_a_warp_of_the_whole_frame(scale, angle, x, y):
    """The rectangle is a matter of speed: a full-frame blend gives the same pixels."""
    crop, frame = noise(SIDE, SIDE, 3, seed=2), noise(90, 120, 3, seed=3)
    to_crop, mask = matrix(scale, angle, x, y), oval_mask("arcface_128", SIDE)
    whole = frame.copy()
    layers = cv2.warpAffine(
        cv2.merge([crop, mask.alpha]), invert(to_crop), (120, 90), flags=cv2.INTER_LINEAR
    )
    blend(whole, np.asarray(layers, np.uint8))
    paste(frame, crop, to_crop, mask)
    # OpenCV rounds sampling points to 1/32 px, and a shifted origin moves that grid.
    difference = np.abs(whole.astype(int) - frame)
    assert (difference > 24).mean() < 0.002
    assert not difference[mask_free(layers)].any()


def mask_free(layers):
    """Pixels that are two away from everything that the mask reaches."""
    return cv2.dilate(layers[..., 3], np.ones((5, 5), np.uint8)) == 0


def test_a_crop_at_its_own_scale_is_copied():
    """No turn, no scale, whole pixels: the crop's inside is in the frame, to the byte."""
    frame, crop = noise(90, 120, 3), noise(SIDE, SIDE, 3, seed=1)
    paste(frame, crop, matrix(x=40, y=20), FULL)
    assert np.array_equal(frame[21:51, 41:71], crop[1:-1, 1:-1])


@pytest.mark.parametrize(("x", "y"), [(-500, 10), (10, -500), (500, 10), (10, 500), (1e9, 1e9)])
def test_a_face_off_the_frame_touches_nothing(x, y):
    """The rectangle is empty and the frame as it was."""
    frame = noise(90, 120, 3)
    before = frame.copy()
    x1, y1, x2, y2 = paste(frame, noise(SIDE, SIDE, 3), matrix(x=x, y=y), FULL)
    assert x1 == x2
    assert y1 == y2
    assert np.array_equal(frame, before)


def test_a_face_of_many_frames_covers_the_frame():
    """Only the frame's part is made, however large the face is."""
    frame = np.zeros((90, 120, 3), np.uint8)
    crop = np.full((SIDE, SIDE, 3), 200, np.uint8)
    rect = paste(frame, crop, matrix(scale=0.001, x=-15000, y=-15000), FULL)
    assert rect == (0, 0, 120, 90)
    assert (frame == 200).all()


def test_a_matrix_without_an_inverse_is_an_error():
    """It is not pasted somewhere by chance."""
    with pytest.raises(ZeroDivisionError):
        paste(noise(9, 9, 3), noise(SIDE, SIDE, 3), np.zeros((2, 3)), FULL)


def test_a_mask_ends_before_the_crop_does():
    """Its border is 0, so that no crop has a hard edge; its corners hold all of it."""
    assert not FULL.alpha[[0, -1]].any()
    assert not FULL.alpha[:, [0, -1]].any()
    assert FULL.corners.min() == 0
    assert FULL.corners.max() == SIDE - 1
    ys, xs = np.nonzero(FULL.alpha)
    assert xs.min() > FULL.corners[:, 0].min()
    assert ys.max() < FULL.corners[:, 1].max()


@pytest.mark.parametrize(
    ("name", "size"), [("arcface_112", 112), ("arcface_128", 128), ("ffhq_512", 512)]
)
def test_the_oval_covers_the_face(name, size):
    """Eyes, nose and mouth are wholly the crop's."""
    from edged.geometry import template

    mask = oval_mask(name, size)
    for x, y in np.rint(template(name, size)).astype(int):
        assert mask.alpha[y, x] == 255


@pytest.mark.parametrize("gain", [-30, 0, 20])
def test_a_detail_is_added_to_a_finer_picture(gain):
    """What a crop of a quarter of its fineness cannot hold stays; what was added is added."""
    picture = np.random.default_rng(3).integers(60, 190, (200, 200, 3), np.uint8)
    to_crop = np.array([[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]])
    detail = np.full((50, 50, 3), DETAIL_ZERO + gain, np.uint8)
    weights = np.zeros((50, 50), np.float32)
    weights[10:40, 10:40] = 1
    added = picture.copy()
    rect = paste_detail(added, detail, to_crop, Mask.of(weights))
    change = added.astype(int) - picture
    assert (change[48:148, 48:148] == gain).all()
    assert not change[:34].any()
    x1, y1, x2, y2 = rect
    outside = np.ones(change.shape, bool)
    outside[y1:y2, x1:x2] = False
    assert not change[outside].any()


def test_a_detail_outside_the_frame_is_added_nowhere():
    """As with a paste."""
    picture = np.full((40, 40, 3), 9, np.uint8)
    rect = paste_detail(
        picture, np.full((8, 8, 3), 200, np.uint8), np.array([[1.0, 0, -90], [0, 1.0, -90]]),
        Mask.of(np.ones((8, 8), np.float32)),
    )  # fmt: skip
    assert rect[0] == rect[2] or rect[1] == rect[3]
    assert (picture == 9).all()


@pytest.mark.parametrize("side", [64, 128, 256, 512])
def test_a_box_is_all_of_the_crop_with_a_rim_that_fades(side):
    """Whole in the middle, nothing at the border, alike on all sides, made once."""
    alpha = box_mask(side).alpha
    assert box_mask(side) is box_mask(side)
    inner = side // 6
    assert (alpha[inner:-inner, inner:-inner] == 255).all()
    assert not alpha[[0, -1]].any()
    assert not alpha[:, [0, -1]].any()
    assert np.array_equal(alpha, alpha.T)
    assert np.array_equal(alpha, alpha[::-1])
    rise = np.diff(alpha[side // 2, : side // 2].astype(int))
    assert (rise >= 0).all()
    assert rise.max() <= 1 + 1.6 * 255 * 7 / side, "no step that shows as a line"
