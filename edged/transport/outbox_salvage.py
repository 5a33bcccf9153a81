"""Carries what is still sound out of a damaged database into the new one.

A row is taken only when its body opens under its key, which proves its session, camera,
number and every byte of it.  It keeps its own session; what is missing from that session
becomes a gap (:mod:`edged.transport.outbox_missing`), so that a consumer knows what will never
come.  Runs under the outbox's
lock, before keys are swept; reads the damaged file, never writes it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from edged.transport.outbox_cells import LARGEST, read_verdict
from edged.transport.outbox_rows import Place
from edged.transport.outbox_schema import ACKED, ASIDE, PENDING
from edged.transport.outbox_store import Store, unseal
from edged.transport.wire import NAME

log = logging.getLogger(__name__)

_COLUMNS = "session, camera, seq, state, again, created_ms, synced, bytes, slot, shot_mac"
_ROWS = f"SELECT row, {_COLUMNS} FROM rows"  # noqa: S608 - a constant
_SPOILED = (sqlite3.Error, ValueError, TypeError, OverflowError)


def salvage(store: Store, damaged: Path) -> int:
    """Take over sound rows, verdicts and the knowledge of what is missing.

    Returns:
        How many results were saved.
    """
    saved = 0
    try:
        with closing(sqlite3.connect(f"file:{damaged}?mode=ro", uri=True)) as old:
            with store.transaction():
                for row in _both_ways(old, _ROWS, "row"):
                    saved += _take_row(store, old, row)
                for shot in _both_ways(
                    old, "SELECT mac, payload_mac, verdict, at_ms FROM shots", "mac"
                ):
                    _take_shot(store, shot)
            store.measure()
            _learn_numbers(store, old)
    except _SPOILED as error:
        log.warning("outbox: nothing more can be saved from the damaged database: %s", error)
    if saved:
        log.warning("outbox: %d results were saved from the damaged database", saved)
    return saved


def _take_row(store: Store, old: sqlite3.Connection, found: tuple[Any, ...]) -> int:
    row, *values = found
    try:
        place, (state, *rest, size_bytes, slot, shot_mac) = values[:3], values[3:]
        numbers = all(type(value) is int for value in (place[2], state, *rest, size_bytes, slot))
        numbers = numbers and all(isinstance(text, str) for text in place[:2])
        key = store.vault.read(slot) if numbers else None
        body = old.execute("SELECT doc, picture FROM bodies WHERE row=?", (row,)).fetchone()
        if key is None or body is None or state not in (PENDING, ACKED, ASIDE):
            return 0
        where = Place(*place)
        if any(
            unseal(key, part, sealed, where) is None
            for part, sealed in zip((b"doc", b"picture"), body, strict=True)
        ):
            return 0
        if size_bytes != len(body[0]) + len(body[1]):
            return 0
        cursor = store.conn.execute(
            f"INSERT OR IGNORE INTO rows (kind, last, reason, {_COLUMNS})"  # noqa: S608
            " VALUES ('result', ?, '', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (where.seq, *values),
        )
        if cursor.rowcount != 1:
            return 0
        new_row = cursor.lastrowid
        store.conn.execute("INSERT INTO bodies VALUES (?, ?, ?)", (new_row, *body))
        _take_shot_of(store, old, new_row, shot_mac)
        for (mac,) in old.execute("SELECT mac FROM consents WHERE row=?", (row,)).fetchall():
            store.conn.execute("INSERT OR IGNORE INTO consents VALUES (?, ?)", (mac, new_row))
    except _SPOILED:
        return 0
    return 1


def _take_shot_of(
    store: Store, old: sqlite3.Connection, new_row: int | None, shot_mac: bytes
) -> None:
    """The verdict of a saved row, pointing at where it is now."""
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


def _learn_numbers(store: Store, old: sqlite3.Connection) -> None:
    """How far the old session has come: what was not saved of it becomes gaps."""
    session = str(uuid.UUID(bytes=_one(old, "SELECT value FROM meta WHERE name='session'")))
    for camera, last in list(_both_ways(old, "SELECT * FROM counters", "camera")):
        if isinstance(camera, str) and re.fullmatch(NAME, camera) and type(last) is int:
            store.marks.learn(session, camera, min(max(last, 0), LARGEST))


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
