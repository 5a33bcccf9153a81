"""Aligned crops: where pixels land, and faces that are not where a picture is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edged.geometry import template
from edged.stages.align import crops, matrices

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
