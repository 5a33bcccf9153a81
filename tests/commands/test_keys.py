"""`edged keys`: what it makes, what it says, and what it never shows."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edged.transport import keyring

CONFIG = """
[device]
name = "booth-1"
[cameras.door]
scene = "hide"
[cameras.hall]
scene = "hide"
[scenes.hide]
mode = "disguise"
identities = ["bob"]
[identities.bob]
photos = ["builtin:character"]
[outbox]
folder = "state/outbox"
"""


@pytest.fixture
def keys(tmp_path):
    """The command in a folder of its own; the process that ended."""
    (tmp_path / "edged.toml").write_text(CONFIG)

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "edged", "keys", *words],
            check=False, capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip

    return run


def test_from_nothing_to_a_camera_and_back(keys, tmp_path):
    """Before there is a table [frames.lan], as the README has it; secrets are never shown."""
    made = json.loads(keys("new", "--json").stdout)
    door = json.loads(keys("camera", "door", "--json").stdout)
    pair, server = keyring.read_camera_file(tmp_path / "door.key")
    assert door == {
        "camera": "door", "server_key": made["public_key"], "path": "door.key",
        "public_key": pair.public.decode(),
    }  # fmt: skip
    assert server.decode() == made["public_key"]
    own = keyring.Pair.fresh().public.decode()
    assert keys("camera", "hall", "--public", own).returncode == 0
    listed = json.loads(keys("list", "--json").stdout)
    assert listed["cameras"] == {"door": door["public_key"], "hall": own}
    secrets = [pair.secret, keyring.read_device(tmp_path / "state/keys").secret]
    shown = keys("list").stdout + json.dumps([made, door, listed])
    assert [one for one in secrets if one.decode() in shown] == []
    assert json.loads(keys("revoke", "door", "--json").stdout)["revoked_key"] == door["public_key"]
    assert json.loads(keys("list", "--json").stdout)["cameras"] == {"hall": own}


def test_before_the_device_has_a_key(keys):
    """It says which command makes it, and lists that there is none."""
    done = keys("camera", "door")
    assert (done.returncode, "edged keys new" in done.stderr) == (71, True)
    assert "edged keys new" in keys("list").stdout


def test_a_camera_that_is_not_configured_gets_no_key(keys):
    """With the name that was meant."""
    keys("new")
    done = keys("camera", "dor")
    assert (done.returncode, 'did you mean "door"' in done.stderr) == (71, True)


def test_a_file_that_is_there_is_kept_and_nobody_is_let_in(keys, tmp_path):
    """It may be a key that is in use."""
    keys("new")
    (tmp_path / "door.key").write_text("mine")
    done = keys("camera", "door")
    assert (done.returncode, "--out" in done.stderr) == (71, True)
    assert (tmp_path / "door.key").read_text() == "mine"
    assert json.loads(keys("list", "--json").stdout)["cameras"] == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--server-key", "x" * 40], "--curve-key"),
        (["--curve-key", "own.key"], "--server-key"),
        (["--curve-key", "own.key", "--server-key", "short"], "40 characters"),
        (["--curve-key", "gone.key"], "cannot be read"),
    ],
)
def test_what_a_sender_needs_is_said(keys, tmp_path, words, said):
    """`edged send` with half of its keys."""
    keys("new")
    pair = keyring.Pair.fresh()
    path = tmp_path / "own.key"
    path.write_text(
        f'public-key = "{pair.public.decode()}"\nsecret-key = "{pair.secret.decode()}"\n'
    )
    path.chmod(0o600)
    (tmp_path / "photo.jpg").write_bytes(b"x")
    done = subprocess.run(
        [sys.executable, "-m", "edged", "send", "photo.jpg", "--endpoint", "tcp://127.0.0.1:9",
         *words],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert said in done.stderr
    assert pair.secret.decode() not in done.stderr
