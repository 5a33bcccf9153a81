"""What `edged.builtin.character` promises."""

import builtin_kit
import numpy as np
import pytest

from edged.builtin.character import LOOKS, draw_character
from edged.stages.haar import HaarDetector


@pytest.mark.parametrize("name", LOOKS)
def test_the_detector_finds_the_face_where_it_is_drawn(name):
    """One face is found, each point within 12 px of a face 96 px between the eyes."""
    image, points = draw_character(name)
    assert image.shape == (512, 512, 3)
    assert image.dtype == np.uint8
    _, scores, landmarks = HaarDetector()(image)
    assert len(scores) == 1
    assert np.linalg.norm(landmarks[0] - points, axis=1).max() < 12


def test_characters_differ():
    """No two looks have the same embedding."""
    vectors = np.stack([builtin_kit.embed(*draw_character(name)) for name in LOOKS])
    like = (vectors @ vectors.T)[~np.eye(len(vectors), dtype=bool)]
    assert like.max() < 0.99


def test_the_portrait_is_the_same_each_time():
    """It is computed once, and again gives the same pixels."""
    image, _ = draw_character("robin")
    assert draw_character("robin")[0] is image
    assert np.array_equal(draw_character.__wrapped__("robin")[0], image)


def test_it_cannot_be_written():
    """A caller who paints on the shared portrait gets an error."""
    with pytest.raises(ValueError, match="read-only"):
        draw_character("robin")[0][:] = 0


def test_an_unknown_name_is_an_error():
    """A name that is no look raises KeyError."""
    with pytest.raises(KeyError):
        draw_character("nobody")
