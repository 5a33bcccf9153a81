"""Figures of the outbox, for health and `edged outbox`.

Runs under the outbox's lock.
"""

from __future__ import annotations

from edged.transport.outbox_rows import OutboxStats
from edged.transport.outbox_schema import ACKED, ASIDE, PENDING, last_purge
from edged.transport.outbox_store import Store


def stats(store: Store) -> OutboxStats:
    """See :meth:`edged.transport.outbox.Outbox.stats`."""
    by_state: dict[int, tuple[int, int, int]] = {
        state: (count, size_bytes, oldest_ms)
        for state, count, size_bytes, oldest_ms in store.conn.execute(
            "SELECT state, count(*), sum(bytes), min(created_ms) FROM rows GROUP BY state"
        )
    }
    depth, unsent_bytes, oldest_ms = by_state.get(PENDING, (0, 0, 0))
    retained, retained_bytes, _ = by_state.get(ACKED, (0, 0, 0))
    age_ms = max(0, store.now_ms() - oldest_ms) if depth else 0
    purged_ms, purged_rows = last_purge(store.conn)
    return OutboxStats(
        session=store.session, depth=depth, unsent_bytes=unsent_bytes,
        oldest_unsent_s=age_ms / 1000, retained=retained, retained_bytes=retained_bytes,
        aside=by_state.get(ASIDE, (0, 0, 0))[0], used_bytes=store.used_bytes,
        max_bytes=store.limits.max_bytes, disk_free_bytes=store.disk_free_bytes(),
        last_purge_ms=purged_ms, last_purge_rows=purged_rows,
    )  # fmt: skip
