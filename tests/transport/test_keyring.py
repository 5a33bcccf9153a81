"""Keys of LAN cameras: their files, and who is let in."""

from __future__ import annotations

import os
import stat

import pytest
import zmq.auth

from edged.errors import OperatorError
from edged.transport import keyring
from edged.transport.keyring import Pair, Roll


@pytest.fixture
def folder(tmp_path):
    keyring.make_device(tmp_path / "keys")
    return tmp_path / "keys"


def test_the_secret_is_its_owners_alone(folder):
    """Folder 0700, file 0600, and nothing of it in a repr."""
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(keyring.device_path(folder).stat().st_mode) == 0o600
    pair = keyring.read_device(folder)
    assert pair.secret.decode() not in repr(pair)


def test_zeromq_itself_reads_the_files(folder):
    """They have the form of its certificates."""
    pair = keyring.read_device(folder)
    assert zmq.auth.load_certificate(keyring.device_path(folder)) == (pair.public, pair.secret)


def test_a_pair_is_replaced_only_when_that_is_said(folder):
    """Every camera would be shut out."""
    before = keyring.read_device(folder)
    with pytest.raises(OperatorError, match="--replace"):
        keyring.make_device(folder)
    assert keyring.read_device(folder) == before
    assert keyring.make_device(folder, replace=True) != before.public


def test_a_secret_that_others_may_read_is_refused(folder):
    """As ssh does."""
    keyring.device_path(folder).chmod(0o640)
    with pytest.raises(OperatorError, match="chmod 600"):
        keyring.read_device(folder)


@pytest.mark.parametrize("damage", [b"", b"\0" * 9000, b"public", "cut", "swapped"])
def test_a_damaged_pair_is_refused_and_not_repeated(folder, damage):
    """Its bytes are in no message: they may be a secret."""
    path = keyring.device_path(folder)
    text = path.read_bytes()
    secret = keyring.read_device(folder).secret
    if damage == "cut":
        damage = text[:-10]
    elif damage == "swapped":
        damage = text.replace(secret, Pair.fresh().secret)
    path.write_bytes(damage)
    with pytest.raises(OperatorError) as caught:
        keyring.read_device(folder)
    assert secret.decode()[:10] not in str(caught.value)


@pytest.mark.parametrize("key", [b"", b"x" * 39, b"~" * 40, "\u00e4".encode() * 20, b"#" * 40])
def test_what_is_no_key_is_not_let_in(folder, key):
    """Length, alphabet and range of Z85."""
    with pytest.raises(OperatorError, match="40 characters"):
        keyring.authorise(folder, "door", key)
    assert keyring.cameras(folder) == {}


def test_one_key_one_camera(folder):
    """The key says which camera a frame is from."""
    key = Pair.fresh().public
    keyring.authorise(folder, "door", key)
    keyring.authorise(folder, "door", key)
    with pytest.raises(OperatorError, match="camera door"):
        keyring.authorise(folder, "hall", key)
    with pytest.raises(OperatorError, match="device's own"):
        keyring.authorise(folder, "hall", keyring.read_device(folder).public)


@pytest.mark.parametrize("name", ["../device", "a/b", "", "A", "x" * 33])
def test_a_name_is_no_path(folder, name):
    """Nothing is written outside."""
    with pytest.raises(OperatorError, match="name"):
        keyring.authorise(folder, name, Pair.fresh().public)


def test_the_roll_follows_the_folder(folder, monkeypatch):
    """Within a second, and a damaged file lets nobody in."""
    clock = [100.0]
    monkeypatch.setattr(keyring.time, "monotonic", lambda: clock[0])
    roll, key = Roll(folder), Pair.fresh().public
    assert roll.camera_of(key) is None
    keyring.authorise(folder, "door", key)
    clock[0] += 1.0
    assert roll.camera_of(key) == "door"
    keyring.revoke(folder, "door")
    clock[0] += 1.0
    assert roll.camera_of(key) is None
    (folder / "cameras" / "door.key").write_bytes(os.urandom(200))
    clock[0] += 1.0
    assert roll.camera_of(key) is None


def test_a_cameras_file_holds_what_it_needs_and_takes_no_ones_place(tmp_path, folder):
    """Its pair and the device's public key."""
    pair, server = Pair.fresh(), keyring.read_device(folder).public
    path = tmp_path / "door.key"
    keyring.write_camera_file(path, "door", pair, server)
    assert keyring.read_camera_file(path) == (pair, server)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(OperatorError, match="already"):
        keyring.write_camera_file(path, "door", pair, server)


def test_nobody_is_revoked_who_had_no_key(folder):
    """Nor let in by a mistyped name."""
    with pytest.raises(OperatorError, match="edged keys list"):
        keyring.revoke(folder, "door")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make keys for another user")
def test_what_an_administrator_makes_belongs_to_the_services_user(tmp_path):
    """The engine runs as that user and could not read root's files."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 4711, 4712)
    keyring.make_device(state / "keys")
    keyring.authorise(state / "keys", "door", Pair.fresh().public)
    made = [state / "keys", *(state / "keys").rglob("*")]
    assert len(made) == 4
    assert {(one.stat().st_uid, one.stat().st_gid) for one in made} == {(4711, 4712)}
