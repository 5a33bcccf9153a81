"""Faces for the built-in pack's tests, found by the built-in detector."""

from __future__ import annotations

import photos
import pytest

from edged.stages.haar import HaarDetector


@pytest.fixture(scope="session")
def faces():
    """Seven people: (picture, landmarks (5, 2)) of six in t1 and of the astronaut."""
    detect = HaarDetector()
    found = []
    for image in (photos.t1(), photos.astronaut()):
        _, _, landmarks = detect(image)
        found += [(image, points) for points in landmarks]
    return found
