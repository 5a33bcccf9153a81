"""Hands a range of sequence numbers out again; what is gone comes as a gap.

Runs under the outbox's lock.
"""

from __future__ import annotations

from edged.transport.outbox_gaps import add_gap
from edged.transport.outbox_rows import Place
from edged.transport.outbox_schema import PENDING
from edged.transport.outbox_store import Store


def replay(store: Store, camera: str, first: int, last: int, session: str) -> dict[str, int]:
    """See :meth:`edged.transport.outbox.Outbox.replay`."""
    newest = _newest(store, camera, session)
    if newest is None:
        raise ValueError("no such session or camera in this outbox")
    first, last = max(1, first), min(last, newest)
    if first > last:
        raise ValueError(f"the range is empty; the newest number is {newest}")
    place = (session, camera, last, first)
    with store.transaction() as conn:
        covered = conn.execute(
            "SELECT seq, last, kind FROM rows WHERE session=? AND camera=? AND seq<=? AND last>=?"
            " ORDER BY seq, last",
            place,
        ).fetchall()
        conn.execute(
            "UPDATE rows SET state=?, again=1"
            " WHERE session=? AND camera=? AND seq<=? AND last>=? AND state<>?",
            (PENDING, *place, PENDING),
        )
        missing = holes([(start, end) for start, end, _ in covered], first, last)
        for start, end in missing:
            add_gap(store, Place(session, camera, start), end, "expired")
    results = sum(1 for *_, kind in covered if kind == "result")
    return {"rows": results, "gaps": len(covered) - results + len(missing), "last": newest}


def _newest(store: Store, camera: str, session: str) -> int | None:
    """The highest number of a camera in a session; None when there never was one."""
    if session == store.session:
        found = store.one("SELECT last FROM counters WHERE camera=?", (camera,))
    else:
        found = store.one(
            "SELECT max(last) FROM rows WHERE session=? AND camera=?", (session, camera)
        )
    return None if found is None else int(found)


def holes(covered: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Inclusive ranges of first..last that no sorted, inclusive range covers."""
    holes: list[tuple[int, int]] = []
    expected = first
    for start, end in covered:
        if start > expected:
            holes.append((expected, start - 1))
        expected = max(expected, end + 1)
    if expected <= last:
        holes.append((expected, last))
    return holes
