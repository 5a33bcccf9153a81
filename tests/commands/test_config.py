"""`edged config` as a person and as a script meet it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from edged.commands.config import app
from edged.config import load


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs `edged config ...` in an empty folder and home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("EDGED_CONFIG", raising=False)
    return lambda *words: CliRunner().invoke(app, words)


def edged(folder, *words):
    """The real command in its own process."""
    return subprocess.run(
        [sys.executable, "-m", "edged", *words], cwd=folder, capture_output=True, text=True,
        check=False, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip


def test_init_writes_a_file_that_check_finds_good(run, tmp_path):
    """Two commands from nothing to a checked configuration."""
    assert run("init").exit_code == 0
    checked = run("check")
    assert checked.exit_code == 0, checked.output
    assert "edged.toml: good" in checked.output
    assert load(tmp_path / "edged.toml").device.name


def test_init_does_not_overwrite(run, tmp_path):
    """An existing file stays, unless forced."""
    (tmp_path / "edged.toml").write_text("mine")
    assert run("init").exit_code != 0
    assert (tmp_path / "edged.toml").read_text() == "mine"
    assert run("init", "--force").exit_code == 0
    assert "[device]" in (tmp_path / "edged.toml").read_text()


def test_check_as_json_has_every_problem(run, tmp_path):
    """Exit code 78 and one object."""
    (tmp_path / "bad.toml").write_text("[device]\nnme = 1\n[brokr]\n")
    checked = run("check", "bad.toml", "--json")
    assert checked.exit_code == 78
    found = json.loads(checked.stdout)
    assert found["ok"] is False
    assert len(found["problems"]) == 5  # two keys, device.name, cameras, scenes


def test_check_opens_the_pictures(run, tmp_path):
    """A photo that is none, and a built-in that there is not, are found before a visitor is."""
    run("init")
    path = tmp_path / "edged.toml"
    good = path.read_text()
    path.write_text(good.replace('"builtin:character"]', '"face.jpg"]'))
    assert 'face.jpg": cannot be read' in run("check").output
    (tmp_path / "face.jpg").write_text("no picture")
    assert "no picture that can be decoded" in run("check").output
    path.write_text(good.replace("builtin:poster", "builtin:nobody"))
    assert "scenes.poster.template: " in run("check").output


def test_show_prints_toml_that_loads(run, tmp_path):
    """What is in force can be pasted."""
    run("init")
    (tmp_path / "shown.toml").write_text(run("show").stdout)
    assert load(tmp_path / "shown.toml") == load(tmp_path / "edged.toml")
    assert json.loads(run("show", "--json").stdout)["broker"]["port"] == 1883


def test_a_bad_configuration_ends_the_process_with_78(tmp_path):
    """Through the real command line: all problems on stderr, no traceback."""
    (tmp_path / "edged.toml").write_text("[device]\nnme = 1\n")
    done = edged(tmp_path, "config", "show")
    assert done.returncode == 78
    assert "device.nme: unknown key" in done.stderr
    assert "device.name: is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
