"""`edged status` against a real control socket with a fake engine behind it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from edged.cli import app
from edged.errors import LinkError
from edged.transport.clock import wall_ms
from edged.transport.control import ControlServer
from edged.transport.wire import ReplyDoc


def ask(*words):
    return CliRunner().invoke(app, ["status", *words])


@pytest.fixture
def engine(tmp_path):
    """A control socket that answers `status` as told."""
    reply = {"status": "ok", "data": {"state": "online", "health": {"rss_mb": 512}}}
    tmp_path.chmod(0o700)
    server = ControlServer(
        f"ipc://{tmp_path}/control.sock",
        lambda request: ReplyDoc(
            id=request.id, ts_ms=wall_ms(), **(reply if request.name == "status" else {})
        ),
    )
    server.start()
    yield reply
    server.stop()


@pytest.mark.usefixtures("engine")
def test_people_see_state_and_figures(tmp_path):
    """Nested figures are one line each, under their full name."""
    shown = ask("--run-dir", str(tmp_path)).output
    assert shown.startswith("engine: answered in ")
    assert any(line.split() == ["health.rss_mb", "512"] for line in shown.splitlines())


@pytest.mark.usefixtures("engine")
def test_programs_see_one_object(tmp_path):
    """--json gives what the engine said and how long it took."""
    told = json.loads(ask("--run-dir", str(tmp_path), "--json").output)
    assert told["state"] == "online"
    assert 0 <= told["answered_in_ms"] < 5000


def test_an_error_of_the_engine_is_an_error(tmp_path, engine):
    """A reply with an error ends the command with it."""
    engine.update(status="error", data={}, error="not now")
    done = ask("--run-dir", str(tmp_path))
    assert isinstance(done.exception, LinkError)
    assert "not now" in str(done.exception)


def test_no_engine_is_said(tmp_path):
    """Without an engine the message says how to start one."""
    done = ask("--run-dir", str(tmp_path))
    assert isinstance(done.exception, LinkError)
    assert "edged run" in str(done.exception)
