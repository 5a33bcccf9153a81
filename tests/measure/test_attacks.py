"""Attacks hide as much of a face in a large crop as in a small one, by any template."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from measure_kit import seven

from edged.geometry import TEMPLATES, similarity, template
from edged.measure.attacks import ATTACKS, attacked
from edged.stages.align import crops


def crop(template_name, size_px):
    photo, points = seven()[0]
    return crops(photo, [similarity(points, template(template_name, size_px))], size_px)[0]


@pytest.mark.parametrize("name", [n for n in ATTACKS if n != "noise"])
def test_an_attack_looks_alike_at_every_size(name):
    """Of 512 px, made smaller, it is what it is of 128 px."""
    small = attacked(name, crop("arcface_128", 128), "arcface_128")
    large = attacked(name, crop("arcface_128", 512), "arcface_128")
    shrunk = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - shrunk).mean() < 6


@pytest.mark.parametrize("template_name", TEMPLATES)
def test_the_bar_lies_over_the_eyes(template_name):
    """Both are black, nose and mouth are not, whatever a swapper's crop looks like."""
    barred = attacked("eye-bar", np.full((256, 256, 3), 200, np.uint8), template_name)
    points = template(template_name, 256).round().astype(int)
    assert [int(barred[y, x, 0]) for x, y in points] == [0, 0, 200, 200, 200]
