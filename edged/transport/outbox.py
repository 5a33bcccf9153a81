"""The engine's queue towards the broker: durable, encrypted a row at a time, bounded.

A result is on the disk when :meth:`Outbox.put` returns, under a sequence number of its
camera without holes; it is handed out until the uplink acknowledges it, stays
replayable until its retention ends, and leaves a gap row behind when it goes unsent.
Any thread may call any method; one lock orders them.

What a method may raise while running is a :class:`FrameError` with the reason that the
sender is told: `outbox-full`, `outbox-error` or `id-reused`.

    vault           keys, one a row, in a file of slots
    outbox_schema   tables, opening, setting aside     outbox_store    what all share
    outbox_put      a result in                        outbox_load     a row out
    outbox_shots, outbox_digests   verdicts by id      outbox_gaps     what will never come
    outbox_removal  purge, age, size, damage           outbox_replay   what comes again
    outbox_salvage  sound rows of a damaged database   outbox_clock    ages on a wrong clock
    outbox_marks, outbox_recent    numbers given out   outbox_missing  those that are gone
    outbox_turns    whose row goes next                outbox_stats    figures
    outbox_forms    databases of an older edged        outbox_room     a full disk

Knows nothing of sockets and brokers.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edged.errors import FrameError, OperatorError
from edged.transport import outbox_put, outbox_shots, outbox_stats
from edged.transport import outbox_removal as removal
from edged.transport.clock import clock_synced
from edged.transport.outbox_cells import watched
from edged.transport.outbox_clock import ClockKeeper
from edged.transport.outbox_gaps import add_gap
from edged.transport.outbox_load import load
from edged.transport.outbox_replay import replay
from edged.transport.outbox_room import Room, is_no_room, keep_reserve, roomy, with_reserve
from edged.transport.outbox_rows import (
    AsideReason,
    Known,
    OnEvent,
    OutboxLimits,
    OutboxStats,
    Payload,
    PayloadMac,
    Place,
    PurgeReceipt,
    PurgeSelector,
    Row,
)
from edged.transport.outbox_schema import ACKED, ASIDE, PENDING, is_damage
from edged.transport.outbox_store import Store, lock_folder
from edged.transport.outbox_turns import Turns
from edged.transport.wire import OutgoingPicture, ResultDoc, VerdictDoc
from edged.verdicts import Reason

log = logging.getLogger(__name__)

_NOW_NS = 1 << 63
_TIDY_BYTES = 1 << 20
"""So much in the log is worth carrying into the database."""
_VACUUM_PAGES = 256
"""Free pages given back to the disk at a time (2 MiB), so that a put never waits long."""

__all__ = [
    "Known", "Outbox", "OutboxLimits", "OutboxStats", "PayloadMac", "PurgeReceipt",
    "PurgeSelector", "Row",
]  # fmt: skip


class Outbox:
    """Owner and only writer of an outbox folder.  Made by :meth:`open`."""

    def __init__(self, store: Store, lock_fd: int) -> None:
        self._store = store
        self._lock_fd = lock_fd
        self._lock = threading.RLock()
        self._clock = ClockKeeper(store)
        self._turns = Turns()
        self._turns.begin(store)
        self._room = Room(store)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        limits: OutboxLimits | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
        clock_synced: Callable[[], bool] = clock_synced,
        master_key: bytes | None = None,
        on_event: OnEvent = lambda _name, _reason, _data: None,
    ) -> Outbox:
        """Open the folder, make it where it is absent, finish what a crash has cut.

        Args:
            folder: made with mode 0700.
            limits: how much and how long; the defaults when None.
            clock: wall clock, seconds since the epoch.
            steady: clock that nobody sets, seconds; the difference of the two tells
                when the wall clock was set.
            clock_synced: whether to believe the wall clock, for the documents of gaps.
            master_key: wraps the row keys; 16, 24 or 32 bytes from a credential.
            on_event: told of damage and loss, also from within this call; must not
                call back into the outbox.

        Raises:
            OperatorError: the folder cannot be used, another engine has it, or the
                master key does not fit.
        """
        lock_fd = lock_folder(folder)

        def opened() -> Outbox:
            store = Store(
                folder, limits or OutboxLimits(), clock=clock, steady=steady,
                clock_synced=clock_synced, master_key=master_key, on_event=on_event,
            )
            try:
                removal.finish(store)
                return cls(store, lock_fd)
            except BaseException:
                store.close()
                raise

        try:
            return with_reserve(folder, opened)
        except (OSError, sqlite3.Error) as error:
            os.close(lock_fd)
            raise OperatorError(
                f"the outbox in {folder} cannot be opened ({error}); look at the disk"
            ) from error
        except BaseException:
            os.close(lock_fd)
            raise

    def close(self) -> None:
        """Let go of the folder; harmless when repeated."""
        with self._lock:
            if self._lock_fd >= 0:
                self._clock.end(self._store)
                self._store.close()
                os.close(self._lock_fd)
                self._lock_fd = -1

    @property
    def session(self) -> str:
        """UUID of the database; a new one begins its sequence numbers at 1."""
        return self._store.session

    # -- shots ---------------------------------------------------------------------

    def digest(self, payload: Payload) -> PayloadMac:
        """Keyed digest of a payload, to be computed once for `lookup` and `put`."""
        if isinstance(payload, PayloadMac):
            return payload
        return PayloadMac(self._store.vault.mac(b"payload", payload))

    def lookup(self, shot_id: str, payload: Payload) -> Known | None:
        """What became of a shot that came before; None for a new one.

        Raises:
            FrameError: the id was used with another payload; disk trouble.
        """
        mac = self.digest(payload)
        with self._work():
            return outbox_shots.find(self._store, shot_id, mac, with_picture=True)

    def put(
        self,
        doc: ResultDoc,
        picture: OutgoingPicture,
        *,
        shot_id: str | None,
        payload: Payload | None,
        received_ns: int = _NOW_NS,
    ) -> VerdictDoc:
        """Make a result durable: number, row, picture and verdict in one transaction.

        `doc.session`, `doc.seq` and an empty `doc.id` are filled in.  A shot that is
        known already gets its first verdict and `doc` stays as it is (`seq` 0): its
        picture is then the one that `lookup` gives.

        Args:
            doc: the result; its `image` must describe the picture.
            picture: what goes to the image topic.
            shot_id: None for a stream frame.
            payload: what the sender sent (or its digest), None for a stream frame.
            received_ns: monotonic time of the frame; a consent purged since then refuses it.

        Raises:
            FrameError: id used with another payload, outbox full, disk trouble.
        """
        if doc.image.sha256 != picture.note.sha256:
            raise ValueError("the document describes another picture than the one given")
        mac = None if payload is None else self.digest(payload)
        with self._work():
            if shot_id is not None:
                known = outbox_shots.find(self._store, shot_id, mac, with_picture=False)
                if known is not None:
                    return known.verdict
            self._room.check(len(picture.jpeg))
            verdict, row = roomy(
                self._store,
                lambda: outbox_put.insert(
                    self._store, doc, picture, shot_id, mac, received_ns=received_ns
                ),
                reserve=False,
            )
            if row:
                self._turns.made(row, doc.camera, self._store.steady())
            return verdict

    def remember(self, shot_id: str, payload: Payload, verdict: VerdictDoc) -> VerdictDoc:
        """Keep the verdict of a shot that has no result; the first one given stays.

        Returns:
            The verdict that stands for this shot.

        Raises:
            FrameError: id used with another payload, disk trouble.
        """
        mac = self.digest(payload)
        with self._work():
            known = outbox_shots.find(self._store, shot_id, mac, with_picture=False)
            if known is not None:
                return known.verdict
            with self._store.transaction():
                outbox_shots.write(self._store, shot_id, mac, verdict)
            return verdict

    # -- the uplink's side ---------------------------------------------------------

    def pending(self, limit: int, skip: Collection[int] = ()) -> list[int]:
        """Rows to hand out, in order; see :mod:`edged.transport.outbox_turns`.

        Args:
            limit: how many at most.
            skip: rows that are with the uplink already.
        """
        with self._work():
            return self._turns.pending(self._store, limit, skip)

    def load(self, row: int) -> Row | None:
        """A row with everything filled in; None when it is gone or unreadable.

        An unreadable row is turned into a gap on the spot.
        """
        with self._work():
            return load(self._store, row)

    def handed_out(self, row: int) -> None:
        """Note that the uplink has got a row: whoever gets it again gets history."""
        with self._lock:
            self._store.handed.add(row)

    def ack(self, *rows: int) -> None:
        """Note that the broker has these rows; they stay replayable."""
        with self._work():
            roomy(self._store, lambda: self._note(rows))

    def _note(self, rows: Sequence[int]) -> None:
        with self._store.transaction(durable=False) as conn:
            conn.executemany(
                "UPDATE rows SET state=?, again=0 WHERE row=? AND state=?",
                [(ACKED, row, PENDING) for row in rows],
            )
        self._store.handed.difference_update(rows)

    def set_aside(self, row: int, reason: AsideReason) -> None:
        """Take a row that the broker refuses out of the queue and put a gap in its place."""
        with self._work():
            with self._store.transaction() as conn:
                found = conn.execute(
                    "SELECT kind, session, camera, seq FROM rows WHERE row=? AND state=?",
                    (row, PENDING),
                ).fetchone()
                if found is None:
                    return
                conn.execute("UPDATE rows SET state=?, again=0 WHERE row=?", (ASIDE, row))
                kind, place = found[0], Place(*found[1:])
                if kind == "result":
                    add_gap(self._store, place, place.seq, "poison")
            log.warning("outbox: %s %s/%d set aside: %s", kind, place.camera, place.seq, reason)
            self._store.on_event(
                "row-set-aside", reason, {"camera": place.camera, "seq": place.seq}
            )

    def requeue_all(self) -> int:
        """Hand out every retained row again: the broker has forgotten us.

        Returns:
            How many rows that are.
        """
        with self._work(), self._store.transaction() as conn:
            return conn.execute(
                "UPDATE rows SET state=?, again=1 WHERE state=?", (PENDING, ACKED)
            ).rowcount

    def replay(
        self, camera: str, first: int, last: int, session: str | None = None
    ) -> dict[str, int]:
        """Hand out a range again; numbers that are not there any more get a gap.

        Args:
            camera: a configured name.
            first: number that the range begins with.
            last: number that it ends with, inclusive.
            session: None means the current one.

        Returns:
            `rows` and `gaps` that will come, and `last`, the camera's newest number.

        Raises:
            ValueError: the outbox knows no such session or camera, or the range is empty.
        """
        with self._work():
            return replay(self._store, camera, first, last, session or self.session)

    # -- keeping and throwing away -------------------------------------------------

    def purge(self, selector: PurgeSelector) -> PurgeReceipt:
        """Destroy rows for good: keys first, then rows; their shots are "purged" from then on."""
        with self._work():
            return removal.purge(self._store, selector)

    def limit(self, limits: OutboxLimits) -> None:
        """Keep to other limits from now on."""
        with self._work():
            self._store.limits = limits

    def enforce(self) -> int:
        """Apply the age limits and tidy the files; to be called every few seconds.

        Returns:
            How many rows went.
        """
        with self._work():
            now_ms = self._clock.follow(self._store)
            keep_reserve(self._store)
            gone = removal.expire(self._store, now_ms)
            if self._store.checkpoint_due:
                removal.truncate_log(self._store)
            if gone:
                removal.shrink(self._store, _VACUUM_PAGES)
            return gone

    def tidy(self) -> None:
        """Carry the log into the database; for a moment in which nobody waits for a put."""
        with self._work():
            if self._store.unchecked_bytes > _TIDY_BYTES:
                self._store.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._store.unchecked_bytes = 0
                self._store.marks.sync()

    def stats(self) -> OutboxStats:
        """Figures of this moment."""
        with self._work():
            return outbox_stats.stats(self._store)

    # -- inside ----------------------------------------------------------------------

    @contextmanager
    def _work(self) -> Iterator[None]:
        """The lock, and foreign errors turned into ours."""
        with self._lock:
            if self._lock_fd < 0:
                raise FrameError(Reason.OUTBOX_ERROR, "the outbox is closed")
            try:
                with watched(self._store.conn):
                    yield
            except sqlite3.Error as error:
                if is_damage(error):
                    self._begin_again()
                elif is_no_room(error):
                    raise FrameError(
                        Reason.OUTBOX_FULL, "the disk of the outbox is full; free some space"
                    ) from error
                raise FrameError(Reason.OUTBOX_ERROR, f"the outbox failed: {error}") from error
            except OSError as error:
                reason = Reason.OUTBOX_FULL if is_no_room(error) else Reason.OUTBOX_ERROR
                text = f"the outbox cannot be written: {error.strerror}"
                raise FrameError(reason, text) from error

    def _begin_again(self) -> None:
        try:
            self._store.reopen()
            removal.finish(self._store)
            self._turns.begin(self._store)
        except (OSError, sqlite3.Error) as error:
            raise FrameError(
                Reason.OUTBOX_ERROR, f"the outbox is damaged and no new one can be made: {error}"
            ) from error
