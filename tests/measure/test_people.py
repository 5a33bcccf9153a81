"""Whose faces a folder shows, and what is left out of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from measure_kit import find, group_folder, people_folder
from photos import astronaut, t1

from edged.errors import ConfigError
from edged.measure.people import gather
from edged.stages.align import crops, matrices


def told(*_):
    """Nobody listens."""


@pytest.mark.parametrize("nested", [True, False])
def test_photos_are_put_to_people(tmp_path, nested):
    """By sub-folder, or by names that differ in a number."""
    found = gather(people_folder(tmp_path, nested=nested), find, "auto", told)
    assert found.grouping == ("folders" if nested else "names")
    assert (found.people, found.repeated) == (7, 7)
    for one in found.shown:
        assert found.shown[2 * one.person].photo[0] == one.photo[0]


def test_faces_of_one_photo_are_different_people(tmp_path):
    """A group photo shows as many people as faces."""
    found = gather(group_folder(tmp_path / "p"), find, "auto", told)
    assert (found.grouping, found.people, found.repeated) == ("faces", 7, 0)


def test_only_the_part_around_a_face_is_kept(tmp_path):
    """Landmarks move with it; the eyes are where they were in the photo."""
    found = gather(group_folder(tmp_path / "p"), find, "auto", told)
    photo, faces = t1(), find(t1())
    for one, face in zip(found.shown, faces, strict=False):
        assert one.image.size < photo.size / 4
        x, y = face.landmarks[0].round().astype(int)
        i, j = one.landmarks[0].round().astype(int)
        kept, whole = one.image[j - 3 : j + 3, i - 3 : i + 3], photo[y - 3 : y + 3, x - 3 : x + 3]
        assert np.abs(kept.astype(int) - whole).mean() < 12


def test_further_photos_of_a_person_are_kept_as_crops(tmp_path):
    """The first photo with its surroundings, the others as what a recogniser looks at."""
    found = gather(people_folder(tmp_path, nested=True), find, "auto", told)
    for one in found.shown:
        assert one.whole is one.photo.endswith("0.png")
        matrix = matrices([one.landmarks], "arcface_112", 112)[0]
        if not one.whole:
            assert one.image.shape == (112, 112, 3)
            assert np.abs(matrix - np.eye(2, 3)).max() < 1e-5
            assert np.array_equal(crops(one.image, [matrix], 112)[0], one.image)


def test_what_shows_nobody_is_left_out(tmp_path):
    """No picture, no face, two people of one size in one person's folder: counted, not used."""
    people_folder(tmp_path, nested=True, count=1)
    (tmp_path / "a/broken.jpg").write_bytes(b"\xff\xd8 no picture")
    cv2.imwrite(str(tmp_path / "a/wall.png"), np.full((300, 300, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "a/two.png"), np.hstack([astronaut(), astronaut()]))
    found = gather(tmp_path, find, "auto", told)
    assert len(found.shown) == 7
    assert dict(found.left_out) == {
        "no picture that can be read": 1,
        "no face of 40 px or more": 1,
        "two people of one size": 1,
    }


@pytest.mark.parametrize("make", ["absent", "empty", "file"])
def test_a_folder_without_photos_is_refused(tmp_path, make):
    """Said with what it needs."""
    path = tmp_path / "p"
    if make == "empty":
        path.mkdir()
    elif make == "file":
        path.write_text("x")
    with pytest.raises(ConfigError, match="photos"):
        gather(path, find, "auto", told)
