"""Brings a database of an older edged to the form of this one.

A copy is put beside it first (`outbox.db.form1-<stamp>`), for whoever goes back to the older
edged; then all steps are one transaction, so that a power cut leaves the old form or the
new.  The copy goes with the next purge, for it holds what a purge is to take, or after a
week.  Knows no rows and no keys.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from edged.errors import OperatorError
from edged.fresh_file import sync_folder

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
STEPS: dict[int, tuple[str, ...]] = {
    1: ("CREATE INDEX rows_turns ON rows (state, again, camera, row)",),
}
"""Statements that bring a form to the next one."""
COPY_DAYS = 7
_SPARE_BYTES = 16 << 20


def migrate(conn: sqlite3.Connection, path: Path) -> int:
    """Bring an open database to the newest form.

    Returns:
        The form that it had; 0 for an empty file.

    Raises:
        OperatorError: a newer edged made it; nothing was changed.
        sqlite3.Error: nothing was changed.
    """
    form = int(conn.execute("PRAGMA user_version").fetchone()[0])
    if form > SCHEMA_VERSION:
        raise OperatorError(
            f"{path} was made by a newer edged (form {form}, this one knows "
            f"{SCHEMA_VERSION}); use that one, or move the outbox folder away"
        )
    if form in (0, SCHEMA_VERSION):
        return form
    copy = _copy(conn, path, form)
    conn.execute("BEGIN IMMEDIATE")
    try:
        for older in range(form, SCHEMA_VERSION):
            for statement in STEPS[older]:
                conn.execute(statement)
        conn.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.execute("ROLLBACK")
        raise
    kept = f"the old one is {copy.name}" if copy else "there was no room for a copy of the old one"
    log.warning("outbox: form %d was brought to form %d; %s", form, SCHEMA_VERSION, kept)
    return form


def _copy(conn: sqlite3.Connection, path: Path, form: int) -> Path | None:
    """A copy as it is now, its log included; None when the disk has no room for it."""
    pages, page_bytes = (
        int(conn.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "page_size")
    )
    found = os.statvfs(path.parent)
    if found.f_bavail * found.f_frsize < pages * page_bytes + _SPARE_BYTES:
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    copy = path.with_name(f"{path.name}.form{form}-{stamp}")
    part = path.with_name(f"{path.name}.form{form}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(part)) as other:
            conn.backup(other)
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        part.rename(copy)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return copy


def remove_copies(folder: Path, *, older_than_s: float = 0.0) -> int:
    """Take the copies away that migrations have left; how many."""
    old = [
        path
        for path in folder.glob("*.form[0-9]*")
        if not older_than_s or time.time() - path.stat().st_mtime > older_than_s
    ]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
