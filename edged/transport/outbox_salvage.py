"""Carries what is still sound out of a damaged database into the new one.

A row is taken only when its body opens under its key, which proves its session, camera,
number and every byte of it.  It keeps its own session; what is missing from that session
becomes a gap (:mod:`edged.transport.outbox_missing`), so that a consumer knows what will never
come.  Where the disk has no room for all, those that no broker has come first.

The database notes which damaged files it was given; one that it was not, because the power went
meanwhile or it is itself a new one, is looked through at the next start.  Runs under the outbox's
lock, before keys are swept; reads the damaged file, never writes it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from edged.transport.outbox_cells import LARGEST, read_verdict, sound_one
from edged.transport.outbox_digests import consents_of, shot_digest
from edged.transport.outbox_rows import Place
from edged.transport.outbox_schema import ACKED, ASIDE, DAMAGED, PENDING, is_full
from edged.transport.outbox_store import DATABASE, Store, unseal
from edged.transport.wire import NAME, ResultDoc

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""A file that has ended so many starts is left alone."""
_DONE = 255
_NOTE = "salvage"
_BATCH_BYTES = 8 << 20
_COLUMNS = "session, camera, seq, state, again, created_ms, synced, bytes, slot, shot_mac"
_ROWS = f"SELECT row, {_COLUMNS} FROM rows"  # noqa: S608 - a constant
_STATE, _SIZE = 4, 8
"""Places in what that gives."""
_RESULT = msgspec.json.Decoder(ResultDoc)
_SPOILED = (sqlite3.Error, ValueError, TypeError, OverflowError)


def salvage(store: Store) -> None:
    """Look through every damaged database that this one was not given yet, the newest first."""
    noted = _noted(store)
    found = [
        path.name
        for path in store.folder.glob(f"{DATABASE}{DAMAGED}*")
        if not path.name.endswith(("-wal", "-shm"))
    ]
    for name in sorted(found, reverse=True):
        begun = noted.get(name, 0)
        if begun == _DONE:
            continue
        if begun < ATTEMPTS:
            _note(store, noted, name, begun + 1)
            _salvage_one(store, store.folder / name)
        else:
            log.error("outbox: %s has ended %d starts and is left alone", name, begun)
        _note(store, noted, name, _DONE)


def _salvage_one(store: Store, damaged: Path) -> None:
    """Take over sound rows, verdicts and the knowledge of what is missing."""
    take = _Taking(store)
    with closing(sqlite3.connect(f"file:{damaged}?mode=ro", uri=True)) as old:
        for step in (take.rows, take.shots, take.numbers):
            take.as_far_as_it_goes(step, old)
    store.measure()
    if take.saved:
        log.warning("outbox: %d results were saved from the damaged database", take.saved)
    if take.no_room:
        log.error("outbox: the disk had no room for the other results of the damaged database")
        store.on_event("outbox-damaged", "no-room", {"saved": take.saved})


class _Taking:
    """Rows of one damaged database, on their way into the new one.

    Attributes:
        saved: results that are there now.
        no_room: the disk had none for the rest.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.saved, self.no_room = 0, False

    def as_far_as_it_goes(
        self, step: Callable[[sqlite3.Connection], None], old: sqlite3.Connection
    ) -> None:
        """One of the steps below; whatever ends it, the next one is worth a try."""
        try:
            step(old)
        except _SPOILED as error:
            self.no_room |= isinstance(error, sqlite3.Error) and is_full(error)
            log.warning("outbox: no more %s can be saved: %s", step.__name__, error)

    def rows(self, old: sqlite3.Connection) -> None:
        """All sound ones, those first that are no broker's; in transactions of some MiB."""
        for wanted in ((PENDING, ASIDE), (ACKED,)):
            rows = (one for one in _both_ways(old, _ROWS, "row") if one[_STATE] in wanted)
            while self._batch(old, rows):
                self._store.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _batch(self, old: sqlite3.Connection, rows: Iterator[tuple[Any, ...]]) -> bool:
        """Some rows, if there is room; whether there may be more."""
        if self.no_room or self._store.disk_free_bytes() < self._least_free():
            self.no_room = self.no_room or next(rows, None) is not None
            return False
        size_bytes = saved = 0
        with self._store.transaction():
            for row in rows:
                if _take_row(self._store, old, row):
                    saved += 1
                    size_bytes += row[_SIZE]
                if size_bytes >= _BATCH_BYTES:
                    break
        self.saved += saved
        return size_bytes >= _BATCH_BYTES

    def _least_free(self) -> int:
        return self._store.limits.min_free_bytes + 2 * _BATCH_BYTES

    def shots(self, old: sqlite3.Connection) -> None:
        """Verdicts, with results or without."""
        query = "SELECT mac, payload_mac, verdict, at_ms FROM shots"
        with self._store.transaction():
            for shot in _both_ways(old, query, "mac"):
                _take_shot(self._store, shot)

    def numbers(self, old: sqlite3.Connection) -> None:
        """How far the old session has come: what was not saved of it becomes gaps."""
        session = str(uuid.UUID(bytes=_one(old, "SELECT value FROM meta WHERE name='session'")))
        for camera, last in list(_both_ways(old, "SELECT * FROM counters", "camera")):
            if isinstance(camera, str) and re.fullmatch(NAME, camera) and type(last) is int:
                self._store.marks.learn(session, camera, min(max(last, 0), LARGEST))


def _noted(store: Store) -> dict[str, int]:
    """Damaged files that this database knows, and how often it began with them."""
    found = store.one("SELECT value FROM meta WHERE name=?", (_NOTE,))
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(found or b"{}", type=dict[str, int])
    return {}


def _note(store: Store, noted: dict[str, int], name: str, begun: int) -> None:
    noted[name] = begun
    for old in [one for one in noted if not (store.folder / one).exists()]:
        del noted[old]
    with store.transaction() as conn:
        conn.execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_NOTE, msgspec.json.encode(noted))
        )


def _take_row(store: Store, old: sqlite3.Connection, found: tuple[Any, ...]) -> int:
    row, *values = found
    try:
        place, (state, *rest, size_bytes, slot, _shot_mac) = values[:3], values[3:]
        numbers = all(type(value) is int for value in (place[2], state, *rest, size_bytes, slot))
        numbers = numbers and all(isinstance(text, str) for text in place[:2])
        key = store.vault.read(slot) if numbers else None
        body = old.execute("SELECT doc, picture FROM bodies WHERE row=?", (row,)).fetchone()
        if key is None or body is None or state not in (PENDING, ACKED, ASIDE):
            return 0
        where = Place(*place)
        doc, picture = (
            unseal(key, part, sealed, where)
            for part, sealed in zip((b"doc", b"picture"), body, strict=True)
        )
        if doc is None or picture is None or size_bytes != len(body[0]) + len(body[1]):
            return 0
        result = _RESULT.decode(doc)
        # What a purge will look for is taken from what was sealed, and from no cell that may
        # be spoiled.
        values[-1] = shot_mac = shot_digest(store, result.id)
        cursor = store.conn.execute(
            f"INSERT OR IGNORE INTO rows (kind, last, reason, {_COLUMNS})"  # noqa: S608
            " VALUES ('result', ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (where.seq, *values),
        )
        if cursor.rowcount != 1:
            return 0
        new_row = cursor.lastrowid
        if not sound_one(store.conn, "rows", "row", new_row):
            store.conn.execute("DELETE FROM rows WHERE row=?", (new_row,))
            return 0
        store.conn.execute("INSERT INTO bodies VALUES (?, ?, ?)", (new_row, *body))
        for mac in consents_of(store, result):
            store.conn.execute("INSERT INTO consents VALUES (?, ?)", (mac, new_row))
        _take_shot_of(store, old, new_row, shot_mac)
    except _SPOILED as error:
        if isinstance(error, sqlite3.Error) and is_full(error):
            raise
        return 0
    return 1


def _take_shot_of(
    store: Store, old: sqlite3.Connection, new_row: int | None, shot_mac: bytes
) -> None:
    """The verdict of a saved row, pointing at where it is now; its result tells a lost one."""
    found = None
    with contextlib.suppress(sqlite3.Error):
        found = old.execute(
            "SELECT mac, payload_mac, verdict, at_ms FROM shots WHERE mac=?", (shot_mac,)
        ).fetchone()
    if found is not None:
        _take_shot(store, found)
        store.conn.execute("UPDATE shots SET row=? WHERE mac=?", (new_row, shot_mac))


def _take_shot(store: Store, shot: tuple[Any, ...]) -> None:
    mac, payload_mac, verdict, at_ms = shot
    if isinstance(mac, bytes) and isinstance(payload_mac, bytes | None) and type(at_ms) is int:
        try:
            read_verdict(verdict)
        except sqlite3.Error:
            return
        store.conn.execute(
            "INSERT OR IGNORE INTO shots (mac, payload_mac, verdict, at_ms) VALUES (?, ?, ?, ?)",
            (mac, payload_mac, verdict, at_ms),
        )
        if not sound_one(store.conn, "shots", "mac", mac):
            store.conn.execute("DELETE FROM shots WHERE mac=?", (mac,))


def _both_ways(old: sqlite3.Connection, query: str, order: str) -> Iterator[tuple[Any, ...]]:
    """Rows from the front up to the damage, then from the back up to it.

    Their first column is the one that orders them, and has each value once.
    """
    for direction in ("ASC", "DESC"):
        before = None
        with contextlib.suppress(sqlite3.Error, TypeError):
            for found in old.execute(f"{query} ORDER BY {order} {direction}"):
                up = direction == "ASC"
                if before is not None and not (before < found[0] if up else found[0] < before):
                    break  # pages that name each other in a circle would go on for ever
                before = found[0]
                yield found
            else:
                return


def _one(old: sqlite3.Connection, query: str) -> bytes:
    found = old.execute(query).fetchone()
    if found is None or not isinstance(found[0], bytes):  # of a number bytes() makes zeros
        raise ValueError("the damaged database does not say its session")
    return found[0]
