"""The real engine with one broken part: `python faulty_engine.py KIND edged-arguments...`.

Every part but one is real, process boundary, sockets, outbox and guard included.
"""

import sys
import time

import numpy as np

from edged.daemon import loading
from edged.errors import EngineError
from edged.faces import Detections
from edged.measure.attacks import ATTACKS
from edged.privacy.guard import Guard
from edged.stages.embed import Embedder
from edged.stages.scrfd import Scrfd
from edged.stages.swap import Swapped, Swapper
from edged.stages.yunet import YuNet


class FaultySwapper(Swapper):
    """Gives back what a broken or lazy swapper might."""

    def run(self, targets, _sources):
        return Swapped(np.stack([np.ascontiguousarray(ATTACKS[KIND](crop)) for crop in targets]))


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


class Hanging:
    """A detector that never comes back from a picture with a face, as a lost GPU does."""

    def __init__(self, inner):
        self._inner, self.family = inner, inner.family

    def __call__(self, picture, side):
        found = self._inner(picture, side)
        while len(found):
            time.sleep(1)
        return found


def check_blindly(self, *args):
    Forgetful.second_look = True
    try:
        return REAL_CHECK(self, *args)
    finally:
        Forgetful.second_look = False


REAL_CHECK = Guard.disguise
KIND = sys.argv.pop(1)
if KIND in ATTACKS:
    loading.Swapper = FaultySwapper
elif KIND == "raising-recogniser":
    loading.Embedder = Raising
elif KIND == "hanging-detector":
    loading.Scrfd = lambda *a: Hanging(Scrfd(*a))
elif KIND == "forgetful-detectors":
    loading.Scrfd = lambda *a: Forgetful(Scrfd(*a))
    loading.YuNet = lambda *a: Forgetful(YuNet(*a))
    Guard.disguise = check_blindly
else:
    raise SystemExit(f"unknown fault {KIND}")

from edged.cli import main  # noqa: E402

sys.exit(main())
