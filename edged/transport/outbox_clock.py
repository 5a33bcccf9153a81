"""Keeps the ages of rows right on boxes whose clock starts wrong and is set later.

A Jetson without a battery boots in 1970 or at the time of its last shutdown; when the
network sets the clock, rows must neither look fifty years old nor come from the future.
Runs under the outbox's lock.
"""

from __future__ import annotations

import logging

from edged.transport.outbox_store import Store

log = logging.getLogger(__name__)

_JUMP_S = 5.0
"""A smaller step is not worth a write; ages are minutes at least."""
_PLAUSIBLE_MS = 1_735_689_600_000
"""2025-01-01: no edged is older, so an earlier time is a clock that was never set."""


class ClockKeeper:
    """Remembers how far wall clock and steady clock are apart."""

    def __init__(self, store: Store) -> None:
        self._offset_s = store.clock() - store.steady()
        self._began_ms = store.now_ms()

    def follow(self, store: Store) -> None:
        """Shift what this run has written when the wall clock was set meanwhile."""
        offset_s = store.clock() - store.steady()
        jump_ms = int((offset_s - self._offset_s) * 1000)
        now_ms = store.now_ms()
        if abs(jump_ms) >= _JUMP_S * 1000:
            log.warning("outbox: the clock was set by %d s", jump_ms // 1000)
            with store.transaction() as conn:
                conn.execute(
                    "UPDATE rows SET created_ms=created_ms+? WHERE row>=?",
                    (jump_ms, store.first_row),
                )
                conn.execute(
                    "UPDATE shots SET at_ms=at_ms+? WHERE at_ms>=?", (jump_ms, self._began_ms)
                )
            self._offset_s = offset_s
            self._began_ms += jump_ms
        self._mend(store, now_ms)

    @staticmethod
    def _mend(store: Store, now_ms: int) -> None:
        """Let rows of earlier runs with an impossible time begin their age now."""
        if now_ms < _PLAUSIBLE_MS:
            return
        impossible = "created_ms<? OR (? AND created_ms>?)"
        args = (_PLAUSIBLE_MS, store.clock_synced(), now_ms + 300_000)
        if store.one(f"SELECT 1 FROM rows WHERE {impossible} LIMIT 1", args) is None:  # noqa: S608
            return
        with store.transaction() as conn:
            conn.execute(
                f"UPDATE rows SET created_ms=? WHERE {impossible}",  # noqa: S608
                (now_ms, *args),
            )
            conn.execute("UPDATE shots SET at_ms=? WHERE at_ms<?", (now_ms, _PLAUSIBLE_MS))
