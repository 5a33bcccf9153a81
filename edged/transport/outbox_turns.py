"""Whose row goes next: new results at once, a backlog beside them, cameras in turns.

    new          made in the last minute: in the order in which they were made
    backlog      older, never taken: one row a camera in turns, oldest first
    asked again  published before and asked for: when nothing else waits

After days offline a visitor who stands at the booth now does not wait for the week before:
new rows and the backlog take turns.  Runs under the outbox's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from edged.transport.outbox_schema import PENDING
from edged.transport.outbox_store import Store

NEW_S = 60.0
"""A row older than that is history to its consumer (see `outbox_load`), and may wait."""
_CAMERAS = "SELECT camera FROM counters UNION SELECT DISTINCT camera FROM rows"
_LANE = "SELECT row FROM rows WHERE state=? AND again=0 AND camera=? AND row<? ORDER BY row LIMIT ?"


class Turns:
    """Remembers whose turn it is."""

    def __init__(self) -> None:
        self._made: deque[tuple[float, int]] = deque()
        self._last_camera = ""
        self._backlog_next = True
        self._cameras: set[str] = set()

    def made(self, row: int, camera: str, now_s: float) -> None:
        """A row was made; `now_s` is of a clock that nobody sets."""
        self._made.append((now_s, row))
        self._cameras.add(camera)

    def begin(self, store: Store) -> None:
        """Look once at whose rows are there."""
        self._made.clear()
        self._cameras = {camera for (camera,) in store.conn.execute(_CAMERAS)}

    def pending(self, store: Store, limit: int, skip: Collection[int]) -> list[int]:
        """See :meth:`edged.transport.outbox.Outbox.pending`."""
        first_new = self._first_new(store)
        most = limit + len(skip)
        new = _rows(store, "again=0 AND row>=?", (first_new,), most)
        lanes = [iter([row for row in new if row not in skip])]
        lanes.append(self._backlog(store, first_new, most, skip))
        found: list[int] = []
        while lanes and len(found) < limit:
            lane = lanes[self._backlog_next % len(lanes)]
            row = next(lane, None)
            if row is None:
                lanes.remove(lane)
                continue
            found.append(row)
            self._backlog_next = not self._backlog_next
        for rest in ("again=0", "again=1"):  # the first finds nothing, unless by an error of ours
            if len(found) < limit:
                had = {*skip, *found}
                more = _rows(store, rest, (), limit + len(had))
                found += [row for row in more if row not in had][: limit - len(found)]
        return found

    def _first_new(self, store: Store) -> int:
        """The first row that counts as new."""
        old_s = store.steady() - NEW_S
        while self._made and self._made[0][0] < old_s:
            self._made.popleft()
        return self._made[0][1] if self._made else 1 << 62

    def _backlog(
        self, store: Store, before: int, most: int, skip: Collection[int]
    ) -> Iterator[int]:
        """Older rows, a camera after the other, beginning behind the one that had the last."""
        cameras = sorted(self._cameras)
        cameras = [c for c in cameras if c > self._last_camera] + [
            c for c in cameras if c <= self._last_camera
        ]
        queues = {}
        for camera in cameras:
            found = store.conn.execute(_LANE, (PENDING, camera, before, most))
            rows = deque(row for (row,) in found if row not in skip)
            if rows:
                queues[camera] = rows
        while queues:
            for camera in list(queues):
                self._last_camera = camera
                yield queues[camera].popleft()
                if not queues[camera]:
                    del queues[camera]


def _rows(store: Store, where: str, args: tuple[int, ...], limit: int) -> list[int]:
    sql = f"SELECT row FROM rows WHERE state=? AND {where} ORDER BY row LIMIT ?"  # noqa: S608
    return [row for (row,) in store.conn.execute(sql, (PENDING, *args, limit))]
