"""The book of shots: what was answered to which id, for as long as ids are remembered.

Runs under the outbox's lock.
"""

from __future__ import annotations

import msgspec

from edged.errors import FrameError
from edged.transport.outbox_cells import read_verdict
from edged.transport.outbox_digests import shot_digest
from edged.transport.outbox_gaps import is_lost
from edged.transport.outbox_load import read_body
from edged.transport.outbox_recent import Seen, short
from edged.transport.outbox_rows import Known, PayloadMac, Place
from edged.transport.outbox_store import Store
from edged.transport.wire import ResultDoc, VerdictDoc, answer
from edged.verdicts import Reason, Verdict

_RESULT = msgspec.json.Decoder(ResultDoc)


def find(
    store: Store, shot_id: str, payload: PayloadMac | None, *, with_picture: bool
) -> Known | None:
    """The verdict of a shot that came before.

    Raises:
        FrameError: the id came with another payload.  A purged shot has none any more:
            it is answered "purged" whatever comes.
    """
    found = store.conn.execute(
        "SELECT shots.payload_mac, shots.verdict, rows.row, rows.slot, rows.session, rows.camera,"
        " rows.seq FROM shots LEFT JOIN rows ON rows.row = shots.row WHERE shots.mac=?",
        (shot_digest(store, shot_id),),
    ).fetchone()
    if found is None:
        return _saved(store, shot_id, payload)
    first_payload, stored, row, slot, *place = found
    if first_payload is not None and (payload is None or payload.value != first_payload):
        raise FrameError(Reason.ID_REUSED, "a shot id came with another payload")
    verdict = read_verdict(stored)
    verdict.id = shot_id
    body = read_body(store, row, slot, Place(*place)) if with_picture and row else None
    return Known(verdict, None if body is None else body[1])


def _saved(store: Store, shot_id: str, payload: PayloadMac | None) -> Known | None:
    """A shot whose result was saved from a damaged database and whose verdict was not.

    Raises:
        FrameError: the id came with another payload.
    """
    seen = store.marks.recent.find(shot_digest(store, shot_id))
    if seen is None:
        return None
    found = store.conn.execute(
        "SELECT row, slot FROM rows WHERE kind='result' AND session=? AND camera=? AND seq=?",
        seen.place,
    ).fetchone()
    if found is None:
        return None
    _require_same(seen, payload)
    row, slot = found
    body = read_body(store, row, slot, seen.place)
    if body is None:
        return None
    return Known(queued(_RESULT.decode(body[0])), body[1])


def _require_same(seen: Seen, payload: PayloadMac | None) -> None:
    if seen.payload != short(payload):
        raise FrameError(Reason.ID_REUSED, "a shot id came with another payload")


def lost_place(store: Store, shot_id: str, payload: PayloadMac | None, camera: str) -> Place | None:
    """The number of a shot whose result was lost with the database; None for any other.

    Consumers may have that result, so it must not get another number; see
    :mod:`edged.transport.outbox_recent`.

    Raises:
        FrameError: the id came with another payload.
    """
    seen = store.marks.recent.find(shot_digest(store, shot_id))
    if seen is None or seen.place.camera != camera or not is_lost(store, seen.place):
        return None
    _require_same(seen, payload)
    return seen.place


def queued(doc: ResultDoc) -> VerdictDoc:
    """The verdict of a result."""
    numbers = {
        "faces": doc.guard.faces_in,
        "swapped": doc.guard.swapped,
        "filled": doc.guard.filled,
        "bystanders": doc.bystanders,
    }
    return answer(
        Verdict.QUEUED,
        Reason.OK,
        id=doc.id,
        session=doc.session,
        seq=doc.seq,
        numbers=numbers,
        latency_ms=doc.latency_ms.get("total", 0.0),
        builtin=doc.builtin,
    )


def write(
    store: Store,
    shot_id: str,
    payload: PayloadMac | None,
    verdict: VerdictDoc,
    row: int | None = None,
) -> None:
    """Note the verdict of a new shot, without its id; inside a transaction."""
    bare = msgspec.structs.replace(verdict, id="")
    store.conn.execute(
        "INSERT INTO shots (mac, payload_mac, verdict, row, at_ms) VALUES (?, ?, ?, ?, ?)",
        (
            shot_digest(store, shot_id),
            None if payload is None else payload.value,
            msgspec.json.encode(bare),
            row,
            store.now_ms(),
        ),
    )
