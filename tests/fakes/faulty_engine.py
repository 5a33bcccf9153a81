"""The real engine with one broken part: `python faulty_engine.py KIND edged-arguments...`.

Every part but one is real, process boundary, sockets, outbox and guard included.

`lapsing` has parts that are broken as long as the file that `EDGED_FAULT_FILE` names says so:
`swapper` gives the face back, `detector` (one family of two) sees nothing, `recogniser` (the
guard's) raises.

Two kinds strike on demand: they wait for the file that `EDGED_FAULT_FILE` names, take it
away and harm the next run of a session (`Booth.strike` does it and waits).

    oom   the run fails as onnxruntime does without memory, and so does every later run of
          that session, whose arena never recovers; a session opened anew works
    hang  the run never returns from native code, where nothing can interrupt it
"""

import ctypes
import os
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from edged.daemon import loading
from edged.errors import EngineError
from edged.faces import Detections
from edged.measure.attacks import ATTACKS
from edged.privacy import hardening
from edged.privacy.guard import Guard
from edged.runtime import onnx
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


def struck():
    """Whether the fault was asked for; it is then done, once."""
    try:
        Path(os.environ["EDGED_FAULT_FILE"]).unlink()
    except FileNotFoundError:
        return False
    return True


def lapsed(part):
    """Whether a part is broken just now."""
    try:
        return Path(os.environ["EDGED_FAULT_FILE"]).read_text() == part
    except FileNotFoundError:
        return False


class LapsingSwapper(Swapper):
    """Gives back what it got."""

    def run(self, targets, sources):
        return Swapped(np.array(targets)) if lapsed("swapper") else super().run(targets, sources)


class LapsingRecogniser(Embedder):
    """Raises, when it is the guard's."""

    def raw(self, crops):
        if self.session.model_id == "test_mbf" and lapsed("recogniser"):
            raise EngineError("the recogniser failed")
        return super().raw(crops)


class LapsingDetector:
    """Sees nothing."""

    def __init__(self, inner):
        self._inner, self.family = inner, inner.family

    def __call__(self, picture, side):
        return Detections.none(self.family) if lapsed("detector") else self._inner(picture, side)


SPOILT = weakref.WeakSet()
NO_MEMORY = (
    "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. "
    "Name:'Conv_7' Status Message: bfc_arena.cc:360 void* onnxruntime::BFCArena::"
    "AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for "
    "requested buffer of size 1073741824"
)
"""As onnxruntime 1.2x said it in a process whose address space was limited."""


def exhausted(session, specs, feeds):
    """In the place of `onnx.plain_run`: an arena that has no memory left from some time on."""
    if struck():
        SPOILT.add(session)
    if session in SPOILT:
        raise Fail(NO_MEMORY)
    return REAL_RUN(session, specs, feeds)


def hanging(session, specs, feeds):
    """Likewise: one run that stays in native code for ever, without the interpreter's lock."""
    while struck() or hanging.stuck:
        hanging.stuck = True
        ctypes.CDLL(None).pause()
    return REAL_RUN(session, specs, feeds)


hanging.stuck = False


def leaking():
    """Beside the engine: memory, descriptors and threads that nobody gives back."""
    kept, asleep = [], threading.Event()
    while True:
        time.sleep(0.2)
        if Path(os.environ["EDGED_FAULT_FILE"]).exists():
            kept.append((bytearray(os.urandom(1 << 20)), os.dup(2)))
            threading.Thread(target=asleep.wait, daemon=True).start()


def check_blindly(self, *args):
    Forgetful.second_look = True
    try:
        return REAL_CHECK(self, *args)
    finally:
        Forgetful.second_look = False


REAL_CHECK = Guard.disguise
REAL_RUN = onnx.plain_run
KIND = sys.argv.pop(1)
if KIND in ATTACKS:
    loading.Swapper = FaultySwapper
elif KIND == "lapsing":
    loading.Swapper, loading.Embedder = LapsingSwapper, LapsingRecogniser
    loading.Scrfd = lambda *a: LapsingDetector(Scrfd(*a))
elif KIND == "raising-recogniser":
    loading.Embedder = Raising
elif KIND == "hanging-detector":
    loading.Scrfd = lambda *a: Hanging(Scrfd(*a))
elif KIND == "oom":
    onnx.plain_run = exhausted
elif KIND == "hang":
    onnx.plain_run = hanging
elif KIND == "leaking":
    threading.Thread(target=leaking, daemon=True).start()
elif KIND == "forgetful-detectors":
    loading.Scrfd = lambda *a: Forgetful(Scrfd(*a))
    loading.YuNet = lambda *a: Forgetful(YuNet(*a))
    Guard.disguise = check_blindly
elif KIND == "not-hardened":
    hardening.harden = hardening.found
elif KIND == "no-core-limit":
    hardening.resource.setrlimit = lambda *_: None
else:
    raise SystemExit(f"unknown fault {KIND}")

from edged.cli import main  # noqa: E402

sys.exit(main())
