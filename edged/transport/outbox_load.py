"""Reads rows back: opens what is sealed, fills in what a consumer needs.

Runs under the outbox's lock.
"""

from __future__ import annotations

import logging

import msgspec

from edged.transport import outbox_removal as removal
from edged.transport.outbox_rows import Place, Row
from edged.transport.outbox_store import Store, unseal
from edged.transport.vault import SlotState
from edged.transport.wire import GapDoc, ResultDoc

log = logging.getLogger(__name__)

HISTORICAL_MS = 60_000
"""A row older than this is history to its consumer, handed out before or not."""
_RESULT = msgspec.json.Decoder(ResultDoc)


def load(store: Store, row: int) -> Row | None:
    """See :meth:`edged.transport.outbox.Outbox.load`."""
    found = store.conn.execute(
        "SELECT kind, session, camera, seq, last, reason, again, created_ms, synced, slot"
        " FROM rows WHERE row=?",
        (row,),
    ).fetchone()
    if found is None:
        return None
    kind, session, camera, seq, last, reason, again, created_ms, synced, slot = found
    if kind == "gap":
        gap = GapDoc(
            ts_ms=created_ms,
            clock_synced=bool(synced),
            session=session,
            camera=camera,
            first=seq,
            last=last,
            reason=reason,
        )
        return Row(row, "gap", camera, "", msgspec.json.encode(gap), None)
    body = read_body(store, row, slot, Place(session, camera, seq))
    if body is None:
        _give_up(store, row, slot)
        return None
    result = _RESULT.decode(body[0])
    result.historical = (
        bool(again)
        or row < store.first_row
        or row in store.handed
        or store.now_ms() - created_ms > HISTORICAL_MS
    )
    return Row(row, "result", camera, result.id, msgspec.json.encode(result), body[1])


def read_body(store: Store, row: int, slot: int, place: Place) -> tuple[bytes, bytes] | None:
    """Document and picture of a row, None when either cannot be opened."""
    found = store.conn.execute("SELECT doc, picture FROM bodies WHERE row=?", (row,)).fetchone()
    key = store.vault.read(slot)
    if found is None or key is None:
        return None
    doc = unseal(key, b"doc", found[0], place)
    picture = unseal(key, b"picture", found[1], place)
    return None if doc is None or picture is None else (doc, picture)


def _give_up(store: Store, row: int, slot: int) -> None:
    """Put a gap in the place of an unreadable row: a cut purge, or damage."""
    victims = removal.select(store, "row=?", (row,))
    if store.vault.state(slot) is SlotState.DESTROYED:
        removal.remove_unreadable(store, victims, "purge")
        return
    removal.remove_unreadable(store, victims, "damaged")
    log.error("outbox: row %d is unreadable and gone", row)
    store.on_event("outbox-damaged", "row-unreadable", {"rows": len(victims)})
