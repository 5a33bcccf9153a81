"""Behaviour of `edged outbox`, `purge` and `receipt` with a real control socket and outbox."""

import json
import tempfile
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from outbox_kit import ok_reply, put
from typer.testing import CliRunner

from edged.cli import app
from edged.errors import LinkError, OperatorError
from edged.transport.control import ControlServer
from edged.transport.outbox import Outbox, PurgeSelector
from edged.transport.receipts import Notary


@pytest.fixture
def run_dir():
    with tempfile.TemporaryDirectory(prefix="edged-") as folder:  # short, for the socket's path
        yield Path(folder)


@pytest.fixture
def outbox(tmp_path, run_dir):
    box = Outbox.open(tmp_path / "o")

    notary = Notary(Ed25519PrivateKey.from_private_bytes(bytes(32)), "booth-1", "hall")

    def handler(command):
        if command.name == "purge":
            selector = PurgeSelector.from_data(command.data)
            found = box.purge(selector)
            signed = notary.sign(selector, found, box.session, clock_synced=False)
            counts = msgspec.to_builtins(msgspec.structs.replace(found, removed=()))
            return ok_reply(command.id, **counts, receipt=signed)
        if command.name == "status":
            return ok_reply(command.id, info={"receipt_key": notary.public_key})
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


def verified(*words):
    return CliRunner().invoke(app, ["receipt", "verify", *[str(word) for word in words]])


def test_the_receipt_of_a_purge_is_kept_and_checked(outbox, run_dir, tmp_path):
    """Written by `purge`, verified with the key that the device tells, by whoever has both."""
    put(outbox, consents=("c-1",))
    kept, key = tmp_path / "receipt.json", tmp_path / "booth-1.key"
    done = edged(run_dir, "purge", "--consent", "c-1", "--yes", "--receipt", str(kept))
    assert done.exit_code == 0
    key.write_text(edged(run_dir, "receipt", "key").stdout)
    said = verified(kept, "--key", key, "--consent", "c-1")
    assert said.exit_code == 0, said.output
    assert "valid: signed by booth-1 at hall" in said.stdout
    assert "removed  1 results and pictures, 1 keys destroyed" in said.stdout
    assert f"booth 1 to 1, session {outbox.session}" in said.stdout
    assert "NOT synchronised" in said.stdout
    told = json.loads(verified(kept, "--key", key.read_text().strip(), "--json").stdout)
    assert told["rows"] == 1


@pytest.mark.usefixtures("outbox")
def test_a_receipt_for_somebody_else_is_told_apart(run_dir, tmp_path):
    """A valid receipt proves nothing to one whose reference is not in it."""
    kept = tmp_path / "receipt.json"
    edged(run_dir, "purge", "--consent", "c-1", "--yes", "--receipt", str(kept))
    key = edged(run_dir, "receipt", "key").stdout.strip()
    for words in (["--consent", "c-2"], ["--shot", "c-1"]):
        said = verified(kept, "--key", key, *words)
        assert isinstance(said.exception, OperatorError)
        assert "another" in str(said.exception)


@pytest.mark.usefixtures("outbox")
@pytest.mark.parametrize("text", [None, "", "[]", "{}", "null", '{"data": 1}', "x" * (1 << 21)])
def test_a_file_that_is_no_receipt_is_said_not_to_be_valid(run_dir, tmp_path, text):
    """A tampered one as well as something else."""
    kept = tmp_path / "receipt.json"
    edged(run_dir, "purge", "--all", "--yes", "--receipt", str(kept))
    key = edged(run_dir, "receipt", "key").stdout.strip()
    kept.write_text(kept.read_text().replace('"rows": 0', '"rows": 7') if text is None else text)
    said = verified(kept, "--key", key)
    assert "NOT valid" in str(said.exception)
    assert not said.stdout


@pytest.mark.usefixtures("outbox")
def test_a_whole_reply_is_read_too(run_dir, tmp_path):
    """What `purge --json` prints and what came over MQTT need no cutting out."""
    key = edged(run_dir, "receipt", "key").stdout.strip()
    printed = edged(run_dir, "purge", "--all", "--yes", "--json").stdout
    for number, text in enumerate([printed, json.dumps({"id": "c", "data": json.loads(printed)})]):
        kept = tmp_path / f"{number}.json"
        kept.write_text(text)
        assert verified(kept, "--key", key).exit_code == 0


def test_a_receipt_that_cannot_be_written_is_shown(outbox, run_dir, tmp_path):
    """The purge is done and cannot be signed for again."""
    put(outbox)
    done = edged(run_dir, "purge", "--all", "--yes", "--receipt", str(tmp_path / "no" / "r.json"))
    assert isinstance(done.exception, OperatorError)
    assert json.loads(done.stdout)["receipt"]["rows"] == 1
