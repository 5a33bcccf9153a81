"""What `edged.stages.haar` promises."""

import cv2
import numpy as np
import photos
import pytest

from edged.stages.haar import HaarDetector

# Middles of the eyes in t1.jpg, from left to right, px at its full size of 1280.
T1_EYES = [(104, 315), (302, 198), (521, 329), (782, 400), (932, 117), (1172, 322)]


@pytest.mark.parametrize("long_side", [640, 1280])
def test_all_six_people_at_the_table_are_found(long_side):
    """Each of them once, and nobody else."""
    scale = long_side / 1280
    image = cv2.resize(photos.t1(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    boxes, scores, landmarks = HaarDetector()(image)
    middles = landmarks[:, :2].mean(axis=1) / scale
    order = np.argsort(middles[:, 0])
    assert len(boxes) == len(scores) == 6
    assert np.linalg.norm(middles[order] - T1_EYES, axis=1).max() < 15


def test_the_astronaut_is_found_and_aligned():
    """Both eyes lie within 5 px where the eyes are 43 px apart."""
    _, scores, landmarks = HaarDetector()(photos.astronaut())
    assert len(scores) == 1
    assert scores[0] > 0.8
    assert np.linalg.norm(landmarks[0, 0] - [204, 101]) < 5
    assert np.linalg.norm(landmarks[0, 1] - [247, 104]) < 5


@pytest.mark.parametrize("tilt", [-30, -15, 15, 30])
def test_a_tilted_head_is_found(tilt):
    """The eyes' line turns with the head, within 12 degrees."""
    matrix = cv2.getRotationMatrix2D((226, 120), tilt, 1.0)
    image = cv2.warpAffine(photos.astronaut(), matrix, (512, 512))
    _, scores, landmarks = HaarDetector()(image)
    assert len(scores) == 1
    line = landmarks[0, 1] - landmarks[0, 0]
    assert abs(np.degrees(np.arctan2(line[1], line[0])) - (5 - tilt)) < 12


def test_left_is_left_in_the_picture():
    """Left eye and left corner of the mouth have the smaller x; the order is fixed."""
    _, _, landmarks = HaarDetector()(photos.astronaut())
    left_eye, right_eye, nose, left_mouth, right_mouth = landmarks[0]
    assert left_eye[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]


def test_a_face_that_fills_the_frame_is_found():
    """A close-up of brows to chin counts too."""
    image = cv2.resize(photos.astronaut()[40:210, 140:310], (512, 512))
    assert len(HaarDetector()(image)[1]) == 1


@pytest.mark.parametrize("name", ["coffee", "brick", "grass", "gravel"])
def test_textures_are_no_faces(name):
    """Pictures without a face give none."""
    import skimage.data

    image = getattr(skimage.data, name)()
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image
    assert len(HaarDetector()(np.ascontiguousarray(image))[1]) == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (20, 300, 3), (300, 20, 3), (480, 640, 3)])
def test_an_empty_answer_has_its_shapes(shape):
    """Black pictures of any shape give arrays of no rows."""
    boxes, scores, landmarks = HaarDetector()(np.zeros(shape, np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)
    assert landmarks.shape == (0, 5, 2)
    assert boxes.dtype == scores.dtype == landmarks.dtype == np.float32
