"""Pictures that the configuration names: files of the operator, and the drawn ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edged.daemon import pictures
from edged.daemon.pictures import builtin_character, builtin_poster, read_picture
from edged.errors import ConfigError


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_file_is_read_as_bgr(tmp_path, suffix, channels):
    """Grey, colour or with transparency: three channels of 8 bits."""
    path = tmp_path / f"photo{suffix}"
    cv2.imwrite(str(path), np.full((20, 30, channels), 90, np.uint8))
    image = read_picture(path, "identities.actor")
    assert image.shape == (20, 30, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.astype(int) - 90).max() <= 2


def test_sixteen_bits_become_eight(tmp_path):
    """As a scanner writes them."""
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((20, 30, 3), 0x8000, np.uint16))
    assert read_picture(path, "x").dtype == np.uint8


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff\xe0\x00\x10JFIF"])
def test_what_is_no_picture_is_named(tmp_path, data):
    """The place in the configuration, the file and the remedy."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"identities\.actor: .*photo\.jpg is no picture"):
        read_picture(path, "identities.actor")


def test_more_pixels_than_opencv_takes_are_named(tmp_path, monkeypatch):
    """Its exception is no traceback for the operator."""
    path = tmp_path / "photo.png"
    path.write_bytes(b"x")

    def refuse(*_):
        raise cv2.error("too many pixels")

    monkeypatch.setattr(cv2, "imdecode", refuse)
    with pytest.raises(ConfigError, match="no picture"):
        read_picture(path, "identities.actor")


def test_an_absent_file_and_a_folder_are_named(tmp_path):
    """With the system's reason."""
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_picture(path, "scenes.poster")


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    """Its size is asked first."""
    monkeypatch.setattr(pictures, "MAX_PICTURE_BYTES", 10)
    path = tmp_path / "photo.png"
    path.write_bytes(bytes(11))
    with pytest.raises(ConfigError, match="larger than 64 MiB"):
        read_picture(path, "scenes.poster")


def test_the_default_character_and_poster_are_drawn():
    """Pictures with landmarks inside them."""
    portrait, landmarks = builtin_character("character")
    assert landmarks.shape == (5, 2)
    assert (landmarks > 0).all()
    assert (landmarks < portrait.shape[1::-1]).all()
    image, places = builtin_poster("poster")
    for box, points in places:
        assert (points > box[:2]).all()
        assert (points < box[2:]).all()
        assert (box[2:] < np.array(image.shape[1::-1]) + 1).all()


@pytest.mark.parametrize("maker", [builtin_character, builtin_poster])
def test_an_unknown_drawing_names_those_that_there_are(maker):
    """The default's name is among them."""
    with pytest.raises(ConfigError, match=r"builtin:nobody; known: (character|poster)"):
        maker("nobody")
