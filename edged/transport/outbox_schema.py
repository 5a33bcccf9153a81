"""The outbox's database file: its tables, how it is opened, how a damaged one is set aside.

What is in which column decides what a stolen disk says: times, sizes, camera names and
sequence numbers are readable; ids, consent references, documents and pictures are
keyed digests or ciphertext.  Knows nothing of documents, keys or the uplink.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import uuid
from pathlib import Path
from typing import NamedTuple

from edged.errors import OperatorError
from edged.fresh_file import sync_folder
from edged.transport.outbox_cells import MALFORMED, sound
from edged.transport.outbox_forms import SCHEMA_VERSION, migrate

_QUICK_CHECK_BYTES = 32 << 20
"""Files up to this size are checked whole at start (about 0.1 s on an SD card's cache);
in larger ones damage is found where it is read."""

_AUTO_CHECKPOINT_PAGES = 4096
"""32 MiB of log: reached only when nobody calls `Outbox.tidy`."""

_PURGE = struct.Struct("<qq")

DAMAGED = ".damaged-"
"""Stands between the name of a file that was set aside and when that was."""
PENDING, ACKED, ASIDE = 0, 1, 2
"""States of a row: to be handed out, acknowledged and replayable, never to be taken."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (camera TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE rows (
    row INTEGER PRIMARY KEY AUTOINCREMENT,  -- also the order of the first hand-out
    kind TEXT NOT NULL,                     -- 'result' or 'gap'
    session TEXT NOT NULL,
    camera TEXT NOT NULL,
    seq INTEGER NOT NULL,                   -- of a gap: the first
    last INTEGER NOT NULL,                  -- of a result: seq again
    reason TEXT NOT NULL,                   -- of a gap
    state INTEGER NOT NULL,                 -- PENDING, ACKED, ASIDE
    again INTEGER NOT NULL,                 -- 1: published before, asked for again
    created_ms INTEGER NOT NULL,
    synced INTEGER NOT NULL,                -- was the clock synchronised
    bytes INTEGER NOT NULL,                 -- of document and picture, as stored
    slot INTEGER,                           -- of the key, for a result
    shot_mac BLOB                           -- of the id, for a result
);
CREATE INDEX rows_order ON rows (state, again, row);
CREATE INDEX rows_turns ON rows (state, again, camera, row);
CREATE INDEX rows_seq ON rows (session, camera, seq);
CREATE UNIQUE INDEX rows_once ON rows (session, camera, seq) WHERE kind = 'result';
CREATE INDEX rows_shot ON rows (shot_mac) WHERE shot_mac IS NOT NULL;
CREATE TABLE bodies (row INTEGER PRIMARY KEY, doc BLOB NOT NULL, picture BLOB NOT NULL);
CREATE TABLE consents (mac BLOB, row INTEGER, PRIMARY KEY (mac, row)) WITHOUT ROWID;
CREATE INDEX consents_row ON consents (row);
CREATE TABLE shots (
    mac BLOB PRIMARY KEY,
    payload_mac BLOB,                       -- NULL once purged
    verdict BLOB NOT NULL,                  -- JSON without the id
    row INTEGER,
    at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX shots_age ON shots (at_ms);
"""


class Opened(NamedTuple):
    """An open database.

    Attributes:
        conn: autocommit.
        session: its UUID.
        vault_id: of the key file that it belongs to.
        older_form: that it had before; 0 when none.
    """

    conn: sqlite3.Connection
    session: str
    vault_id: bytes
    older_form: int


def open_database(path: Path, vault_id: bytes) -> Opened:
    """Open or make the database.

    Args:
        path: the file; made with mode 0600.
        vault_id: the key file that a new database belongs to.

    Raises:
        sqlite3.DatabaseError: the file is damaged.
        OperatorError: a newer edged made it.
    """
    _finish_setting_aside(path)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
    try:
        _configure(conn, path)
        form = migrate(conn, path)
        if form == 0:
            _create(conn, vault_id)
            # Into the database itself: a log that is lost must not take the session along.
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            sync_folder(path.parent)
        else:
            _check(conn, whole=path.stat().st_size <= _QUICK_CHECK_BYTES)
        meta = dict(conn.execute("SELECT name, value FROM meta"))
        return Opened(
            conn, str(uuid.UUID(bytes=meta["session"])), bytes(meta["vault"]),
            form if 0 < form < SCHEMA_VERSION else 0,
        )  # fmt: skip
    except (KeyError, ValueError, TypeError) as error:
        conn.close()
        raise sqlite3.DatabaseError("the database lacks its own description") from error
    except BaseException:
        conn.close()
        raise


def note_purge(conn: sqlite3.Connection, at_ms: int, rows: int) -> None:
    """Remember when something was purged last, and how many rows went."""
    conn.execute("INSERT OR REPLACE INTO meta VALUES ('purge', ?)", (_PURGE.pack(at_ms, rows),))


def last_purge(conn: sqlite3.Connection) -> tuple[int, int]:
    """What :func:`note_purge` was told last: (at_ms, rows); zeros for never."""
    found = conn.execute("SELECT value FROM meta WHERE name='purge'").fetchone()
    at_ms, rows = _PURGE.unpack(found[0]) if found else (0, 0)
    return at_ms, rows


def _configure(conn: sqlite3.Connection, path: Path) -> None:
    conn.execute("PRAGMA page_size=8192")
    conn.execute("PRAGMA auto_vacuum=INCREMENTAL")
    mode = conn.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise OperatorError(
            f"{path.parent} is on a filesystem where SQLite cannot keep a write-ahead log; "
            "put the outbox folder on a local disk"
        )
    conn.execute("PRAGMA synchronous=FULL")
    conn.execute("PRAGMA secure_delete=FAST")
    conn.execute("PRAGMA temp_store=MEMORY")
    conn.execute("PRAGMA journal_size_limit=8388608")
    conn.execute(f"PRAGMA wal_autocheckpoint={_AUTO_CHECKPOINT_PAGES}")


def _check(conn: sqlite3.Connection, *, whole: bool) -> None:
    if whole and conn.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
        raise sqlite3.DatabaseError(MALFORMED)
    if not sound(conn, whole=whole):
        raise sqlite3.DatabaseError(MALFORMED)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file itself is spoiled.

    By text, because Python 3.10 has no `sqlite_errorcode`; the texts are those of
    SQLITE_CORRUPT and SQLITE_NOTADB, and Python's of a name that is no text.
    """
    signs = ("malformed", "not a database", "lacks its own", "Could not decode")
    return any(sign in str(error) for sign in signs)


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk had no room (SQLITE_FULL); by text, as above."""
    return "disk is full" in str(error)


def set_aside(path: Path, stamp: str) -> None:
    """Rename a damaged file, and a database's log beside it, to `.damaged-<stamp>`."""
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}{DAMAGED}{stamp}{suffix}"))
    sync_folder(path.parent)


def _finish_setting_aside(path: Path) -> None:
    """Where the power went between two of its renames: the log belongs to the newest one."""
    log = path.with_name(f"{path.name}-wal")
    aside = sorted(path.parent.glob(f"{path.name}{DAMAGED}*Z*"))
    aside = [one for one in aside if not one.name.endswith(("-wal", "-shm"))]
    if path.exists() or not log.exists() or not aside:
        return
    target = aside[-1].with_name(f"{aside[-1].name}-wal")
    if not target.exists():
        log.rename(target)
        sync_folder(path.parent)


def _create(conn: sqlite3.Connection, vault_id: bytes) -> None:
    conn.execute("BEGIN IMMEDIATE")
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            conn.execute(statement)
    conn.execute("INSERT INTO meta VALUES ('session', ?)", (uuid.uuid4().bytes,))
    conn.execute("INSERT INTO meta VALUES ('vault', ?)", (vault_id,))
    conn.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    conn.execute("COMMIT")
