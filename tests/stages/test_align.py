"""Aligned crops: where pixels land, and faces that are not where a picture is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edged.geometry import template
from edged.stages.align import crops, fine_crops, matrices

TARGET = template("arcface_112", 112)


def test_landmarks_land_on_the_template():
    """A dot on each landmark of a frame is a dot on each point of the crop."""
    image = np.zeros((400, 400, 3), np.uint8)
    landmarks = (TARGET @ np.array([[0, -2], [2, 0]]) + [100, 300]).astype(np.float32)
    for x, y in landmarks:
        cv2.circle(image, (round(float(x)), round(float(y))), 6, (255, 255, 255), -1)
    (matrix,) = matrices([landmarks], "arcface_112", 112)
    (crop,) = crops(image, [matrix], 112)
    for x, y in TARGET:
        assert crop[round(float(y)), round(float(x))].min() > 200


def test_every_face_has_its_own_crop():
    """A batch is the same as one after the other."""
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    two = matrices([TARGET, TARGET + 40], "arcface_112", 112)
    both = crops(image, two, 112)
    for matrix, crop in zip(two, both, strict=True):
        assert np.array_equal(crops(image, [matrix], 112)[0], crop)


def test_degenerate_landmarks_have_no_matrix_and_the_others_keep_their_place():
    """None stands where a face cannot be aligned."""
    found = matrices([TARGET, np.zeros((5, 2), np.float32), TARGET], "arcface_112", 112)
    assert [m is None for m in found] == [False, True, False]


@pytest.mark.parametrize("shift", [150, -150, 5000, -5000, 1e7])
def test_a_face_off_the_frame_is_black_where_nothing_is(shift):
    """Landmarks far outside give a crop, black beyond the frame, and no error."""
    image = np.full((100, 100, 3), 255, np.uint8)
    (matrix,) = matrices([(TARGET + np.float32(shift)).astype(np.float32)], "arcface_112", 112)
    (crop,) = crops(image, [matrix], 112)
    assert not crop.any()


@pytest.mark.parametrize("scale", [0.02, 40])
def test_tiny_and_huge_faces_are_cropped(scale):
    """Two pixels a face, and a face of several frames: a crop of the usual size."""
    image = np.full((100, 100, 3), 77, np.uint8)
    landmarks = ((TARGET - 56) * np.float32(scale) + 50).astype(np.float32)
    (matrix,) = matrices([landmarks], "arcface_112", 112)
    (crop,) = crops(image, [matrix], 112)
    assert crop[56, 56].tolist() == [77] * 3


def test_no_faces_no_crops():
    """An empty batch has the shape of one."""
    assert crops(np.zeros((9, 9, 3), np.uint8), [], 112).shape == (0, 112, 112, 3)


def test_a_read_only_frame_is_read():
    """Raw frames are views of the sender's bytes."""
    image = np.zeros((100, 100, 3), np.uint8)
    image.flags.writeable = False
    assert crops(image, matrices([TARGET], "arcface_112", 112), 112).shape == (1, 112, 112, 3)


def similar(scale, turn=0.0, middle=(300.0, 300.0), side=64):
    """Picture -> crop: `middle` lies in the crop's middle."""
    a, b = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, np.full(2, (side - 1) / 2) - linear @ np.array(middle)])


def textured(side=600):
    """Grain on soft shapes, as skin and hair have it."""
    rng = np.random.default_rng(3)
    grain = cv2.GaussianBlur(rng.normal(0, 60, (side, side, 1)).astype(np.float32), (0, 0), 0.8)
    soft = cv2.resize(rng.uniform(60, 200, (8, 8, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(soft + grain.reshape(side, side, 1), 0, 255).astype(np.uint8)


def supersampled(image, to_crop, side, times=12):
    """What a crop should be: many samples a pixel, averaged."""
    dense = to_crop * times
    dense[:, 2] += (times - 1) / 2
    size = (side * times, side * times)
    return cv2.resize(
        cv2.warpAffine(image, dense, size), (side, side), interpolation=cv2.INTER_AREA
    )


@pytest.mark.parametrize("scale", [0.51, 0.7, 1.0, 3.0])
def test_small_faces_are_cut_as_ever(scale):
    """Bit by bit, so that parity holds for them."""
    image, to_crop = textured(), similar(scale, 0.3)
    assert np.array_equal(fine_crops(image, [to_crop], 64), crops(image, [to_crop], 64))


@pytest.mark.parametrize("scale", [0.36, 0.28, 0.21, 0.12])
def test_large_faces_are_averaged_not_skipped_over(scale):
    """Nearer to what dense sampling gives than a linear warp is."""
    image, to_crop = textured(), similar(scale, 0.3)
    exact = supersampled(image, to_crop, 64).astype(float)

    def error(cut):
        return np.sqrt(np.square(cut[0] - exact)[8:-8, 8:-8].mean())

    assert error(fine_crops(image, [to_crop], 64)) < 0.75 * error(crops(image, [to_crop], 64))


@pytest.mark.parametrize("scale", [0.36, 0.2, 0.1])
def test_a_face_does_not_flicker_with_the_last_bit_of_its_landmarks(scale):
    """Cut half a crop pixel off and put back, it stays: at most half of the linear warp's."""
    image = textured(900)
    rng = np.random.default_rng(0)
    offsets = rng.uniform(-0.5, 0.5, (8, 2))

    def flicker(cut):
        back = []
        for offset in offsets:
            to_crop = similar(scale, middle=(450.0, 450.0))
            to_crop[:, 2] += offset
            (crop,) = cut(image, [to_crop], 64)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            back.append(cv2.warpAffine(crop, to_crop, (900, 900), flags=flags)[380:520, 380:520])
        return np.stack(back).astype(float).std(axis=0).mean()

    assert flicker(fine_crops) < 0.6 * flicker(crops)


@pytest.mark.parametrize("scale", [0.4, 0.23, 0.11])
def test_what_is_averaged_lies_where_it_was(scale):
    """A disc's middle is found within a fifth of a crop pixel."""
    image = np.zeros((600, 600, 3), np.uint8)
    cv2.circle(image, (317, 284), round(8 / scale), (255, 255, 255), -1)
    to_crop = similar(scale, 0.4)
    (crop,) = fine_crops(image, [to_crop], 64)
    weights = crop[..., 0].astype(float)
    ys, xs = np.mgrid[:64, :64]
    found = np.array([(xs * weights).sum(), (ys * weights).sum()]) / weights.sum()
    expected = to_crop[:, :2] @ np.array([317, 284]) + to_crop[:, 2]
    assert np.abs(found - expected).max() < 0.2


@pytest.mark.parametrize("middle", [(0, 0), (599, 300), (300, 599), (-40, 640)])
def test_a_large_face_over_the_edge_is_black_beyond_it(middle):
    """As a linear warp has it, but for a pixel at the edge."""
    image = np.full((600, 600, 3), 255, np.uint8)
    to_crop = similar(0.15, middle=middle)
    one, other = (cut(image, [to_crop], 64)[0].astype(int) for cut in (fine_crops, crops))
    assert (np.abs(one - other).max(axis=2) > 1).sum() <= 2 * 64


@pytest.mark.parametrize("shift", [5000.0, -5000.0, 1e7])
def test_a_large_face_off_the_frame_is_black(shift):
    """And no error."""
    assert not fine_crops(
        np.full((90, 90, 3), 255, np.uint8), [similar(0.1, middle=(shift, shift))], 64
    ).any()


@pytest.mark.parametrize("scale", [0.45, 0.37, 0.3, 0.24, 0.145, 0.11])
def test_a_large_face_inside_the_frame_has_no_dark_rim(scale):
    """Its last column and row are the picture's, as all others are."""
    image = np.full((900, 900, 3), 200, np.uint8)
    for offset in range(9):
        to_crop = similar(scale, 0.2, middle=(440.0 + offset, 450.0 - 0.7 * offset))
        assert (fine_crops(image, [to_crop], 64) == 200).all()
