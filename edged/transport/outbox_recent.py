"""The newest shots and the numbers of their results, in a ring beside the database.

A sender whose shot was taken and whose answer was lost in a crash asks again.  When the
crash took the database's newest transactions along, nothing there tells that consumers may
have the result already: made anew under a new number it would reach them twice.  The ring
knows the number that it had, so that it is written there again.

A record, overwritten when its turn comes round:

    crc32 u32 | serial u64 | mac 16 | payload mac 16, or zeros | session 16 | seq u64 | camera 32

Keyed digests alone stand for shots and payloads, as in the database, and they go when the
database's go.  Runs under the outbox's lock.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
import uuid
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from edged.transport.outbox_rows import PayloadMac, Place

log = logging.getLogger(__name__)

RECORDS = 1024
"""A booth takes so many shots in hours; whoever waits for an answer asks again in minutes."""
_MAC_BYTES = 16
_BODY = struct.Struct(f">Q{_MAC_BYTES}s{_MAC_BYTES}s16sQ32s")
_RECORD_BYTES = 4 + _BODY.size
_NO_PAYLOAD = bytes(_MAC_BYTES)


def short(payload: PayloadMac | None) -> bytes:
    """What the ring keeps of a payload's digest."""
    return _NO_PAYLOAD if payload is None else payload.value[:_MAC_BYTES]


class Seen(NamedTuple):
    """One shot: the digest of its payload, zeros where it had none, and its result's place."""

    payload: bytes
    place: Place


class Recent:
    """The ring.

    Args:
        fd: of the open file, which stays its owner's.
        offset: of the ring in it.
    """

    def __init__(self, fd: int, offset: int) -> None:
        self._fd, self._offset = fd, offset
        found = sorted(self._read())
        self._serial = found[-1][0] if found else 0
        self._seen: dict[bytes, tuple[int, Seen]] = {}  # the oldest first
        for serial, mac, seen in found:
            self._seen.pop(mac, None)
            self._seen[mac] = serial, seen

    def find(self, mac: bytes) -> Seen | None:
        """What is known of a shot, by the digest of its id."""
        found = self._seen.get(mac[:_MAC_BYTES])
        return None if found is None else found[1]

    def forget(self, macs: Iterable[bytes]) -> None:
        """Purged and aged shots leave no trace here; before their transaction ends."""
        for mac in macs:
            known = self._seen.pop(mac[:_MAC_BYTES], None)
            if known is not None:
                self._write(known[0], bytes(_RECORD_BYTES))

    def clear(self) -> None:
        """Forget all."""
        self._seen.clear()
        for serial in range(RECORDS):
            self._write(serial, bytes(_RECORD_BYTES))

    def note(self, mac: bytes, payload: PayloadMac | None, place: Place) -> None:
        """A shot's result is committed; costs a write without a sync."""
        self.forget([mac])
        seen = Seen(short(payload), place)
        camera = place.camera.encode()
        body = _BODY.pack(
            self._serial + 1,
            mac[:_MAC_BYTES],
            seen.payload,
            uuid.UUID(place.session).bytes,
            place.seq,
            camera,
        )
        self._serial += 1
        self._seen[mac[:_MAC_BYTES]] = self._serial, seen
        # Also when fewer are known: a record whose place another one has taken is not to be
        # wiped later, as if it were its own.
        while next(iter(self._seen.values()))[0] <= self._serial - RECORDS:
            del self._seen[next(iter(self._seen))]
        self._write(self._serial, zlib.crc32(body).to_bytes(4, "big") + body)

    def _write(self, serial: int, record: bytes) -> None:
        try:
            os.pwrite(self._fd, record, self._offset + serial % RECORDS * _RECORD_BYTES)
        except OSError as error:  # the row itself is safe
            log.debug("outbox: the ring of shots cannot be written: %s", error.strerror)

    def _read(self) -> list[tuple[int, bytes, Seen]]:
        raw = os.pread(self._fd, RECORDS * _RECORD_BYTES, self._offset)
        found = []
        for at in range(0, len(raw) - _RECORD_BYTES + 1, _RECORD_BYTES):
            body = raw[at + 4 : at + _RECORD_BYTES]
            if zlib.crc32(body) != int.from_bytes(raw[at : at + 4], "big"):
                continue
            serial, mac, payload, session, seq, camera = _BODY.unpack(body)
            with contextlib.suppress(UnicodeDecodeError):
                name = camera.rstrip(b"\0").decode()
                place = Place(str(uuid.UUID(bytes=session)), name, seq)
                found.append((serial, mac, Seen(payload, place)))
        return found
