"""The watchdog is fed by work that was done, never by the clock."""

from __future__ import annotations

import time

import numpy as np
import pytest

from edged.daemon.pulse import Pulse
from edged.privacy.guard import Refused
from edged.verdicts import Reason


class Sessions:
    """A self-test that works, raises or is counted."""

    def __init__(self):
        self.tries, self.error = 0, None

    def __call__(self):
        self.tries += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
def sessions():
    return Sessions()


@pytest.mark.parametrize("reason", [Reason.NO_FACE, Reason.FACE_UNCHANGED, Reason.NO_CONSENT])
def test_a_frame_that_is_refused_for_what_it_shows_is_work_done(sessions, reason):
    """As one that passed is."""
    pulse = Pulse(sessions)
    pulse.finished(object())
    pulse.finished(Refused(reason))
    assert pulse.beats == 2


@pytest.mark.parametrize("reason", [Reason.PIPELINE_ERROR, Reason.GUARD_ERROR])
def test_a_frame_that_fails_in_the_engine_is_none(sessions, reason):
    """Nor one without an outcome: an engine that fails each frame must not look alive."""
    pulse = Pulse(sessions)
    pulse.finished(Refused(reason))
    pulse.finished(None)
    assert pulse.beats == 0


def test_without_frames_the_sessions_are_tried_now_and_then(sessions):
    """Not while frames come through, and not more often than asked."""
    pulse = Pulse(sessions, every_s=0.2)
    pulse.between()
    assert (sessions.tries, pulse.beats) == (0, 0)
    time.sleep(0.25)
    pulse.between()
    pulse.between()
    assert (sessions.tries, pulse.beats) == (1, 1)
    time.sleep(0.25)
    pulse.finished(np.zeros(1))
    pulse.between()
    assert sessions.tries == 1


def test_frames_that_fail_do_not_keep_the_sessions_from_being_tried(sessions):
    """A sender of bad frames can neither feed the watchdog nor starve it."""
    pulse = Pulse(sessions, every_s=0.2)
    time.sleep(0.25)
    pulse.finished(Refused(Reason.PIPELINE_ERROR))
    pulse.between()
    assert (sessions.tries, pulse.beats) == (1, 1)


def test_a_failing_self_test_is_no_beat_and_a_trouble_until_it_works_again(sessions, caplog):
    """Its text stays here: libraries put shapes and values into theirs."""
    pulse = Pulse(sessions, every_s=0.05)
    sessions.error = RuntimeError("CUDA error 2 on a crop of 112 x 112")
    time.sleep(0.06)
    pulse.between()
    assert (pulse.beats, pulse.trouble) == (0, "self-test-failed")
    assert "112" not in caplog.text
    sessions.error = None
    time.sleep(0.06)
    pulse.between()
    assert (pulse.beats, pulse.trouble) == (1, "")


def test_frames_that_fail_one_after_the_other_are_a_trouble_until_one_is_good(sessions):
    """The self-test cannot try all models: a swapper that fails on each frame must show."""
    pulse = Pulse(sessions)
    for _ in range(4):
        pulse.finished(Refused(Reason.PIPELINE_ERROR))
    assert pulse.trouble == ""
    pulse.finished(None)
    assert pulse.trouble == "frames-failing"
    pulse.finished(Refused(Reason.NO_FACE))
    assert pulse.trouble == ""
