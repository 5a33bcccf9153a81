"""Writes one result: room, number, row, body, consents and verdict in one transaction.

Runs under the outbox's lock.
"""

from __future__ import annotations

import logging
import uuid

import msgspec

from edged.errors import FrameError
from edged.transport import outbox_removal as removal
from edged.transport import outbox_shots as shots
from edged.transport.outbox_digests import consents_of, shot_digest
from edged.transport.outbox_gaps import add_gaps, take_back
from edged.transport.outbox_rows import PayloadMac, Place
from edged.transport.outbox_schema import PENDING
from edged.transport.outbox_store import Store, seal
from edged.transport.wire import OutgoingPicture, ResultDoc, VerdictDoc, answer
from edged.verdicts import Reason, Verdict

log = logging.getLogger(__name__)

_DOC_BYTES = 4096
"""Room counted for a document before its size is known."""


def insert(
    store: Store,
    doc: ResultDoc,
    picture: OutgoingPicture,
    shot_id: str | None,
    payload: PayloadMac | None,
    *,
    received_ns: int,
) -> tuple[VerdictDoc, int]:
    """See :meth:`edged.transport.outbox.Outbox.put`; the shot is not known yet.

    Returns:
        The verdict, and the row that was made; 0 for none.
    """
    macs = consents_of(store, doc)
    if any(store.withdrawn.get(mac, 0) > received_ns for mac in macs):
        return _purged(store, shot_id, payload), 0
    known = None if shot_id is None else shots.lost_place(store, shot_id, payload, doc.camera)
    victims = removal.choose_overflow(store, len(picture.jpeg) + _DOC_BYTES)
    if victims is None:
        raise FrameError(Reason.OUTBOX_FULL, "the outbox is full")
    lost = removal.unsent(victims)
    doc.id = doc.id or shot_id or str(uuid.uuid4())
    slot, key = store.vault.allocate()
    try:
        with store.transaction():
            removal.delete(store, victims)
            add_gaps(store, [victim.place for victim in lost], "overflow")
            place = known or _next_place(store, doc.camera)
            if known is not None:
                take_back(store, known)
            stored = msgspec.structs.replace(doc, session=place.session, seq=place.seq)
            sealed = (
                seal(key, b"doc", msgspec.json.encode(stored), place),
                seal(key, b"picture", picture.jpeg, place),
            )
            size_bytes = len(sealed[0]) + len(sealed[1])
            row = _write_row(store, place, slot, size_bytes, shot_digest(store, shot_id or doc.id))
            _write_body(store, row, sealed, macs)
            verdict = shots.queued(stored)
            if shot_id is not None:
                shots.write(store, shot_id, payload, verdict, row)
    except BaseException:
        store.vault.destroy([slot])  # what was sealed may lie in the log
        store.vault.release([slot])
        raise
    if known is None:
        store.marks.note(place)
    if shot_id is not None:
        store.marks.recent.note(shot_digest(store, shot_id), payload, place)
    doc.session, doc.seq = place.session, place.seq
    store.used_bytes += size_bytes
    store.unchecked_bytes += size_bytes
    removal.forget(store, victims)
    if lost:
        log.warning("outbox full: %d unsent rows dropped", len(lost))
        store.on_event("outbox-overflow", "drop-oldest", {"rows": len(lost)})
    return verdict, row


def _next_place(store: Store, camera: str) -> Place:
    """The next number of a camera; taken for good when the transaction commits."""
    store.conn.execute(
        "INSERT INTO counters VALUES (?, 1) ON CONFLICT (camera) DO UPDATE SET last=last+1",
        (camera,),
    )
    seq = store.one("SELECT last FROM counters WHERE camera=?", (camera,))
    return Place(store.session, camera, int(seq))


def _write_row(store: Store, place: Place, slot: int, size_bytes: int, shot_mac: bytes) -> int:
    cursor = store.conn.execute(
        "INSERT INTO rows (kind, session, camera, seq, last, reason, state, again, created_ms,"
        " synced, bytes, slot, shot_mac) VALUES ('result', ?, ?, ?, ?, '', ?, 0, ?, ?, ?, ?, ?)",
        (
            *place,
            place.seq,
            PENDING,
            store.now_ms(),
            store.clock_synced(),
            size_bytes,
            slot,
            shot_mac,
        ),
    )
    return int(cursor.lastrowid or 0)


def _write_body(store: Store, row: int, sealed: tuple[bytes, bytes], macs: list[bytes]) -> None:
    store.conn.execute("INSERT INTO bodies VALUES (?, ?, ?)", (row, *sealed))
    store.conn.executemany("INSERT INTO consents VALUES (?, ?)", [(mac, row) for mac in macs])


def _purged(store: Store, shot_id: str | None, payload: PayloadMac | None) -> VerdictDoc:
    """The answer to a shot whose consent was purged while it was under way."""
    verdict = answer(Verdict.FAILED, Reason.PURGED, id=shot_id or "")
    if shot_id is not None:
        with store.transaction():
            shots.write(store, shot_id, payload, verdict)
    return verdict
