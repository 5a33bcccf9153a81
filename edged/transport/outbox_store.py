"""What all parts of the outbox share: connection, keys, clock, transactions, sealing.

Every function of the outbox that is not a method takes a :class:`Store` and runs under
its owner's lock.  Knows the tables' names and nothing of what the rows mean.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edged.errors import OperatorError
from edged.transport.outbox_forms import SCHEMA_VERSION
from edged.transport.outbox_marks import Marks
from edged.transport.outbox_rows import OnEvent, OutboxLimits, Place
from edged.transport.outbox_schema import DAMAGED, Opened, is_damage, open_database, set_aside
from edged.transport.vault import Vault

log = logging.getLogger(__name__)

DATABASE = "outbox.db"
KEYS = "outbox.keys"
MARKS = "outbox.marks"
_ROWS_OF_A_DATABASE = 1 << 40
"""More than one will ever have."""
_NONCES = {b"doc": (1).to_bytes(12, "big"), b"picture": (2).to_bytes(12, "big")}
"""A key seals one document and one picture in its life, so two fixed nonces never repeat
under it (NIST SP 800-38D, 8.2.1)."""


class Store:
    """An open outbox folder.

    Attributes:
        session: UUID of the database.
        marks: the highest numbers given out.
        used_bytes: of all bodies; follows every committed change.
        new_keys: the key file was replaced, so that no row can be read any more.
        first_row: the first row number of this run; older ones count as historical.
        began_ms: when this run began, by the wall clock as it is now.
        offset_s: from the steady clock to the wall clock; see
            :class:`edged.transport.outbox_clock.ClockKeeper`.
        handed: rows that this run has handed out.
        unchecked_bytes: written since the log was last carried into the database.
        withdrawn: digests of purged consent references, and when (monotonic, ns).
    """

    def __init__(
        self,
        folder: Path,
        limits: OutboxLimits,
        *,
        clock: Callable[[], float],
        steady: Callable[[], float],
        clock_synced: Callable[[], bool],
        master_key: bytes | None,
        on_event: OnEvent,
    ) -> None:
        self.folder = folder
        self.limits = limits
        self.clock = clock
        self.steady = steady
        self.clock_synced = clock_synced
        self.on_event = on_event
        self.offset_s = clock() - steady()
        self._master_key = master_key
        self.handed: set[int] = set()
        self.withdrawn: dict[bytes, int] = {}
        self.checkpoint_due = False
        self.unchecked_bytes = 0
        self._databases_lost = 0  # while running
        self.marks = Marks(folder / MARKS)
        try:
            self._open()
        except BaseException:
            self.marks.close()
            raise

    def _open(self) -> None:
        self.new_keys = False
        self.vault = self._open_vault()
        try:
            opened = self._open_database()
        except BaseException:
            self.vault.close()
            raise
        self.conn, self.session = opened.conn, opened.session
        if opened.older_form:
            self.on_event("outbox-migrated", "", {"from": opened.older_form, "to": SCHEMA_VERSION})
        self.new_keys = opened.vault_id != self.vault.vault_id
        self.measure()
        self.handed.clear()

    def measure(self) -> None:
        """Take stock of what is there: all of it was made before now."""
        self.used_bytes = int(self.one("SELECT coalesce(sum(bytes), 0) FROM rows"))
        self.first_row = 1 + int(self.one("SELECT coalesce(max(row), 0) FROM rows"))
        self.began_ms = self.now_ms()

    def _open_vault(self) -> Vault:
        path = self.folder / KEYS
        try:
            return Vault(path, master_key=self._master_key)
        except ValueError as error:
            stamp = self._stamp()
            set_aside(path, stamp)
            log.error("key file %s damaged (%s): set aside, its pictures are lost", path, error)  # noqa: TRY400
            self.on_event("outbox-keys-damaged", "set-aside", {})
            return Vault(path, master_key=self._master_key)

    def _open_database(self) -> Opened:
        path = self.folder / DATABASE
        try:
            return open_database(path, self.vault.vault_id)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            set_aside(path, self._stamp())
            log.error("database %s damaged (%s): set aside, a new session begins", path, error)  # noqa: TRY400
            self.on_event("outbox-damaged", "new-session", {})
            return open_database(path, self.vault.vault_id)

    def reopen(self) -> None:
        """Begin again after damage was met while running."""
        path = self.folder / DATABASE
        try:
            self.conn.close()
        except sqlite3.Error:
            log.debug("closing the damaged database failed")
        self.vault.close()
        set_aside(path, self._stamp())
        log.error("database %s damaged: set aside, a new session begins", path)
        self.on_event("outbox-damaged", "new-session", {})
        self._open()
        # Rows of the lost database are under way: an acknowledgement of one of them must not
        # go to another that has its number now.
        self._databases_lost += 1
        first = self._databases_lost * _ROWS_OF_A_DATABASE
        self.conn.execute("INSERT INTO sqlite_sequence VALUES ('rows', ?)", (first,))

    def close(self) -> None:
        """Empty the log into the database and let go of both files."""
        try:
            self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            log.debug("last checkpoint failed")
        self.conn.close()
        self.vault.close()
        self.marks.close()

    # -- reading and writing -------------------------------------------------------

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction; on the disk when it ends, unless `durable` is False.

        What is not durable yet becomes so with the next that is; a process that is
        killed loses neither.
        """
        if not durable:
            self.conn.execute("PRAGMA synchronous=NORMAL")
        try:
            self.conn.execute("BEGIN IMMEDIATE")
            try:
                yield self.conn
                self.conn.execute("COMMIT")
            except BaseException:
                if self.conn.in_transaction:
                    self.conn.execute("ROLLBACK")
                raise
        finally:
            if not durable:
                self.conn.execute("PRAGMA synchronous=FULL")

    def one(self, sql: str, args: tuple[Any, ...] = ()) -> Any:
        """First column of the first row, or None."""
        found = self.conn.execute(sql, args).fetchone()
        return None if found is None else found[0]

    def now_ms(self) -> int:
        """Wall clock as it was followed last, milliseconds since the epoch.

        A time that is written before a jump is followed must be shifted with those before it.
        """
        return int((self.steady() + self.offset_s) * 1000)

    def disk_free_bytes(self) -> int:
        """What an unprivileged process may still write on this disk."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def _stamp(self) -> str:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.clock()))
        taken = [path.name for path in self.folder.glob(f"*{DAMAGED}{stamp}*")]
        return f"{stamp}-{len(taken)}" if taken else stamp


def lock_folder(folder: Path) -> int:
    """The folder, ours alone; the kernel lets go of it when the process dies."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock_fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise OperatorError(
            f"the outbox folder {folder} cannot be used ({error.strerror}); make it writable "
            "for this user or configure another"
        ) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise OperatorError(
            f"the outbox folder {folder} is in use by another engine; stop that one first"
        ) from error
    return lock_fd


def seal(key: bytes, part: bytes, data: bytes, place: Place) -> bytes:
    """AES-256-GCM, bound to the place the data belongs to; 16 bytes longer than it."""
    return AESGCM(key).encrypt(_NONCES[part], data, _bound_to(part, place))


def unseal(key: bytes, part: bytes, sealed: bytes, place: Place) -> bytes | None:
    """What :func:`seal` took, or None when key, data and place do not belong together."""
    try:
        return AESGCM(key).decrypt(_NONCES[part], sealed, _bound_to(part, place))
    except InvalidTag:
        return None


def _bound_to(part: bytes, place: Place) -> bytes:
    return b"|".join((place.session.encode(), part, place.camera.encode(), str(place.seq).encode()))
