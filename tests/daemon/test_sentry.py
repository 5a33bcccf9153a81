"""A stage that does not come back: its frames are answered, and then the process ends."""

from __future__ import annotations

import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from flow_kit import SHOT, running, until

from edged.daemon.sentry import Sentry

OTHER = SHOT[:-1] + "2"
DEADLINE_MS = 1000  # a busy machine may stand still for a while


@pytest.fixture
def hung(tmp_path):
    """A flow whose pipeline has a shot and does not come back, while another one waits."""
    with running(tmp_path / "outbox", deadline_ms=DEADLINE_MS) as rig:
        rig.pipeline.gate.clear()
        rig.tickets = [rig.shoot(), rig.shoot(OTHER)]
        assert rig.pipeline.entered.wait(10)
        until(lambda: len(rig.flow.watch._open) == 2)
        yield rig


def sentry_of(rig, hopeless=""):
    serving = SimpleNamespace(hopeless=hopeless)
    return Sentry(rig.flow, serving, DEADLINE_MS, lambda *event: rig.events.append(event))


def test_frames_are_answered_at_their_deadline_also_those_behind(hung):
    """Not before; and each once, whatever is made of it later."""
    sentry = sentry_of(hung)
    assert sentry.look() is None
    assert hung.answers.given == []
    time.sleep(DEADLINE_MS / 1000 + 0.05)
    assert sentry.look() is None  # the stage may still come back
    for ticket in hung.tickets:
        doc, _ = hung.answers.of(ticket)
        assert (doc.verdict, doc.reason) == ("failed", "deadline")
    assert ("frame-given-up", "pipeline", {"frames": 2}) in hung.events
    hung.pipeline.gate.set()
    until(lambda: not hung.flow.watch._given_up)
    assert len(hung.answers.given) == 2
    assert hung.outbox.stats().depth == 0
    assert hung.counts() == {"failed": 2}


def test_a_shot_that_was_given_up_may_be_sent_again(hung):
    """What the first one becomes does not disturb it."""
    time.sleep(DEADLINE_MS / 1000 + 0.05)
    sentry_of(hung).look()
    hung.pipeline.gate.set()
    again = hung.shoot()
    assert hung.answers.of(again)[0].verdict == "queued"
    assert hung.outbox.stats().depth == 1


def test_a_stage_that_stays_away_ends_the_process(hung, monkeypatch):
    """Named in the last event, once deadline and grace are over."""
    monkeypatch.setattr("edged.daemon.sentry.GRACE_S", 0.2)
    sentry = sentry_of(hung)
    time.sleep(DEADLINE_MS / 1000 + 0.3)
    assert sentry.look().reason == "stage-stuck"
    assert ("engine-ending", "stage-stuck", {}) in hung.events
    hung.flow.stop(0.1)  # as the process does: nobody waits for the thread
    assert len(hung.answers.given) == 2


def test_a_model_that_cannot_be_opened_any_more_ends_the_process(tmp_path):
    """Its reason is the model's."""
    with running(tmp_path / "outbox") as rig:
        assert sentry_of(rig).look() is None
        assert sentry_of(rig, "gpu-lost").look().reason == "gpu-lost"


def test_shots_that_wait_when_the_process_ends_are_told(hung):
    """Also the one in the stage that hangs: their clients send them again."""
    third = hung.shoot(SHOT[:-1] + "3")
    hung.flow.stop(0.1)
    reasons = [hung.answers.of(ticket)[0].reason for ticket in [*hung.tickets, third]]
    assert reasons == ["stopping"] * 3


def test_a_process_ends_although_something_in_it_hangs():
    """With a code of its own, after what could be closed was closed."""
    program = """
import time
import edged.daemon.sentry as sentry
sentry.CLOSE_S = 0.5
def close():
    print("closing", flush=True)
    time.sleep(600)
sentry.leave(close)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (70, b"closing\n")
