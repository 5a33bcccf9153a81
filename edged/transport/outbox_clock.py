"""Keeps the ages of rows right on boxes whose clock starts wrong, or is set, or jumps.

A Jetson without a battery boots in 1970 or at the time of its last shutdown; when the
network sets the clock, rows must neither look fifty years old nor come from the future.
All times in the database are of one clock, the wall clock as it is now: when that is set,
they are shifted along, so that ages go on by the steady clock.  Only when a clock that was
never believed becomes a good one, times of earlier runs stand as they were.

Between two runs nothing but the wall clock knows how long the box was off.  It is believed
when it is synchronised, or when it has gone on by a month at most.  Runs under the outbox's
lock.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3

from edged.transport.outbox_store import Store

log = logging.getLogger(__name__)

_JUMP_MS = 5_000
"""A smaller step is not worth a write; ages are minutes at least."""
_LONGEST_OFF_MS = 30 * 86_400_000
"""A clock that nobody vouches for may have gone on by so much while the box was off."""
_PLAUSIBLE_MS = 1_735_689_600_000
"""2025-01-01: no edged is older, so an earlier time is a clock that was never set."""
_NOTE_EVERY_S = 600.0


class ClockKeeper:
    """Remembers how far wall clock and steady clock are apart."""

    def __init__(self, store: Store) -> None:
        self._synced = store.clock_synced()
        self._borrowed_ms = 0
        """What was added to the times of earlier runs because the clock was not believed."""
        self._noted_s = store.steady()
        now_ms = store.now_ms()
        seen_ms = store.one("SELECT value FROM meta WHERE name='seen'")
        off_ms = now_ms - int(seen_ms) if seen_ms is not None else 0
        if not self._synced and not -_JUMP_MS < off_ms < _LONGEST_OFF_MS:
            log.warning("outbox: the clock is %d s from where it was, and nobody vouches for it; "
                        "the time since then does not count", off_ms // 1000)  # fmt: skip
            with store.transaction():
                self._shift(store, off_ms)
                self.note(store, now_ms)
            self._borrowed_ms = off_ms

    def follow(self, store: Store) -> int:
        """Shift times when the wall clock was set meanwhile; what it says now, ms."""
        steady_s = store.steady()
        offset_s, synced = store.clock() - steady_s, store.clock_synced()
        jump_ms = int((offset_s - store.offset_s) * 1000)
        became_good = synced and not self._synced
        if abs(jump_ms) >= _JUMP_MS:
            log.warning("outbox: the clock was set by %d s", jump_ms // 1000)
            with store.transaction():
                if became_good:
                    self._shift(store, jump_ms, "row>=?", "at_ms>=?")
                else:
                    self._shift(store, jump_ms)
                    self._borrowed_ms += jump_ms
            store.began_ms += jump_ms
            store.offset_s = offset_s
        if became_good and self._borrowed_ms:
            with store.transaction():
                self._shift(store, -self._borrowed_ms, "row<?", "at_ms<?")
        if became_good:
            self._borrowed_ms = 0
        self._synced = synced
        now_ms = store.now_ms()
        self._mend(store, now_ms)
        if steady_s - self._noted_s >= _NOTE_EVERY_S:
            self._noted_s = steady_s
            with store.transaction(durable=False):
                self.note(store, now_ms)
        return now_ms

    @staticmethod
    def note(store: Store, now_ms: int) -> None:
        """Remember what the clock says, for the next run; inside a transaction."""
        store.conn.execute("INSERT OR REPLACE INTO meta VALUES ('seen', ?)", (now_ms,))

    def end(self, store: Store) -> None:
        """Remember it at a clean stop, if it can be written."""
        with contextlib.suppress(sqlite3.Error), store.transaction(durable=False):
            self.note(store, store.now_ms())

    @staticmethod
    def _shift(store: Store, by_ms: int, rows: str = "", shots: str = "") -> None:
        """Add to all times, or to those of this run (`>=`) or of earlier ones (`<`)."""
        for table, column, where, bound in (
            ("rows", "created_ms", rows, store.first_row),
            ("shots", "at_ms", shots, store.began_ms),
        ):
            sql = f"UPDATE {table} SET {column}={column}+?"  # noqa: S608
            args = (by_ms, bound) if where else (by_ms,)
            store.conn.execute(f"{sql} WHERE {where}" if where else sql, args)

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
