"""`edged install` writes what it says, keeps what is the operator's, and takes it away again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from outbox_kit import fill

from edged.config import loads
from edged.errors import ConfigError, OperatorError
from edged.service.carry import carry_out
from edged.service.plan import (
    CONFIG,
    LAN_SOCKET,
    UNITS,
    Step,
    first_config,
    install_steps,
    uninstall_steps,
)
from edged.service.stored import files_of, keys_of
from edged.transport.outbox import Outbox
from edged.transport.receipt_key import open_key

PROGRAM = Path("/opt/booth/bin/edged")


def quiet(*_):
    """Nobody listens."""


def files(root):
    """Every file below a folder, as paths from it."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_an_image_gets_files_and_nothing_is_run(tmp_path):
    """Units with the path of this installation, user, folders, a configuration."""
    carry_out(install_steps(tmp_path, PROGRAM, "booth-7", start=False), quiet)
    assert files(tmp_path) == {
        *(f"etc/systemd/system/{name}" for name in UNITS),
        "etc/sysusers.d/edged.conf", "etc/tmpfiles.d/edged.conf", "etc/edged/edged.toml",
    }  # fmt: skip
    unit = (tmp_path / "etc/systemd/system/edged-engine.service").read_text()
    assert f"ExecStart={PROGRAM} engine " in unit
    assert "/opt/edged" not in unit


def test_the_first_configuration_is_valid_and_keeps_its_state_with_the_units():
    """Also for root, whose own state folder is another."""
    config = loads(first_config("booth-7"), CONFIG)
    assert config.device.name == "booth-7"
    assert {config.outbox.folder, config.models.folder, config.engines.folder} == {
        Path("/var/lib/edged/outbox"), Path("/var/lib/edged/models"), Path("/var/lib/edged/engines")
    }  # fmt: skip


def test_again_it_writes_the_units_anew_and_keeps_the_configuration(tmp_path):
    """An update brings its own units; what the operator wrote is the operator's."""
    carry_out(install_steps(tmp_path, PROGRAM, "booth-7", start=False), quiet)
    config = tmp_path / "etc/edged/edged.toml"
    config.write_text("# mine")
    unit = tmp_path / "etc/systemd/system/edged.target"
    unit.write_text("old")
    carry_out(install_steps(tmp_path, PROGRAM, "booth-7", start=False), quiet)
    assert config.read_text() == "# mine"
    assert unit.read_text() != "old"


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ('[frames.lan]\nlisten = "192.0.2.5:5600"', "192.0.2.5:5600"),
        ("# mine", "127.0.0.1:5555"),
        ("[frames\n", "127.0.0.1:5555"),
        ("frames = 3", "127.0.0.1:5555"),
        ('[frames.lan]\nlisten = "booth:5600\\nService=x"', "127.0.0.1:5555"),
    ],
)
def test_the_socket_for_cameras_gets_the_address_of_the_configuration(tmp_path, text, listen):
    """And is never started by an installation."""
    config = tmp_path / "etc/edged/edged.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    carry_out(install_steps(tmp_path, PROGRAM, "booth-7", start=False), quiet)
    unit = (tmp_path / "etc/systemd/system" / LAN_SOCKET).read_text()
    assert [line for line in unit.splitlines() if line.startswith("ListenStream=")] == [
        f"ListenStream={listen}"
    ]
    argvs = [step.argv for step in install_steps(Path("/"), PROGRAM, "b", start=True)]
    assert all(LAN_SOCKET not in argv for argv in argvs)


def test_uninstall_keeps_state_and_purge_removes_all(tmp_path):
    """The keys of stored pictures go first."""
    carry_out(install_steps(tmp_path, PROGRAM, "booth-7", start=False), quiet)
    keys = tmp_path / "var/lib/edged/outbox/outbox.keys"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"k")
    carry_out(uninstall_steps(tmp_path, purge=False), quiet)
    assert files(tmp_path) == {"etc/edged/edged.toml", "var/lib/edged/outbox/outbox.keys"}
    carry_out(install_steps(tmp_path, PROGRAM, "booth-7", start=False), quiet)
    edited = tmp_path / "etc/systemd/system/edged-camera@booth.service.d/override.conf"
    edited.parent.mkdir()
    edited.write_text("[Service]\n")
    other = tmp_path / "elsewhere"
    other.write_bytes(b"not ours")
    aside = keys.with_name("outbox.keys.damaged-20260101T000000Z")
    aside.write_bytes(b"older")
    keys.with_name("receipt.key").symlink_to(other)
    order = []
    with keys.open("rb") as still, aside.open("rb") as still_aside:
        carry_out(uninstall_steps(tmp_path, purge=True), lambda step, _: order.append(step.path))
        assert still.read() + still_aside.read() == bytes(6)  # on the disk, too
    assert files(tmp_path) == {"elsewhere"}
    assert other.read_bytes() == b"not ours"
    assert order[0] == keys


def test_purge_finds_the_outbox_where_the_configuration_has_it(tmp_path):
    """Its keys are overwritten, its files are gone, what else lies there stays."""
    config = tmp_path / "etc/edged/edged.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[outbox]\nfolder = "/mnt/big/booth"\n')
    outbox = tmp_path / "mnt/big/booth"
    outbox.mkdir(parents=True)
    names = "outbox.keys", "outbox.db", "outbox.db-wal", "outbox.keys.damaged-1", "receipt.key"
    for name in (*names, "lock", "holiday.jpg"):
        (outbox / name).write_bytes(b"k")
    (outbox / "outbox.old").mkdir()
    (outbox / "outbox.old/mine").write_bytes(b"k")
    kept = [(outbox / name).open("rb") for name in names if ".key" in name]
    carry_out(uninstall_steps(tmp_path, purge=True), quiet)
    assert files(tmp_path) == {"mnt/big/booth/holiday.jpg", "mnt/big/booth/outbox.old/mine"}
    for file in kept:
        with file:
            assert file.read() == b"\0"


def test_purge_knows_every_file_that_an_outbox_makes(tmp_path):
    """While it is open, too; and which of them are keys."""
    with closing(Outbox.open(tmp_path / "o")) as outbox:
        fill(outbox, 3)
        open_key(tmp_path / "o", None, quiet)
        made = set((tmp_path / "o").iterdir())
        assert len(made) > 5
        assert set(files_of(tmp_path / "o")) == made
    assert {path for path, _ in keys_of(tmp_path / "o")} == {p for p in made if ".key" in p.name}


@pytest.mark.parametrize("text", ["[outbox\n", "outbox = 3\n", "[outbox]\nfolder = 3\n"])
def test_purge_does_not_guess_where_the_outbox_lies(tmp_path, text):
    """A configuration that does not tell is an error that says what to do; nothing is removed."""
    config = tmp_path / "etc/edged/edged.toml"
    config.parent.mkdir(parents=True)
    config.write_text(text)
    with pytest.raises(ConfigError, match=r"where the outbox lies .*mend the file"):
        uninstall_steps(tmp_path, purge=True)
    assert uninstall_steps(tmp_path, purge=False)


def test_a_real_system_makes_the_user_before_it_starts_anything():
    """And stops before it removes."""
    argvs = [step.argv for step in install_steps(Path("/"), PROGRAM, "b", start=True) if step.argv]
    assert [argv[0] for argv in argvs] == [
        "systemd-sysusers", "systemd-tmpfiles", "systemctl", "systemctl"
    ]  # fmt: skip
    assert "--now" in argvs[-1]
    first, *_ = uninstall_steps(Path("/"), purge=True)
    assert first.argv[:3] == ("systemctl", "disable", "--now")


@pytest.mark.parametrize("folder", ["/home", "/root", "/run/user", "/srv/my booth"])
def test_an_installation_that_the_units_cannot_see_is_refused(tmp_path, folder):
    """With where to put it instead."""
    with pytest.raises(ConfigError, match="/opt/edged"):
        install_steps(tmp_path, Path(folder, "venv/bin/edged"), "b", start=False)


def test_a_program_that_fails_ends_it_with_its_words(tmp_path):
    """The last line of what it said, and nothing after it is done."""
    failing = Step("run", "fail", argv=("sh", "-c", "echo no such user >&2; exit 3"))
    later = Step("write", "later", tmp_path / "later", "x")
    with pytest.raises(OperatorError, match="no such user"):
        carry_out([failing, later], quiet)
    assert not (tmp_path / "later").exists()
    absent = Step("run", "absent", argv=("/no/such/program",))
    with pytest.raises(OperatorError, match="--root DIR"):
        carry_out([absent], quiet)


def test_the_command_shows_every_step_and_does_none(tmp_path):
    """`--dry-run --json`, as a deployment tool reads it."""
    done = subprocess.run(
        [sys.executable, "-m", "edged", "uninstall", "--purge", "--dry-run", "--json", "--root",
         str(tmp_path)],
        check=False, capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    steps = json.loads(done.stdout)
    assert {step["became"] for step in steps} == {"not done"}
    assert str(tmp_path / "var/lib/edged") in " ".join(step["step"] for step in steps)
