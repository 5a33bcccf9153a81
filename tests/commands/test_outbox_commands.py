"""Behaviour of `edged outbox` and `edged purge` against a real control socket and outbox."""

import json
import tempfile
from pathlib import Path

import msgspec
import pytest
from outbox_kit import ok_reply, put
from typer.testing import CliRunner

from edged.cli import app
from edged.errors import LinkError, OperatorError
from edged.transport.control import ControlServer
from edged.transport.outbox import Outbox, PurgeSelector


@pytest.fixture
def run_dir():
    with tempfile.TemporaryDirectory(prefix="edged-") as folder:  # short, for the socket's path
        yield Path(folder)


@pytest.fixture
def outbox(tmp_path, run_dir):
    box = Outbox.open(tmp_path / "o")

    def handler(command):
        if command.name == "purge":
            receipt = box.purge(PurgeSelector.from_data(command.data))
            return ok_reply(command.id, **msgspec.structs.asdict(receipt))
        return ok_reply(command.id, **msgspec.structs.asdict(box.stats()))

    server = ControlServer(f"ipc://{run_dir}/control.sock", handler)
    server.start()
    yield box
    server.stop()
    box.close()


def edged(run_dir: Path, *words: str, answer: str | None = None):
    return CliRunner().invoke(app, [*words, "--run-dir", str(run_dir)], input=answer)


def test_outbox_says_what_waits(outbox, run_dir):
    """As words and as JSON."""
    put(outbox)
    outbox.ack(1)
    put(outbox)
    shown = edged(run_dir, "outbox")
    assert shown.exit_code == 0
    assert "waiting      1 rows" in shown.stdout
    assert json.loads(edged(run_dir, "outbox", "--json").stdout)["retained"] == 1


def test_purge_asks_first(outbox, run_dir):
    """Without a yes nothing goes; with one everything does."""
    put(outbox)
    assert edged(run_dir, "purge", "--all", answer="n\n").exit_code == 1
    assert outbox.stats().used_bytes > 0
    asked = edged(run_dir, "purge", "--all", answer="y\n")
    assert asked.exit_code == 0
    assert "purged 1 pictures" in asked.stdout
    assert outbox.stats().used_bytes == 0


def test_purge_takes_each_selector(outbox, run_dir):
    """By shot, by consent, by time; the receipt is JSON on request."""
    first = put(outbox)
    put(outbox, consents=("c-1",))
    put(outbox)
    for words in (["--shot", first], ["--consent", "c-1"], ["--before", "2999-01-01"]):
        done = edged(run_dir, "purge", *words, "--yes", "--json")
        assert json.loads(done.stdout)["rows"] == 1


@pytest.mark.parametrize("words", [[], ["--all", "--shot", "x"], ["--before", "yesterday"]])
def test_a_vague_purge_is_a_usage_error(run_dir, words):
    """Exit code 2, and no engine is asked."""
    assert edged(run_dir, "purge", "--yes", *words).exit_code == 2


def test_a_refused_purge_is_told(outbox, run_dir):
    """What the engine says is what the operator reads; the id is not taken for granted."""
    result = edged(run_dir, "purge", "--consent", "not a ref", "--yes")
    assert isinstance(result.exception, OperatorError)
    assert "exactly one of" in str(result.exception)
    assert outbox.stats().depth == 0


def test_no_engine_is_told_with_the_cure(run_dir):
    """Exit code 69 by its error class."""
    for words in (["outbox"], ["purge", "--all", "--yes"]):
        result = edged(run_dir, *words)
        assert isinstance(result.exception, LinkError)
        assert "edged run" in str(result.exception)
    assert list(run_dir.iterdir()) == []
