"""What `edged.builtin.poster` promises."""

import cv2
import numpy as np
import pytest

from edged.builtin.poster import TEMPLATES, draw_template
from edged.stages.haar import HaarDetector

SLOTS = {"astronaut": 1, "painting": 1, "summit": 2}


def test_there_are_three_templates():
    """Two have one slot and one has two."""
    assert {name: len(draw_template(name)[1]) for name in TEMPLATES} == SLOTS


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_detector_finds_the_slots_and_nothing_else(name):
    """Each slot's face is found within an eighth of the eyes' distance, no other is."""
    image, slots = draw_template(name)
    assert image.shape == (1200, 900, 3)
    small = cv2.resize(image, (480, 640), interpolation=cv2.INTER_AREA)
    _, _, landmarks = HaarDetector()(small)
    found = np.stack(sorted(landmarks / (640 / 1200), key=lambda points: points[0, 0]))
    assert found.shape == slots.shape
    eyes = np.linalg.norm(slots[:, 1] - slots[:, 0], axis=1)
    apart = np.linalg.norm(found[:, :2] - slots[:, :2], axis=2)
    assert (apart < eyes[:, None] / 8).all()


@pytest.mark.parametrize("name", TEMPLATES)
def test_slots_run_from_left_to_right_inside_the_picture(name):
    """Landmarks are in order and inside."""
    _, slots = draw_template(name)
    assert (np.diff(slots[:, 2, 0]) > 0).all()
    assert slots.min() > 0
    assert (slots < [900, 1200]).all()


def test_a_template_is_drawn_once_and_cannot_be_written():
    """The second call gives the same read-only picture."""
    image, _ = draw_template("painting")
    assert draw_template("painting")[0] is image
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0


def test_an_unknown_name_is_an_error():
    """A name that is no template raises KeyError."""
    with pytest.raises(KeyError):
        draw_template("nothing")
