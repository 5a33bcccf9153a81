"""Files that edged keeps beside the outbox: a power cut leaves the old or the new, and whole."""

from __future__ import annotations

import pytest
from debian_parts import program
from disk.disk import recorder
from disk.power_kit import every_cut

from edged.transport.keyring import cameras
from edged.transport.receipt_key import open_key
from edged.transport.vault import Vault

MASTER = b"m" * 32


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return recorder(program("gcc"), tmp_path_factory.mktemp("library"))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_a_fresh_file(tmp_path, root, library):
    """Whoever was told that it is written finds it."""
    code = """
import pathlib, sys
from edged.fresh_file import write_fresh
for number in range(5):
    write_fresh(pathlib.Path(sys.argv[1]) / "file", str(number).encode() * 3000)
    print(number, flush=True)
"""
    seen = set()
    for left, said in every_cut(library, tmp_path, root, code):
        file = left / "file"
        now = int(file.read_bytes()[:1]) if file.exists() else -1
        assert not file.exists() or file.read_bytes() == str(now).encode() * 3000
        promised = int(said.split()[-1]) if said else -1
        assert promised <= now <= promised + 1
        seen.add(now)
    assert seen == {-1, 0, 1, 2, 3, 4}


def test_a_file_that_was_destroyed(tmp_path, root, library):
    """Once it has been said, nothing of it is left under any name."""
    (root / "keys").write_bytes(b"secret" * 1000)
    code = """
import pathlib, sys
from edged.fresh_file import destroy
destroy(pathlib.Path(sys.argv[1]) / "keys")
print("gone", flush=True)
"""
    seen = set()
    for left, said in every_cut(library, tmp_path, root, code):
        there = any(b"secret" in path.read_bytes() for path in left.iterdir())
        seen.add((bool(said), there))
    assert (True, True) not in seen
    assert {(False, True), (True, False)} <= seen


def test_a_key_file_while_it_is_wrapped(tmp_path, root, library):
    """A master key that is given for the first time: every key is readable under it, always."""
    vault = Vault(root / "keys")
    keys = dict(vault.allocate() for _ in range(200))
    vault._ready.clear()
    vault.close()
    code = f"""
import pathlib, sys
from edged.transport.vault import Vault
Vault(pathlib.Path(sys.argv[1]) / "keys", master_key={MASTER!r})
print("wrapped", flush=True)
"""
    some = dict(list(keys.items())[::20])
    for left, said in every_cut(library, tmp_path, root, code, tries=1):
        if said:
            raw = (left / "keys").read_bytes()
            assert not any(key in raw for key in keys.values())
        vault = Vault(left / "keys", master_key=MASTER)
        assert {slot: vault.read(slot) for slot in some} == some
        vault.close()


def test_the_key_of_receipts(tmp_path, root, library):
    """Once it has been said who signs, that does not change."""
    code = """
import pathlib, sys
from edged.transport.receipt_key import open_key
key = open_key(pathlib.Path(sys.argv[1]), None, print)
print(key.private_bytes_raw().hex(), flush=True)
"""
    for left, said in every_cut(library, tmp_path, root, code):
        events = []
        key = open_key(left, None, lambda *one: events.append(one))  # noqa: B023
        assert not events
        assert not said or key.private_bytes_raw().hex() == said.strip()


def test_a_camera_that_was_turned_away(tmp_path, root, library):
    """What has been said of it holds."""
    code = """
import pathlib, sys
from edged.transport.keyring import Pair, authorise, make_device, revoke
folder = pathlib.Path(sys.argv[1])
make_device(folder)
authorise(folder, "door", Pair.fresh().public)
print("in", flush=True)
revoke(folder, "door")
print("out", flush=True)
"""
    seen = set()
    for left, said in every_cut(library, tmp_path, root, code):
        seen.add((said.split()[-1] if said else "", "door" in cameras(left)))
    # Between two answers either may hold.
    assert seen <= {("", False), ("", True), ("in", True), ("in", False), ("out", False)}
    assert {("", False), ("in", True), ("out", False)} <= seen
