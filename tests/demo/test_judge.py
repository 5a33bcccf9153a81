"""The demo's judge: it finds faces on its own, and notices when one got out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edged.builtin.pack import write_pack
from edged.demo import photos
from edged.demo.judge import Judge, square_of


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    judge = Judge(write_pack(tmp_path_factory.mktemp("pack"))["builtin_recogniser"])
    yield judge
    judge.close()


@pytest.fixture(scope="module")
def astronaut():
    return photos.astronaut().image


@pytest.fixture(scope="module")
def faces(judge, astronaut):
    return judge.find(astronaut)


def changed(image, square, change):
    """The picture with `change` done to one square."""
    x, y, side = square
    out = image.copy()
    out[y : y + side, x : x + side] = change(out[y : y + side, x : x + side])
    return out


def test_it_finds_the_astronaut(faces):
    """One face, where it is, and none in flag, helmet or shuttle."""
    ((x, y, side),) = faces
    assert abs(x + side / 2 - 224) < 12
    assert abs(y + side / 2 - 114) < 12


def test_it_finds_faces_in_a_group(judge):
    """Some of the six people, and nobody who is not there."""
    people = [(112, 330), (258, 214), (514, 340), (780, 412), (930, 133), (1171, 337)]
    found = judge.find(photos.group().image)
    assert len(found) >= 3
    for x, y, side in found:
        middle = np.array([x + side / 2, y + side / 2])
        assert min(np.linalg.norm(middle - person) for person in people) < 0.5 * side


@pytest.mark.parametrize(
    "change",
    [
        lambda face: face,
        lambda face: 255 - face,
        lambda face: cv2.GaussianBlur(face, (0, 0), 2.0),
        lambda face: cv2.convertScaleAbs(face, alpha=0.8, beta=20),
    ],
    ids=["untouched", "inverted", "blurred", "dimmed"],
)
def test_a_face_that_got_out_is_noticed(judge, astronaut, faces, change):
    """What a person would still recognise counts as an escape."""
    after = changed(astronaut, faces[0], change)
    assert len(judge.escapes(astronaut, after, faces)) == 1


def test_a_filled_face_is_no_escape(judge, astronaut, faces):
    """A solid colour shows nobody."""
    after = changed(astronaut, faces[0], lambda face: np.full_like(face, 96))
    assert judge.escapes(astronaut, after, faces) == []


def test_another_face_is_no_escape(judge, astronaut, faces):
    """Somebody else's face in the same place is what a swap is for."""
    other = photos.group().image[270:410, 446:586]
    after = changed(astronaut, faces[0], lambda face: cv2.resize(other, face.shape[1::-1]))
    assert judge.escapes(astronaut, after, faces) == []


@pytest.mark.parametrize("share", [0.7, 1.0, 1.6])
def test_a_camera_face_in_a_portrait_is_noticed(judge, astronaut, faces, share):
    """Camera pixels pasted into a template are found at any place and size."""
    x, y, side = faces[0]
    face = cv2.resize(astronaut[y : y + side, x : x + side], None, fx=share, fy=share)
    poster = np.full((600, 450, 3), 90, np.uint8)
    poster[200 : 200 + face.shape[0], 120 : 120 + face.shape[1]] = face
    assert len(judge.copies(astronaut, poster, faces)) == 1


def test_a_portrait_of_somebody_else_is_no_copy(judge, astronaut, faces):
    """Another person's photo holds none of the camera's pixels."""
    assert judge.copies(astronaut, photos.group().image, faces) == []


def test_a_detectors_box_becomes_the_same_face(judge, astronaut, faces):
    """A box that edged reports leads to the crop that the judge's own square gives."""
    square = square_of((189, 66, 260, 159))
    assert len(judge.escapes(astronaut, astronaut, [square])) == 1
    assert abs(square[0] - faces[0][0]) < 10
