"""What becomes of shots when a session runs out of memory or never comes back."""

from __future__ import annotations

import uuid
from pathlib import Path

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


class Supervised(Booth):
    """Its engine and uplink run under `edged run`; `engine` is the supervisor here."""

    def start_engine(self, *, wait=True):
        faulty = str(Path(__file__).parents[1] / "fakes" / "faulty_run.py")
        words = [faulty, self._fault, *self._edged("run")[2:]]
        self.engine = self._start(words, {"EDGED_FAULT_FILE": str(self.fault_file)})
        if wait:
            self.wait_engine()

    def start_uplink(self):
        """The supervisor does."""


def test_a_stage_that_hangs_is_answered_for_and_the_engine_started_anew(tmp_path, test_models):
    """The shot fails at its deadline; sent again, the new engine takes it and says why it is."""
    extra = SLOW_MACHINE.format(deadline_ms=5_000)
    with Supervised(tmp_path, models=test_models, fault="hang", extra=extra) as booth:
        shot = str(uuid.uuid4())
        booth.fault_file.touch()
        answers = [booth.send(astronaut(), camera="booth", shot=shot)]
        while answers[-1].verdict.verdict != "queued":
            assert len(answers) < 10
            answers.append(booth.send(astronaut(), camera="booth", shot=shot))
        assert answers[0].verdict.verdict == "failed"
        assert {a.verdict.reason for a in answers[:-1]} <= {"deadline", "stopping"}
        assert booth.published(answers[-1])[0]["id"] == shot
        until(lambda: heard(booth, "engine-restarted"), 20, "the event")
        assert heard(booth, "engine-ending") == ["stage-stuck"]
        assert heard(booth, "engine-restarted") == ["stage-stuck"]
        assert "ended with exit code 70" in booth.log_text()
        assert booth.engine.poll() is None
