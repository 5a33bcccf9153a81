"""An engine that runs now."""

from __future__ import annotations

import pytest
from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks import engine
from edged.transport.control import ControlServer
from edged.transport.wire import ReplyDoc


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """The run folder, which is found by its variable."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("EDGED_RUN_DIR", str(folder))
    return folder


@pytest.fixture
def running(run_dir):
    """`running(state, reason)`: an engine's control socket that answers so."""
    servers = []

    def start(state, reason=""):
        def reply(command):
            return ReplyDoc(
                id=command.id, ts_ms=1, clock_synced=True, status="ok",
                data={"state": state, "reason": reason, "since_ms": 1},
            )  # fmt: skip

        servers.append(ControlServer(f"ipc://{run_dir}/control.sock", reply))
        servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def host(tmp_path):
    """This machine's own root, as the socket lies in it."""
    return FakeHost(tmp_path.__class__("/"))


@pytest.mark.usefixtures("run_dir")
def test_no_engine_is_well(host):
    """The doctor is asked before the first start, too."""
    assert ids(engine.look(host, setup())) == {"engine.none": "ok"}


def test_an_engine_that_is_well_says_so(host, running):
    """Over its control socket."""
    running("online")
    assert ids(engine.look(host, setup())) == {"engine.well": "ok"}


def test_a_degraded_engine_knows_why(host, running):
    """Its own reason is shown."""
    running("degraded", "guard-not-calibrated")
    one = only(engine.look(host, setup()))
    assert (one.id, one.level) == ("engine.degraded", "warn")
    assert "guard-not-calibrated" in one.what


def test_a_socket_that_nobody_answers_on_is_told(host, run_dir, monkeypatch):
    """The engine is stuck, or was killed."""
    monkeypatch.setattr(engine, "PATIENCE_S", 0.05)
    (run_dir / "control.sock").touch()
    assert ids(engine.look(host, setup())) == {"engine.mute": "warn"}
