"""The highest numbers that were given out, in a small file beside the database.

A database that has lost its newest transactions looks sound: SQLite drops what follows a
damaged spot of its write-ahead log without a word.  Its counters are then behind, the same
numbers would be given out twice, and nobody would learn what is missing.  The marks are
written after the commit of a row and before its answer, so whatever was promised to a sender
is at or below them, and :mod:`edged.transport.outbox_missing` turns what is not there into gaps.

Two slots are written in turn, each with a checksum, so that a torn write leaves the other:

    magic 8 | generation u64 | length u32 | crc32 u32 | JSON {session: {camera: last}}

Behind them lies the ring of the newest shots (:mod:`edged.transport.outbox_recent`).

Says no more of a person than the database does: camera names and numbers.  Runs under the
outbox's lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import zlib
from pathlib import Path
from typing import Annotated

import msgspec

from edged.transport.outbox_cells import LARGEST
from edged.transport.outbox_recent import Recent
from edged.transport.outbox_rows import Place
from edged.transport.wire import NAME

log = logging.getLogger(__name__)

_MAGIC = b"EDGEDMRK"
_HEAD = struct.Struct(">8sQII")
_SLOT_BYTES = 64 * 1024
_SESSIONS = 8
"""Kept of those before the current one: each began because a database was lost."""
_Session = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
_Camera = Annotated[str, msgspec.Meta(pattern=NAME)]
_Last = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
_Sessions = dict[_Session, dict[_Camera, _Last]]


class Marks:
    """The file; made when it is absent, begun anew when it cannot be read.

    Args:
        path: of the file, mode 0600.

    Attributes:
        sessions: the highest number by session and camera, the current session last.
        recent: the newest shots.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._generation, self.sessions = max((self._read(slot) for slot in (0, 1)), key=_first)
        self.recent = Recent(self._fd, 2 * _SLOT_BYTES)

    def close(self) -> None:
        """Let go of the file; harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def learn(self, session: str, camera: str, last: int) -> None:
        """Take a number in that is known from elsewhere; written with the next one."""
        known = self.sessions.setdefault(session, {})
        known[camera] = max(last, known.get(camera, 0))

    def begin(self, session: str, counters: dict[str, int]) -> None:
        """Make a session the current, which is the last one, and write.

        What cannot be written now is written with the next number.
        """
        known = self.sessions.pop(session, {})
        self.sessions[session] = known
        for camera, last in counters.items():
            self.learn(session, camera, last)
        for old in list(self.sessions)[: -_SESSIONS - 1]:
            del self.sessions[old]
        self._write()

    def note(self, place: Place) -> None:
        """A row of the current session is committed; costs a write without a sync."""
        self.learn(*place)
        self._write()

    def sync(self) -> None:
        """Bring the file to the disk, for a moment in which nobody waits."""
        with contextlib.suppress(OSError):
            os.fdatasync(self._fd)

    def _write(self) -> None:
        self._generation += 1
        body = msgspec.json.encode(self.sessions)
        raw = _HEAD.pack(_MAGIC, self._generation, len(body), zlib.crc32(body)) + body
        if len(raw) > _SLOT_BYTES:
            return
        try:
            os.pwrite(self._fd, raw, self._generation % 2 * _SLOT_BYTES)
        except OSError as error:  # the row itself is safe
            log.debug("outbox: the marks cannot be written: %s", error.strerror)

    def _read(self, slot: int) -> tuple[int, _Sessions]:
        raw = os.pread(self._fd, _SLOT_BYTES, slot * _SLOT_BYTES)
        spoiled = (struct.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
        with contextlib.suppress(*spoiled):
            magic, generation, length, crc = _HEAD.unpack_from(raw)
            body = raw[_HEAD.size : _HEAD.size + length]
            if magic == _MAGIC and zlib.crc32(body) == crc:
                return generation, msgspec.json.decode(body, type=_Sessions)
        return 0, {}


def _first(found: tuple[int, _Sessions]) -> int:
    return found[0]
