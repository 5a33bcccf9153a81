"""Finds results whose rows are gone although they were durable: a log that was damaged or lost.

SQLite takes a damaged write-ahead log for one that ends early, and says nothing: committed
results vanish, and their numbers would be given to others.  The key file knows better, for
the slot of each committed row bears its number (see :meth:`edged.transport.vault.Vault.mark`).
What is missing becomes a gap, and counting goes on behind it.  Runs under the outbox's lock,
at start, before keys without a row are swept.
"""

from __future__ import annotations

import logging

from edged.transport.outbox_gaps import add_gap
from edged.transport.outbox_rows import Place
from edged.transport.outbox_store import Store

log = logging.getLogger(__name__)


def tell_lost(store: Store, referenced: set[int]) -> int:
    """Put gaps for results that the key file knows of and the database does not.

    Args:
        store: open.
        referenced: slots that rows name.

    Returns:
        How many results are lost.
    """
    numbers: dict[int, list[int]] = {}
    for slot, (tag, number) in store.vault.marks.items():
        if slot not in referenced:
            numbers.setdefault(tag, []).append(number)
    lost = 0
    counters = store.conn.execute("SELECT camera, last FROM counters").fetchall()
    for camera, last in counters:
        # One whose number was counted has been deleted on purpose, and its key not yet.
        beyond = [n for n in numbers.get(store.tag(store.session, camera), []) if n > last]
        if not beyond:
            continue
        lost += len(beyond)
        with store.transaction() as conn:
            conn.execute("UPDATE counters SET last=? WHERE camera=?", (max(beyond), camera))
            add_gap(store, Place(store.session, camera, last + 1), max(beyond), "damaged")
    if lost:
        log.error("outbox: %d results are lost with the database's log", lost)
        store.on_event("outbox-damaged", "log-lost", {"rows": lost})
    return lost
