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
