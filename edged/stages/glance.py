"""A glance at an aligned face: enough to tell that it looks as it did a moment ago.

Knows pixels of crops; knows no model.  A glance tells no two people apart for good: it
only says that nothing has happened since the recogniser looked.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edged.faces import Floats, Image

SIDE_PX = 16

ALIKE = 0.85
"""Correlation from which a face looks as it did.  Measured on seven people: the same face
under sensor noise of 8 grey levels 0.92 at least, two people 0.70 at most."""


def glances(crops: Sequence[Image]) -> Floats:
    """Small grey pictures as unit vectors without their mean.

    Args:
        crops: n aligned crops, (112, 112, 3) uint8 BGR each.

    Returns:
        (n, 256) float32; the product of two is their correlation, 0 for a flat crop.
    """
    out = np.zeros((len(crops), SIDE_PX * SIDE_PX), np.float32)
    for crop, row in zip(crops, out, strict=True):
        small = cv2.resize(crop, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        row[:] = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).ravel()
    out -= out.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    return np.asarray(out / np.maximum(norms, 1e-3), np.float32)
