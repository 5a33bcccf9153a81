"""Room on the disk: how much must stay free, and what is done when there is none.

Deleting needs room, too, for the log: on a disk that others have filled to the brim nothing
could be purged or expired.  So a small file is kept that can be given up for it.  Runs under
the outbox's lock.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from edged.errors import FrameError
from edged.transport.outbox_schema import is_full
from edged.transport.outbox_store import Store
from edged.verdicts import Reason

log = logging.getLogger(__name__)

RESERVE = "outbox.reserve"
RESERVE_BYTES = 1 << 20
_INDEX_BYTES = 64 << 10
_LOOK_EVERY = 16
"""Puts between two looks at the free disk space."""
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk, a quota or a limit says when there is no room in it."""
R = TypeVar("R")


class Room:
    """Looks at the free space before results go in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._puts = 0
        keep_reserve(store)

    def check(self, size_bytes: int) -> None:
        """Raises FrameError when too little would stay free."""
        self._puts += 1
        if self._puts % _LOOK_EVERY != 1:
            return
        free_bytes = self._store.disk_free_bytes()
        if free_bytes - size_bytes < self._store.limits.min_free_bytes:
            self._puts = 0  # look again at the next put
            raise FrameError(
                Reason.OUTBOX_FULL, f"only {free_bytes >> 20} MiB are free on the outbox's disk"
            )


def keep_reserve(store: Store) -> None:
    """Make the reserve, when it is not there and the disk has plenty of room for it."""
    path = store.folder / RESERVE
    if path.exists() or store.disk_free_bytes() < 8 * RESERVE_BYTES:
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        finally:
            os.close(fd)
    except OSError as error:
        path.unlink(missing_ok=True)
        log.debug("no reserve: %s", error.strerror)


def is_no_room(error: Exception) -> bool:
    """Whether SQLite or the system says that the disk is full."""
    if isinstance(error, sqlite3.Error):
        return is_full(error)
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def with_reserve(folder: Path, work: Callable[[], R]) -> R:
    """Open an outbox; on a full disk once more, without the reserve."""
    try:
        return work()
    except (sqlite3.Error, OSError) as error:
        reserve, found = folder / RESERVE, os.statvfs(folder)
        # A memory-mapped index that cannot grow is an "I/O error" to SQLite.
        none_left = found.f_bavail * found.f_frsize < _INDEX_BYTES
        if not (is_no_room(error) or none_left) or not reserve.exists():
            raise
        reserve.unlink()
        log.warning("outbox: the disk is full; the reserve was given up for a start")
    return work()


def roomy(store: Store, work: Callable[[], R], *, reserve: bool = True) -> R:
    """Do something that writes; on a full disk once more, after what can be given up is.

    Args:
        store: open.
        work: to be done; must leave nothing behind when it fails.
        reserve: it may have the reserve: it makes room, or is worth it.
    """
    try:
        return work()
    except sqlite3.OperationalError as error:
        if not is_full(error):
            raise
        before = store.disk_free_bytes()
        with contextlib.suppress(sqlite3.Error):
            store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if reserve:
            (store.folder / RESERVE).unlink(missing_ok=True)
        if store.disk_free_bytes() <= before:
            raise
    return work()
