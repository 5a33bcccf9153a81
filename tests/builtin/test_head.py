"""What `edged.builtin.head` promises."""

import numpy as np
import pytest

from edged.builtin.head import LANDMARKS, Look, draw_head, strands
from edged.geometry import template


def test_landmarks_are_the_template_s():
    """A drawn face has the ArcFace template's proportions exactly."""
    assert np.allclose(LANDMARKS + np.array([56.0, 72.0]), template("arcface_112", 112))


@pytest.mark.parametrize("style", ["short", "long", "cap"])
def test_colours_and_cover_stay_in_range(style):
    """A head of any hair style is drawn within 0..1, and its middle is covered."""
    colours, cover = draw_head(Look(hair_style=style), 320, 2.0)
    assert colours.shape == (320, 320, 3)
    assert cover.shape == (320, 320)
    for field in (colours, cover):
        assert np.isfinite(field).all()
        assert field.min() >= 0.0
        assert field.max() <= 1.0 + 1e-6
    assert cover[160, 160] == 1.0
    assert cover[0, 0] == 0.0


def test_eyes_and_lips_are_where_the_landmarks_are():
    """The pupils are darker than the cheeks, the lips redder than the chin."""
    colours, _ = draw_head(Look(), 400, 2.5)

    def at(x, y):
        column, row = round(199.5 + 2.5 * x), round(199.5 + 2.5 * y)
        return colours[row - 1 : row + 2, column - 1 : column + 2].mean(axis=(0, 1))

    cheek = at(22.0, -2.0)
    for x, y in LANDMARKS[:2]:
        assert at(x, y).mean() < 0.5 * cheek.mean()
    lip, chin = at(0.0, 23.0), at(0.0, 34.0)
    assert lip[2] / lip[1] > 1.2 * chin[2] / chin[1]


def test_strands_are_standardised_noise():
    """Drawn-out noise has mean 0 and spread 1 and the same values for the same seed."""
    field = strands((64, 80), 3, 9.0, 70.0)
    assert abs(field.mean()) < 1e-4
    assert abs(field.std() - 1.0) < 1e-3
    assert np.array_equal(field, strands((64, 80), 3, 9.0, 70.0))
