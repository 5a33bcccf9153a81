"""Gap rows: sequence numbers that will never come, as rows that are handed out like others.

Neighbouring numbers with one reason share a row as long as it has not been handed out.
Runs inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable

from edged.transport.outbox_rows import GapReason, Place
from edged.transport.outbox_schema import PENDING
from edged.transport.outbox_store import Store


def add_gaps(store: Store, places: Iterable[Place], reason: GapReason) -> int:
    """Write gap rows for results that are being removed.

    Returns:
        How many sequence numbers they cover.
    """
    count = 0
    first: Place | None = None
    last = 0
    for place in sorted(places):
        count += 1
        if first is not None and place == (*first[:2], last + 1):
            last = place.seq
            continue
        if first is not None:
            add_gap(store, first, last, reason)
        first, last = place, place.seq
    if first is not None:
        add_gap(store, first, last, reason)
    return count


def is_lost(store: Store, place: Place) -> bool:
    """Whether a number was told to be lost to damage, and nothing else stands there."""
    kinds = store.conn.execute(
        "SELECT kind, reason FROM rows WHERE session=? AND camera=? AND seq<=? AND last>=?",
        (place.session, place.camera, place.seq, place.seq),
    ).fetchall()
    return bool(kinds) and all(kind == ("gap", "damaged") for kind in kinds)


def take_back(store: Store, place: Place) -> None:
    """A lost number is there again: the gaps that cover it end before it and begin behind it."""
    for row, first, last in store.conn.execute(
        "SELECT row, seq, last FROM rows WHERE kind='gap' AND session=? AND camera=?"
        " AND seq<=? AND last>=?",
        (place.session, place.camera, place.seq, place.seq),
    ).fetchall():
        if place.seq < last:
            store.conn.execute(
                "INSERT INTO rows (kind, session, camera, seq, last, reason, state, again,"
                " created_ms, synced, bytes) SELECT kind, session, camera, ?, last, reason, state,"
                " again, created_ms, synced, bytes FROM rows WHERE row=?",
                (place.seq + 1, row),
            )
        if first < place.seq:
            store.conn.execute("UPDATE rows SET last=? WHERE row=?", (place.seq - 1, row))
        else:
            store.conn.execute("DELETE FROM rows WHERE row=?", (row,))


def add_gap(store: Store, first: Place, last: int, reason: GapReason) -> None:
    """Write one gap, both ends inclusive, or widen the neighbour that is still unseen."""
    neighbour = store.conn.execute(
        "SELECT row, seq, last FROM rows WHERE session=? AND camera=? AND kind='gap'"
        " AND reason=? AND state=? AND (last=? OR seq=?) ORDER BY row DESC LIMIT 1",
        (first.session, first.camera, reason, PENDING, first.seq - 1, last + 1),
    ).fetchone()
    if neighbour is not None and neighbour[0] not in store.handed:
        row, old_first, old_last = neighbour
        store.conn.execute(
            "UPDATE rows SET seq=?, last=? WHERE row=?",
            (min(first.seq, old_first), max(last, old_last), row),
        )
        return
    store.conn.execute(
        "INSERT INTO rows (kind, session, camera, seq, last, reason, state, again, created_ms,"
        " synced, bytes) VALUES ('gap', ?, ?, ?, ?, ?, ?, 0, ?, ?, 0)",
        (*first, last, reason, PENDING, store.now_ms(), store.clock_synced()),
    )
