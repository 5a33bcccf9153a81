"""The real engine with one broken part: `python faulty_engine.py KIND edged-arguments...`.

Every part but one is real, process boundary, sockets, outbox and guard included.
"""

import sys

import cv2
import numpy as np

from edged.daemon import assemble
from edged.errors import EngineError
from edged.faces import Detections
from edged.geometry import template
from edged.privacy.guard import Guard
from edged.stages.embed import Embedder
from edged.stages.scrfd import Scrfd
from edged.stages.swap import Swapper
from edged.stages.yunet import YuNet


def mosaic(crop, block=8):
    small = cv2.resize(crop, (128 // block, 128 // block), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (128, 128), interpolation=cv2.INTER_NEAREST)


def eye_bar(crop):
    barred = crop.copy()
    eyes = int(template("arcface_128", 128)[:2, 1].mean())
    barred[eyes - 12 : eyes + 12] = 0
    return barred


SWAPS = {
    "input": lambda crop: crop,
    "inversion": lambda crop: 255 - crop,
    "mirror": lambda crop: crop[:, ::-1],
    "mosaic": mosaic,
    "coarse-mosaic": lambda crop: mosaic(crop, 16),
    "blur": lambda crop: cv2.GaussianBlur(crop, (0, 0), 4),
    "eye-bar": eye_bar,
    "darker": lambda crop: (crop // 2),
}


class FaultySwapper(Swapper):
    """Gives back what a broken or lazy swapper might."""

    def __call__(self, targets, _latents):
        return np.stack([np.ascontiguousarray(SWAPS[KIND](crop)) for crop in targets])


class Raising(Embedder):
    """The guard's recogniser: works while the engine warms up on noise, fails on faces."""

    def raw(self, crops):
        smooth = len(crops) and np.abs(np.diff(crops.astype(int), axis=2)).mean() < 40
        if smooth and self.session.model_id == "test_mbf":
            raise EngineError("the recogniser failed")
        return super().raw(crops)


class Forgetful:
    """A detector that finds faces in what comes in and none in what goes out."""

    second_look = False

    def __init__(self, inner):
        self._inner, self.family = inner, inner.family

    def __call__(self, picture, side):
        found = self._inner(picture, side)
        return Detections.none(self.family) if Forgetful.second_look else found


def check_blindly(self, *args):
    Forgetful.second_look = True
    try:
        return REAL_CHECK(self, *args)
    finally:
        Forgetful.second_look = False


REAL_CHECK = Guard.disguise
KIND = sys.argv.pop(1)
if KIND in SWAPS:
    assemble.Swapper = FaultySwapper
elif KIND == "raising-recogniser":
    assemble.Embedder = Raising
elif KIND == "forgetful-detectors":
    assemble.Scrfd = lambda *a: Forgetful(Scrfd(*a))
    assemble.YuNet = lambda *a: Forgetful(YuNet(*a))
    Guard.disguise = check_blindly
else:
    raise SystemExit(f"unknown fault {KIND}")

from edged.cli import main  # noqa: E402

sys.exit(main())
