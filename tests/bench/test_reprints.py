"""Made-up prints and screens: what the liveness table is made of."""

from __future__ import annotations

import cv2
import numpy as np
import photos
import pytest

from edged.bench import reprints
from edged.stages.liveness import Liveness


@pytest.mark.parametrize("name", reprints.KINDS)
def test_a_reprint_is_the_same_picture_seen_otherwise(name):
    """Same size and type, the input untouched, the same again, and still what it shows."""
    image = photos.astronaut()
    before = image.copy()
    made = reprints.KINDS[name](image)
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    assert np.array_equal(image, before)
    assert np.array_equal(made, reprints.KINDS[name](image))
    seen = made
    if name in {"white border", "sheet (gamma, dots, border)", "screen (blue, moire, black frame)"}:
        small = int(512 * reprints.SMALLER)
        at = (512 - small) // 2
        seen = cv2.resize(made[at : at + small, at : at + small], (512, 512))
    grey = [cv2.GaussianBlur(p, (0, 0), 4)[..., 1].ravel().astype(float) for p in (seen, image)]
    assert np.corrcoef(*grey)[0, 1] > 0.95


def test_the_table_counts_faces_and_says_who_passes():
    """A score for each face of each kind; those that cannot be told are left out."""
    liveness = Liveness((lambda _image, faces: [0.9, None, 0.2][: len(faces)],), 0.5)
    found = reprints.scores([photos.astronaut()], lambda _: [None] * 3, liveness)
    assert set(found) == set(reprints.KINDS)
    assert found["moire"] == [0.9, 0.2]
    lines = reprints.table(found).splitlines()
    assert "| moire | 2 | 0.550 | 0.200 to 0.900 | 1 |" in lines
    assert "| x | 0 |  |  | 0 |" in reprints.table({"x": []})
