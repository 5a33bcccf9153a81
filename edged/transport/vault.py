"""The key file of the outbox: one random key a row, destroyed by overwriting its slot.

Layout, big endian: a header page, then slots of 64 bytes, so that no slot crosses a
sector and a torn write can spoil only the slot being written.

    header  magic 8 | version u16 | state u16 | vault id 16 | lookup key 40 | crc32
    slot    state u8 | 3 zero | key 40 (32 plain + 8 zero, or RFC 3394 wrapped) | crc32

Order of writes, which makes every crash harmless:

- a key is on the disk (fdatasync) before a row that needs it is committed; a crash in
  between leaves a key that no row names, and :meth:`Vault.sweep` destroys it at start;
- a purge destroys the key first and deletes the row after; a crash in between leaves a
  row whose slot says *destroyed*, which the outbox finishes at start;
- a slot is used again only after the row that named it is durably gone.

An overwrite in place does not reach the remnants that a flash controller or a
copy-on-write filesystem keeps of the old sector; a master key from a credential (TPM)
wraps the slots for those.  Knows nothing of rows, SQLite or pictures.
"""

from __future__ import annotations

import hmac
import os
import secrets
import struct
import zlib
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from edged.errors import OperatorError
from edged.fresh_file import sync_folder

MAGIC = b"EDGEDKEY"
VERSION = 1
KEY_BYTES = 32
"""AES-256."""
_HEADER = struct.Struct(">8sHH16s40s")
_HEADER_PAGE_BYTES = 4096
_SLOT = struct.Struct(">B3x40s")
_SLOT_BYTES = 64
_BATCH = 64
"""Keys made ready with one fdatasync; 64 slots fill one page of the file."""


class SlotState(IntEnum):
    """What a slot holds; zero is what a fresh file reads as."""

    FREE = 0
    PLAIN = 1
    WRAPPED = 2
    DESTROYED = 3
    DAMAGED = 255


class Vault:
    """Fixed slots of keys in one file; not thread-safe, the outbox's lock guards it.

    Args:
        path: the key file; created with mode 0600 when absent.
        master_key: 16, 24 or 32 bytes that wrap every key, or None.  Given for a
            plain file, all its slots are wrapped at once.

    Raises:
        ValueError: the file is damaged.
        OperatorError: it is wrapped and the master key is absent or another one.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: Path, *, master_key: bytes | None = None) -> None:
        if master_key is not None and len(master_key) not in (16, 24, 32):
            raise OperatorError(
                f"the master key of {path} has {len(master_key)} bytes; it must have 16, 24 or 32"
            )
        self.path = path
        self._master = master_key
        if not path.exists():
            self._create()
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.vault_id, self._lookup = self._read_header()
            self._states = self._read_states()
            if master_key is not None:
                self._wrap_all()
        except BaseException:
            os.close(self._fd)
            raise
        self._ready: list[tuple[int, bytes]] = []
        self._free: list[int] = []

    def close(self) -> None:
        """Let go of the file; unused keys are destroyed first."""
        if self._fd >= 0:
            self.destroy(slot for slot, _ in self._ready)
            self._ready.clear()
            os.close(self._fd)
            self._fd = -1

    def allocate(self) -> tuple[int, bytes]:
        """A slot and its key, which is on the disk already."""
        if not self._ready:
            self._make_ready()
        return self._ready.pop()

    def state(self, slot: int) -> SlotState:
        """What a slot holds; a slot beyond the end of the file is free."""
        return self._states[slot] if 0 <= slot < len(self._states) else SlotState.FREE

    def read(self, slot: int) -> bytes | None:
        """The key in a slot, or None when there is none to be had."""
        if self.state(slot) not in (SlotState.PLAIN, SlotState.WRAPPED):
            return None
        raw = os.pread(self._fd, _SLOT_BYTES, self._offset(slot))
        state, body = _parse_slot(raw)
        try:
            return self._unseal(state, body)
        except (InvalidUnwrap, ValueError):
            return None

    def destroy(self, slots: Iterable[int]) -> int:
        """Overwrite keys; durable when it returns.

        The slots are not used again before :meth:`release`.

        Returns:
            How many held a key.
        """
        gone = [slot for slot in slots if self.state(slot) not in _EMPTY]
        blank = _pack_slot(SlotState.DESTROYED, b"")
        for slot in gone:
            _write_at(self._fd, blank, self._offset(slot))
        if gone:
            os.fdatasync(self._fd)
        for slot in gone:
            self._states[slot] = SlotState.DESTROYED
        return len(gone)

    def release(self, slots: Iterable[int]) -> None:
        """Let destroyed slots be used again: no row names them any more."""
        self._free.extend(slot for slot in slots if self.state(slot) in _EMPTY)

    def sweep(self, referenced: set[int]) -> int:
        """Destroy every key that no row names; once, at start.

        Returns:
            How many keys that were.
        """
        others = [slot for slot in range(len(self._states)) if slot not in referenced]
        count = self.destroy(others)
        self._free = others[::-1]
        return count

    def mac(self, label: bytes, data: bytes | bytearray | memoryview) -> bytes:
        """HMAC-SHA256 (RFC 2104) of data in a domain of its own, (32,) bytes.

        Stands on the disk where a lookup needs a trace of an id, a consent reference
        or a frame; a plain hash of those could be tried against candidates.
        """
        code = hmac.new(self._lookup, label + b"\0", "sha256")
        code.update(data)
        return code.digest()

    # -- inside ------------------------------------------------------------------

    def _create(self) -> None:
        state, body = self._seal(secrets.token_bytes(KEY_BYTES))
        raw = _pack_header(state, secrets.token_bytes(16), body)
        part = self.path.with_name(self.path.name + ".part")
        part.unlink(missing_ok=True)
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _write_at(fd, raw.ljust(_HEADER_PAGE_BYTES, b"\0"), 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        part.rename(self.path)
        sync_folder(self.path.parent)

    def _read_header(self) -> tuple[bytes, bytes]:
        raw = os.pread(self._fd, _HEADER.size + 4, 0)
        if len(raw) < _HEADER.size + 4 or _crc(raw[: _HEADER.size]) != raw[_HEADER.size :]:
            raise ValueError("the header of the key file is damaged")
        magic, version, state, vault_id, body = _HEADER.unpack_from(raw)
        if magic != MAGIC:
            raise ValueError("not a key file")
        if version != VERSION:
            raise OperatorError(
                f"{self.path} has form {version}, this edged reads {VERSION}; "
                "use the version that wrote it, or move the outbox folder away"
            )
        try:
            return vault_id, self._unseal(SlotState(state), body)
        except InvalidUnwrap as error:
            raise OperatorError(
                f"{self.path} is wrapped by another master key; give the credential it was "
                "made with, or move the outbox folder away (its pictures are then lost)"
            ) from error

    def _read_states(self) -> list[SlotState]:
        size = os.fstat(self._fd).st_size
        raw = os.pread(self._fd, max(0, size - _HEADER_PAGE_BYTES), _HEADER_PAGE_BYTES)
        count = len(raw) // _SLOT_BYTES
        states = [
            _parse_slot(raw[i * _SLOT_BYTES : (i + 1) * _SLOT_BYTES])[0] for i in range(count)
        ]
        if self._master is None and SlotState.WRAPPED in states:
            raise self._no_master()
        return states

    def _wrap_all(self) -> None:
        """Wrap what is still plain, slots before the header, each write atomic."""
        changed = False
        for slot, state in enumerate(self._states):
            key = self.read(slot) if state is SlotState.PLAIN else None
            if key is not None:
                self._write_slot(slot, key)
                changed = True
        raw = os.pread(self._fd, _HEADER.size, 0)
        state = _HEADER.unpack(raw)[2]
        if changed or state == SlotState.PLAIN:
            os.fdatasync(self._fd)
            sealed, body = self._seal(self._lookup)
            _write_at(self._fd, _pack_header(sealed, self.vault_id, body), 0)
            os.fdatasync(self._fd)

    def _make_ready(self) -> None:
        while len(self._free) < _BATCH:
            start = len(self._states)
            self._states.extend([SlotState.FREE] * _BATCH)
            self._free[:0] = range(start + _BATCH - 1, start - 1, -1)
        ready = [(self._free.pop(), secrets.token_bytes(KEY_BYTES)) for _ in range(_BATCH)]
        try:
            for slot, key in ready:
                self._write_slot(slot, key)
            os.fdatasync(self._fd)
        except OSError:
            self._free.extend(slot for slot, _ in ready)
            raise
        self._ready = ready[::-1]

    def _write_slot(self, slot: int, key: bytes) -> None:
        state, body = self._seal(key)
        _write_at(self._fd, _pack_slot(state, body), self._offset(slot))
        self._states[slot] = state

    def _seal(self, key: bytes) -> tuple[SlotState, bytes]:
        if self._master is None:
            return SlotState.PLAIN, key
        return SlotState.WRAPPED, aes_key_wrap(self._master, key)

    def _unseal(self, state: SlotState, body: bytes) -> bytes:
        if state is SlotState.PLAIN:
            return body[:KEY_BYTES]
        if state is not SlotState.WRAPPED:
            raise ValueError("this slot holds no key")
        if self._master is None:
            raise self._no_master()
        return aes_key_unwrap(self._master, body)

    def _no_master(self) -> OperatorError:
        return OperatorError(
            f"{self.path} is wrapped by a master key and none was given; provide the "
            "credential, or move the outbox folder away (its pictures are then lost)"
        )

    @staticmethod
    def _offset(slot: int) -> int:
        return _HEADER_PAGE_BYTES + slot * _SLOT_BYTES


_EMPTY = (SlotState.FREE, SlotState.DESTROYED)


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


def _pack_header(state: SlotState, vault_id: bytes, body: bytes) -> bytes:
    raw = _HEADER.pack(MAGIC, VERSION, state, vault_id, body)
    return raw + _crc(raw)


def _pack_slot(state: SlotState, body: bytes) -> bytes:
    raw = _SLOT.pack(state, body)
    return (raw + _crc(raw)).ljust(_SLOT_BYTES, b"\0")


def _parse_slot(raw: bytes) -> tuple[SlotState, bytes]:
    if not any(raw):
        return SlotState.FREE, b""
    end = _SLOT.size
    if len(raw) < _SLOT_BYTES or _crc(raw[:end]) != raw[end : end + 4]:
        return SlotState.DAMAGED, b""
    state, body = _SLOT.unpack_from(raw)
    try:
        return SlotState(state), body
    except ValueError:
        return SlotState.DAMAGED, b""


def _write_at(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written
