"""Turns numbers that were given out and are not there any more into gaps.

What was given out is known from the marks, which are no part of the database.  Runs under the
outbox's lock, at start.
"""

from __future__ import annotations

import contextlib
import logging

import msgspec

from edged.transport.outbox_gaps import add_gap
from edged.transport.outbox_replay import holes
from edged.transport.outbox_rows import Place
from edged.transport.outbox_store import Store

log = logging.getLogger(__name__)


def reconcile(store: Store) -> int:
    """Every number that was given out is a row, or becomes a gap.

    The current session goes on above the highest number ever given out; sessions whose
    database was lost are told once.

    Returns:
        How many numbers were missing.
    """
    missing = 0
    with store.transaction() as conn:
        told = _told(store)
        others = [session for session in store.marks.sessions if session != store.session]
        for session in others:
            if session not in told:
                lasts = store.marks.sessions[session]
                missing += sum(_tell(store, session, cam, 1, last) for cam, last in lasts.items())
        lost = _go_on_above(store)
        if others != told:  # an engine also starts on a full disk, if it has nothing to write
            said = msgspec.json.encode(others)
            conn.execute("INSERT OR REPLACE INTO meta VALUES ('told', ?)", (said,))
    store.marks.begin(store.session, dict(store.conn.execute("SELECT camera, last FROM counters")))
    if lost:  # a database that was set aside has had its say
        log.error("outbox: %d results are lost with the database's log, and come as gaps", lost)
        store.on_event("outbox-damaged", "log-lost", {"rows": lost})
    return missing + lost


def _go_on_above(store: Store) -> int:
    tops = dict(store.marks.sessions.get(store.session, {}))
    for camera, last in store.conn.execute(
        "SELECT camera, max(last) FROM rows WHERE session=? GROUP BY camera", (store.session,)
    ):
        tops[camera] = max(last, tops.get(camera, 0))
    missing = 0
    for camera, top in tops.items():
        counter = store.one("SELECT last FROM counters WHERE camera=?", (camera,)) or 0
        if top > counter:
            missing += _tell(store, store.session, camera, counter + 1, top)
            store.conn.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (camera, top))
    return missing


def _tell(store: Store, session: str, camera: str, first: int, last: int) -> int:
    covered = store.conn.execute(
        "SELECT seq, last FROM rows WHERE session=? AND camera=? AND seq<=? AND last>=?"
        " ORDER BY seq, last",
        (session, camera, last, first),
    ).fetchall()
    found = holes(covered, first, last)
    for begin, end in found:
        add_gap(store, Place(session, camera, begin), end, "damaged")
    return sum(end - begin + 1 for begin, end in found)


def _told(store: Store) -> list[str]:
    found = store.one("SELECT value FROM meta WHERE name='told'")
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(found or b"[]", type=list[str])
    return []
