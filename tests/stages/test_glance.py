"""Glances: one face under noise is alike, two people are not, a flat crop is like nothing."""

from __future__ import annotations

import numpy as np
from faces_kit import ASTRONAUT_POINTS, T1_POINTS, T1_SECOND_POINTS, crop
from photos import astronaut, t1

from edged.stages.glance import ALIKE, glances

PEOPLE = [
    crop(astronaut(), ASTRONAUT_POINTS), crop(t1(), T1_POINTS), crop(t1(), T1_SECOND_POINTS),
]  # fmt: skip


def test_one_face_under_sensor_noise_is_alike():
    """Twelve grey levels, and a tenth darker."""
    rng = np.random.default_rng(0)
    noisy = [np.clip(p * 0.9 + rng.normal(0, 12, p.shape), 0, 255).astype(np.uint8) for p in PEOPLE]
    assert ((glances(PEOPLE) * glances(noisy)).sum(axis=1) > ALIKE + 0.05).all()


def test_two_people_are_not_alike():
    """None of three."""
    seen = glances(PEOPLE)
    assert np.triu(seen @ seen.T, 1).max() < ALIKE - 0.1


def test_a_flat_crop_is_like_nothing():
    """Not even like itself, so that it is looked at in every frame."""
    flat = glances([np.full((112, 112, 3), 90, np.uint8)])
    assert float((flat @ flat.T)[0, 0]) == 0
    assert glances([]).shape == (0, 256)
