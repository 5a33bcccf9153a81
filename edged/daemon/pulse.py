"""The pulse of the engine: what its watchdog is fed by.

A beat is a frame that went through all stages, or, when there was none for a while, a
self-test of the same sessions on the same thread.  A timer beats on while a session
hangs or fails each frame; this does not, so that a GPU that is lost or out of memory ends
in a restart with new sessions and not in a device that says it is well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np

from edged.pipeline.parts import Stages
from edged.privacy.guard import Refused
from edged.stages.embed import SIZE_PX
from edged.stages.search import search
from edged.stages.views import Effort
from edged.verdicts import Reason

log = logging.getLogger(__name__)

SELF_TEST_S = 5.0
"""Without a frame for so long, the sessions are tried: 20 ms of work on a CPU."""

FAILING = 5
"""Frames in a row that fail in the engine, for reasons of its own, degrade the device."""

BROKEN = frozenset({Reason.PIPELINE_ERROR, Reason.GUARD_ERROR})
"""Reasons that say nothing of a frame and something of the engine."""


class Pulse:
    """Counts beats.

    Args:
        self_test: runs the sessions; raises when they do not work.
        every_s: it is run after so long without a good frame.

    Attributes:
        beats: moves while the engine does its work.
    """

    def __init__(self, self_test: Callable[[], None], every_s: float = SELF_TEST_S) -> None:
        self._self_test = self_test
        self._every_s = every_s
        self._tried_s = self._beat_s = time.monotonic()
        self.beats = 0
        self._untested = ""
        self._failing = 0

    def finished(self, ruling: object) -> None:
        """A frame is through, with what the guard ruled; None when it has no outcome."""
        if ruling is None or (isinstance(ruling, Refused) and ruling.reason in BROKEN):
            self._failing += 1
            return
        self._failing = 0
        self._beat()

    @property
    def trouble(self) -> str:
        """Slug for the device's state; empty while self-test and frames are good."""
        if self._untested:
            return self._untested
        return "frames-failing" if self._failing >= FAILING else ""

    def between(self) -> None:
        """Try the sessions, if it is time to; on their thread, with no frame in them."""
        now_s = time.monotonic()
        if now_s - max(self._beat_s, self._tried_s) < self._every_s:
            return
        self._tried_s = now_s
        try:
            self._self_test()
        except Exception as error:  # noqa: BLE001 - the boundary: whatever a library raises
            log.error("self-test: %s", type(error).__name__)  # noqa: TRY400 - no text, as ever
            self._untested = "self-test-failed"
        else:
            self._untested = ""
            self._beat()

    def _beat(self) -> None:
        self._beat_s = time.monotonic()
        self.beats += 1


def self_test_of(stages: Stages, side_px: int) -> Callable[[], None]:
    """A self-test: the first detector and the recogniser, on noise.

    Args:
        stages: loaded.
        side_px: a size that the detector was warmed at.
    """
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    face = np.ascontiguousarray(noise[None, :SIZE_PX, :SIZE_PX])

    def self_test() -> None:
        search(noise, stages.detectors, Effort((side_px,), families=1))
        stages.recogniser(face)

    return self_test
