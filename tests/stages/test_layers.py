"""Masks of single faces: seen in another crop, combined by their minimum, free of cost unused."""

from __future__ import annotations

import cv2
import numpy as np
from faces_kit import ASTRONAUT_POINTS, T1_POINTS, matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from photos import astronaut

from edged.geometry import apply, invert
from edged.stages.align import crops
from edged.stages.easel import HostPicture
from edged.stages.layers import Layer, through
from edged.stages.paste import oval_mask, paste

SWAP, RESTORE = (
    matrix(ASTRONAUT_POINTS, "arcface_128", 128),
    matrix(ASTRONAUT_POINTS, "ffhq_512", 512),
)
OVAL = oval_mask("arcface_128", 128)


def layer(*masks, to_crop=SWAP):
    return Layer(np.stack(masks), [to_crop] * len(masks))


def test_no_layer_leaves_the_mask_itself():
    """The constant case makes nothing."""
    assert through(OVAL, (), 0, SWAP) is OVAL


@given(arrays(np.uint8, (128, 128)), arrays(np.uint8, (128, 128)))
@settings(max_examples=20, deadline=None)
def test_a_pixel_that_one_of_them_keeps_is_kept(one, other):
    """The minimum, level by level; it never lets more through than the mask alone."""
    made = through(OVAL, [layer(one), layer(other)], 0, SWAP)
    assert np.array_equal(made.alpha, np.minimum(np.minimum(OVAL.alpha, one), other))
    assert np.array_equal(made.corners, OVAL.corners)


@given(st.floats(-3, 3), st.floats(0.2, 5), st.floats(-40, 40), st.floats(-40, 40))
@settings(max_examples=50, deadline=None)
def test_a_mask_lies_at_the_same_place_of_the_picture_in_every_crop(turn, scale, dx, dy):
    """A disc at the face's middle is a disc there, whichever crop it is asked for."""
    a, b = scale * np.cos(turn), scale * np.sin(turn)
    middle = np.array([225, 125])
    linear = np.array([[a, -b], [b, a]])
    to_crop = np.column_stack([linear, np.array([64 + dx, 64 + dy]) - linear @ middle])
    ys, xs = np.mgrid[:128, :128]
    at = apply(SWAP, middle[None])[0]
    radius = 20.0
    disc = np.where(np.hypot(xs - at[0], ys - at[1]) < radius, 255, 0).astype(np.uint8)
    seen = layer(disc).seen_in(0, to_crop, 128) > 127
    there = apply(
        SWAP @ np.vstack([invert(to_crop), [0, 0, 1]]), np.stack([xs, ys], -1).reshape(-1, 2)
    ).reshape(128, 128, 2)
    distance = np.hypot(*(there - at).transpose(2, 0, 1))
    assert seen[distance < radius - 1.5].all()
    inside = (there >= 2).all(-1) & (there <= 125).all(-1)
    assert not seen[(distance > radius + 1.5) & inside].any()


def test_beyond_its_crop_a_mask_goes_on_as_at_its_border():
    """What is closed at the border stays closed; nothing is opened where nobody looked."""
    small = matrix(ASTRONAUT_POINTS, "arcface_128", 128) * 4
    small[:, 2] -= 190
    closed = layer(np.zeros((128, 128), np.uint8), to_crop=small)
    assert not closed.seen_in(0, RESTORE, 512).any()
    assert (
        layer(np.full((128, 128), 255, np.uint8), to_crop=small).seen_in(0, RESTORE, 512) == 255
    ).all()


def test_a_closed_layer_keeps_every_pixel_of_its_face_only():
    """The second face is pasted as it would be alone."""
    image = astronaut()
    out, alone = np.empty_like(image), image.copy()
    canvas = HostPicture(image).canvas(out)
    other = matrix(T1_POINTS, "arcface_128", 128)
    made = 255 - crops(image, [SWAP, other], 128)
    masks = np.stack([np.zeros((128, 128), np.uint8), np.full((128, 128), 255, np.uint8)])
    canvas.paste(made, [SWAP, other], OVAL, [Layer(masks, [SWAP, other])])
    paste(alone, made[1], other, OVAL)
    assert np.array_equal(out, alone)


def soft_disc():
    ys, xs = np.mgrid[:128, :128]
    return np.clip(255 * (50 - np.hypot(xs - 60, ys - 70)) / 12, 0, 255).astype(np.uint8)


def test_a_soft_mask_for_a_large_crop_is_enlarged_from_a_smaller_one():
    """And lies where a warp at full size would put it."""
    across = RESTORE @ np.vstack([invert(SWAP), [0, 0, 1]])
    whole = cv2.warpAffine(soft_disc(), across, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    apart = np.abs(layer(soft_disc()).seen_in(0, RESTORE, 512).astype(int) - whole)
    assert apart.max() <= 6
    assert apart.mean() < 0.2


@given(st.integers(-40, 300), st.integers(-40, 300), st.integers(1, 700), st.integers(1, 700))
@settings(max_examples=30, deadline=None)
def test_over_a_rectangle_it_is_what_a_warp_of_the_whole_picture_has_there(x, y, wide, tall):
    """Whatever the rectangle's size; large ones are enlarged from smaller ones."""
    size = (x + wide, y + tall)
    if min(size) < 1 or min(x, y) < 0:
        return
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    whole = cv2.warpAffine(soft_disc(), SWAP, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    part = layer(soft_disc()).over(0, (x, y, x + wide, y + tall))
    assert part.shape == (tall, wide)
    apart = np.abs(part.astype(int) - whole[y:, x:])
    assert apart.max() <= (1 if max(wide, tall) <= 256 else 60)
    assert apart.mean() < 1.5


def test_layers_in_the_crop_and_over_the_picture_keep_the_same_pixels():
    """A mask that was seen in the pasted crop goes into it; another one is warped apart."""
    image = astronaut()
    made = 255 - crops(image, [SWAP], 128)
    masks = [np.full((128, 128), 255, np.uint8) for _ in range(2)]
    masks[0][:70], masks[1][:, :60] = 0, 0
    near = SWAP + np.array([[0, 0, 1e-6], [0, 0, 0]])
    out, both = np.empty_like(image), np.empty_like(image)
    HostPicture(image).canvas(out).paste(
        made, [SWAP], OVAL, [layer(masks[0]), layer(masks[1], to_crop=near)]
    )
    HostPicture(image).canvas(both).paste(made, [SWAP], OVAL, [layer(np.minimum(*masks))])
    differ = (np.abs(out.astype(int) - both).max(axis=2) > 2).sum()
    assert (both != image).any()
    assert differ < 300  # along the masks' edges, where a minimum is taken before or after
