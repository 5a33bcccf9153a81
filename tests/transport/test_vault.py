"""Behaviour of the key file."""

import os
from pathlib import Path

import pytest

from edged.errors import OperatorError
from edged.transport.vault import SlotState, Vault


def test_a_key_is_in_the_file_when_it_is_given_out(tmp_path: Path):
    """What `allocate` gives can be read by another process at once."""
    vault = Vault(tmp_path / "keys")
    slot, key = vault.allocate()
    assert Vault(tmp_path / "keys").read(slot) == key
    assert key in (tmp_path / "keys").read_bytes()


def test_only_the_owner_can_read_the_file(tmp_path: Path):
    """The key file has mode 0600 whatever the umask."""
    before = os.umask(0)
    try:
        Vault(tmp_path / "keys")
    finally:
        os.umask(before)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_a_destroyed_key_is_not_in_the_file(tmp_path: Path):
    """Destroying overwrites the slot, says so, and leaves the neighbours alone."""
    vault = Vault(tmp_path / "keys")
    (slot, key), (other, other_key) = vault.allocate(), vault.allocate()
    assert vault.destroy([slot]) == 1
    raw = (tmp_path / "keys").read_bytes()
    assert key not in raw
    assert other_key in raw
    again = Vault(tmp_path / "keys")
    assert again.state(slot) is SlotState.DESTROYED
    assert again.read(slot) is None
    assert again.read(other) == other_key


def test_a_slot_is_used_again_only_after_its_release(tmp_path: Path):
    """A destroyed slot keeps saying so until its row is gone."""
    vault = Vault(tmp_path / "keys")
    slot, _ = vault.allocate()
    vault.destroy([slot])
    unreleased = {vault.allocate()[0] for _ in range(200)}
    assert slot not in unreleased
    vault.release([slot])
    assert slot in {vault.allocate()[0] for _ in range(200)}


def test_the_file_does_not_grow_when_slots_come_and_go(tmp_path: Path):
    """Slots are reused, so that the file is as long as the most keys at a time."""
    vault = Vault(tmp_path / "keys")
    for _ in range(1000):
        slot, _ = vault.allocate()
        vault.destroy([slot])
        vault.release([slot])
    assert (tmp_path / "keys").stat().st_size <= 4096 + 3 * 64 * 64


def test_keys_without_a_row_are_swept(tmp_path: Path):
    """After a crash, keys that no row names are destroyed, the others stay."""
    vault = Vault(tmp_path / "keys")
    (kept, key), (orphan, orphan_key) = vault.allocate(), vault.allocate()
    again = Vault(tmp_path / "keys")  # as after kill -9: nothing was closed
    again.sweep({kept})
    assert again.read(kept) == key
    assert again.state(orphan) is SlotState.DESTROYED
    assert orphan_key not in (tmp_path / "keys").read_bytes()


def test_closing_destroys_keys_that_were_only_made_ready(tmp_path: Path):
    """A clean stop leaves no key that seals nothing."""
    vault = Vault(tmp_path / "keys")
    slot, key = vault.allocate()
    vault.close()
    again = Vault(tmp_path / "keys")
    assert again.read(slot) == key
    assert sum(again.read(i) is not None for i in range(200)) == 1


def test_a_master_key_keeps_keys_out_of_the_file(tmp_path: Path):
    """Wrapped keys are read back with the master key and are not in the file."""
    master = os.urandom(32)
    vault = Vault(tmp_path / "keys", master_key=master)
    slot, key = vault.allocate()
    assert key not in (tmp_path / "keys").read_bytes()
    assert Vault(tmp_path / "keys", master_key=master).read(slot) == key


@pytest.mark.parametrize("wrong", [None, b"x" * 32])
def test_a_missing_or_wrong_master_key_is_a_matter_for_the_operator(tmp_path: Path, wrong):
    """The file is neither replaced nor set aside because a credential is missing."""
    Vault(tmp_path / "keys", master_key=b"m" * 32).close()
    before = (tmp_path / "keys").read_bytes()
    with pytest.raises(OperatorError, match="master key"):
        Vault(tmp_path / "keys", master_key=wrong)
    assert (tmp_path / "keys").read_bytes() == before


def test_a_master_key_given_later_wraps_what_is_there(tmp_path: Path):
    """A plain file is wrapped whole at the first start with a master key."""
    vault = Vault(tmp_path / "keys")
    slot, key = vault.allocate()
    mac = vault.mac(b"x", b"data")
    wrapped = Vault(tmp_path / "keys", master_key=b"m" * 32)
    assert key not in (tmp_path / "keys").read_bytes()
    assert wrapped.read(slot) == key
    again = Vault(tmp_path / "keys", master_key=b"m" * 32)
    assert (again.read(slot), again.mac(b"x", b"data")) == (key, mac)


def test_digests_are_of_a_domain_and_a_file(tmp_path: Path):
    """The same data has another digest under another label and in another vault."""
    one, other = Vault(tmp_path / "a"), Vault(tmp_path / "b")
    assert one.mac(b"shot", b"x") == one.mac(b"shot", bytearray(b"x"))
    assert len({one.mac(b"shot", b"x"), one.mac(b"consent", b"x"), other.mac(b"shot", b"x")}) == 3


@pytest.mark.parametrize("damage", [b"", b"\0" * 4096, b"EDGEDKEY" + b"\xff" * 4096])
def test_a_damaged_header_is_told(tmp_path: Path, damage):
    """A file without a sound header is a ValueError, for the outbox to set it aside."""
    Vault(tmp_path / "keys").close()
    (tmp_path / "keys").write_bytes(damage)
    with pytest.raises(ValueError, match="key file"):
        Vault(tmp_path / "keys")


def test_a_torn_slot_spoils_no_other(tmp_path: Path):
    """A slot with a wrong checksum reads as damaged, its neighbours as they were."""
    vault = Vault(tmp_path / "keys")
    (slot, key), (other, other_key) = vault.allocate(), vault.allocate()
    raw = bytearray((tmp_path / "keys").read_bytes())
    raw[raw.index(key)] ^= 1
    (tmp_path / "keys").write_bytes(raw)
    again = Vault(tmp_path / "keys")
    assert again.state(slot) is SlotState.DAMAGED
    assert again.read(slot) is None
    assert again.read(other) == other_key
