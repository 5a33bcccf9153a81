"""The cascades behind the call of a detector family."""

from __future__ import annotations

import numpy as np
import pytest

from edged.stages.haar_family import HaarFamily


class Cascades:
    """Finds two faces whatever it is shown."""

    def __init__(self):
        self.looks = 0

    def __call__(self, _picture):
        self.looks += 1
        boxes = np.array([[0, 0, 9, 9], [20, 20, 40, 40]], np.float32)
        return boxes, np.array([0.8, 0.4], np.float32), np.zeros((2, 5, 2), np.float32)


@pytest.mark.parametrize(("thresh", "count"), [(0.3, 2), (0.5, 1), (0.9, 0)])
def test_the_threshold_holds(thresh, count):
    """Weaker findings do not count."""
    found = HaarFamily(Cascades(), det_thresh=thresh)(np.zeros((4, 4, 3), np.uint8), 640)
    assert len(found) == count
    assert found.family == "haar"


def test_small_looks_are_left_out():
    """They would only find again what the large one found."""
    family = HaarFamily(Cascades())
    assert len(family(np.zeros((4, 4, 3), np.uint8), family.smallest_px - 1)) == 0
    assert family.detector.looks == 0
    family(np.zeros((4, 4, 3), np.uint8), family.smallest_px)
    assert family.detector.looks == 1
