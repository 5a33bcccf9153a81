"""Photos with faces that the test extra's packages carry; none is a part of edged."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np


@lru_cache(maxsize=1)
def _t1() -> np.ndarray:
    import insightface

    path = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"
    image = cv2.imread(str(path))
    assert image is not None, "the insightface package carries t1.jpg"
    return image


def t1() -> np.ndarray:
    """Six people at a table, (886, 1280, 3) uint8 BGR."""
    return _t1().copy()


def astronaut() -> np.ndarray:
    """One person, frontal, (512, 512, 3) uint8 BGR; public domain."""
    import skimage.data

    return np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])
