"""What becomes of shots when a session runs out of memory or never comes back."""

from __future__ import annotations

import uuid

from booth import Booth, until
from photos import astronaut

SLOW_MACHINE = """
[runtime]
threads = 1
[frames]
deadline_ms = {deadline_ms}
"""


def heard(booth, name):
    """Reasons of the events of a name that the consumer has."""
    return [event["reason"] for event in booth.consumer.events if event["event"] == name]


def test_a_session_out_of_memory_costs_no_shot(tmp_path, test_models):
    """It is opened anew under the shot that met it; the operator hears of both."""
    extra = SLOW_MACHINE.format(deadline_ms=30_000)
    with Booth(tmp_path, models=test_models, fault="oom", extra=extra) as booth:
        for _ in range(2):
            booth.fault_file.touch()
            assert booth.send(astronaut(), camera="booth").verdict.verdict == "queued"
            assert not booth.fault_file.exists()
        until(lambda: heard(booth, "engine-rebuilt"), 20, "the event")
        assert set(heard(booth, "engine-failed")) == {"model-out-of-memory"}
        assert set(heard(booth, "engine-rebuilt")) == {"model-out-of-memory"}
        until(lambda: booth.ask("status").data["state"] == "online", 20, "all well again")
        assert booth.engine.poll() is None


def test_a_stage_that_hangs_is_answered_for_and_ends_the_process(tmp_path, test_models):
    """The shot fails at its deadline; a new engine takes it, and says why it is there."""
    extra = SLOW_MACHINE.format(deadline_ms=5_000)
    with Booth(tmp_path, models=test_models, fault="hang", extra=extra) as booth:
        shot = str(uuid.uuid4())
        booth.fault_file.touch()
        answer = booth.send(astronaut(), camera="booth", shot=shot).verdict
        assert (answer.verdict, answer.reason) == ("failed", "deadline")
        assert booth.engine.wait(30) == 70
        until(lambda: heard(booth, "engine-ending"), 20, "its last words")
        assert heard(booth, "engine-ending") == ["stage-stuck"]
        booth.start_engine()
        until(lambda: heard(booth, "engine-restarted"), 20, "the event")
        assert heard(booth, "engine-restarted") == ["stage-stuck"]
        again = booth.send(astronaut(), camera="booth", shot=shot)
        assert again.verdict.verdict == "queued"
        assert booth.published(again)[0]["id"] == shot
