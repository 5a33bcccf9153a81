"""`edged models` as a person and as a script meet it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from model_server import serving
from typer.testing import CliRunner

from edged.bench.standins import detector
from edged.commands.models import app
from edged.errors import ModelError

BODY = os.urandom(500_000)
HASH = hashlib.sha256(BODY).hexdigest()
NETWORK = detector.scrfd().SerializeToString(deterministic=True)
NETWORK_HASH = hashlib.sha256(NETWORK).hexdigest()

RECIPE = """\
id = "{id}"
title = "A net"
kind = "detector"
family = "scrfd"
verified = "no"
file = "{id}.onnx"
sha256 = "{sha256}"
[[sources]]
url = "https://example.invalid/{id}.onnx"
[licence]
name = "Research"
commercial = {commercial}
vendor = "A lab"
note = "Not for shops."
[contract]
mean = [127.5, 127.5, 127.5]
std = [128.0, 128.0, 128.0]
strides = [8, 16, 32]
anchors = 2
"""

CONFIG = """\
[device]
name = "a"
[cameras.c]
scene = "s"
[scenes.s]
mode = "disguise"
identities = ["i"]
[identities.i]
photos = ["builtin:character"]
[models]
folder = "models"
recipes = ["recipes"]
mirror = "{mirror}"
"""


@pytest.fixture
def server():
    with serving() as how:
        how.files = {"free.onnx": BODY, "loose.onnx": NETWORK, "paid.onnx": BODY}
        yield how


@pytest.fixture
def folder(tmp_path, monkeypatch, server):
    """An own configuration with three more recipes: free, unpinned, not free."""
    (tmp_path / "recipes").mkdir()
    for model_id, sha256, commercial in (
        ("free", HASH, "true"), ("loose", "unpinned", "true"), ("paid", HASH, "false"),
    ):  # fmt: skip
        text = RECIPE.format(id=model_id, sha256=sha256, commercial=commercial)
        (tmp_path / "recipes" / f"{model_id}.toml").write_text(text)
    (tmp_path / "edged.toml").write_text(CONFIG.format(mirror=server.url))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder):
    """Runs `edged models ...` in the folder."""
    assert folder.is_dir()
    return lambda *words: CliRunner().invoke(app, words)


def test_list_shows_what_is_here_and_on_which_terms(run, folder):
    """One line for each model, licence included."""
    shown = run("list").stdout
    assert "inswapper_128" in shown
    assert "InsightFace non-commercial research" in shown
    found = {one["id"]: one for one in json.loads(run("list", "--json").stdout)}
    assert found["free"]["state"] == "absent"
    assert found["builtin_detector"]["configured"] is True
    assert str(folder / "models") in shown


def test_pull_fetches_a_free_pinned_model_without_a_question(run, folder):
    """Downloaded from the mirror, checked, in place."""
    done = run("pull", "free", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["state"] == "ready"
    assert (folder / "models" / "free.onnx").read_bytes() == BODY


def test_pull_without_ids_makes_the_configured_builtin_pack(run, folder):
    """The default configuration needs no network."""
    assert run("pull").exit_code == 0
    assert (folder / "models" / "builtin_swapper.onnx").is_file()
    verified = run("verify")
    assert verified.exit_code == 0, verified.output


def test_an_unfree_model_is_not_fetched_unaccepted(run, server):
    """Licence, vendor and note are shown; without a person the answer is no."""
    done = run("pull", "paid")
    assert isinstance(done.exception, ModelError)
    assert "--accept-licence paid" in str(done.exception)
    assert "Research (A lab)" in done.output
    assert "Not for shops." in done.output
    assert server.requests == []
    assert run("pull", "paid", "--accept-licence", "paid").exit_code == 0


def test_an_unpinned_model_needs_its_hash_to_be_trusted(run, folder):
    """The hash is shown, nothing is kept as a model; with --trust it is."""
    done = run("pull", "loose")
    assert isinstance(done.exception, ModelError)
    assert NETWORK_HASH in done.output
    assert not (folder / "models" / "loose.onnx").exists()
    assert run("pull", "loose", "--trust", NETWORK_HASH.upper()).exit_code == 0
    assert run("verify", "loose").exit_code == 0


def test_an_unpinned_file_that_is_no_such_network_is_refused_unasked(run, folder, server):
    """The right name and a trusted hash do not make a detector of rubbish."""
    server.files["loose.onnx"] = BODY
    done = run("pull", "loose", "--trust", HASH)
    assert isinstance(done.exception, ModelError)
    assert "no ONNX file" in str(done.exception)
    assert not (folder / "models" / "loose.onnx").exists()


def test_import_knows_a_file_by_its_hash(run, folder):
    """Whatever it is called."""
    (folder / "whatever.bin").write_bytes(BODY)
    shutil.rmtree(folder / "recipes")
    (folder / "recipes").mkdir()
    text = RECIPE.format(id="free", sha256=HASH, commercial="true")
    (folder / "recipes" / "free.toml").write_text(text)
    assert run("import", "whatever.bin").exit_code == 0
    assert (folder / "models" / "free.onnx").read_bytes() == BODY


def test_import_of_a_stranger_asks_which_model_it_is(run, folder):
    """Neither hash nor name known."""
    (folder / "stranger.onnx").write_bytes(b"x")
    done = run("import", "stranger.onnx")
    assert isinstance(done.exception, ModelError)
    assert "--as ID" in str(done.exception)


def test_verify_finds_a_flipped_byte(run, folder):
    """Exit code 66 through the real command, and the cure is named."""
    run("pull", "free")
    path = folder / "models" / "free.onnx"
    path.write_bytes(BODY[:-1] + bytes([BODY[-1] ^ 1]))
    done = run("verify", "free")
    assert isinstance(done.exception, ModelError)
    assert done.exception.exit_code == 66
    assert "edged models pull free" in done.output


def test_ctrl_c_leaves_a_part_that_the_next_pull_continues(folder, server):
    """A real SIGINT in the middle of a download: exit code 130, nothing fetched twice."""
    big = os.urandom(20_000_000)
    server.files["free.onnx"] = big
    text = RECIPE.format(id="free", sha256=hashlib.sha256(big).hexdigest(), commercial="true")
    (folder / "recipes" / "free.toml").write_text(text)
    server.pace_s = 0.02
    words = [sys.executable, "-m", "edged", "models", "pull", "free"]
    child = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 30
    while not _part_bytes(folder) > 1_000_000:
        assert time.monotonic() < deadline
        assert child.poll() is None, child.stdout.read()
    child.send_signal(signal.SIGINT)
    output, _ = child.communicate(timeout=20)
    assert child.returncode == 130, output
    assert b"Traceback" not in output
    kept = _part_bytes(folder)
    server.pace_s = 0.0
    done = subprocess.run(words, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "models" / "free.onnx").read_bytes() == big
    assert int(server.requests[-1][1].removeprefix("bytes=").rstrip("-")) >= kept - 300_000 > 0


def _part_bytes(folder):
    return sum(path.stat().st_size for path in (folder / "models").glob(".free.onnx.*.part"))
