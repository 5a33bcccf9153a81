"""Whether every cell of the database holds what its column is for.

SQLite keeps any type in any column, and its own check does not look: a flipped bit in a
record's header turns a number into a text, and what then reads it fails as no damage does,
at every start again.  Knows tables and columns; changes nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from edged.transport.wire import VerdictDoc

_VERDICT = msgspec.json.Decoder(VerdictDoc)
MALFORMED = "database disk image is malformed"
"""SQLite's own words, by which damage is known."""
LARGEST = 2**53
"""Numbers and times (ms) are JSON's, which are exact up to here."""
_NAME = "typeof({0})='text' AND length({0}) BETWEEN 1 AND 64 AND {0} NOT GLOB '*[^A-Za-z0-9_-]*'"
_INT = f"typeof({{0}})='integer' AND {{0}} BETWEEN -{LARGEST} AND {LARGEST}"
_SEQ = f"typeof({{0}})='integer' AND {{0}} BETWEEN {{1}} AND {LARGEST}"

_SMALL = {
    "meta": f"CASE name WHEN 'seen' THEN {_INT.format('value')} ELSE typeof(value)='blob' END"
    " AND (name<>'purge' OR length(value)=16)",
    "counters": f"{_NAME.format('camera')} AND {_SEQ.format('last', 0)}",
    "rows": " AND ".join((
        "kind IN ('result', 'gap')", _NAME.format("session"), _NAME.format("camera"),
        _SEQ.format("seq", 1), _SEQ.format("last", "seq"), "typeof(reason)='text'",
        "state IN (0, 1, 2)", "again IN (0, 1)", _INT.format("created_ms"),
        "synced IN (0, 1)", "typeof(bytes)='integer'", "bytes>=0",
        "CASE kind WHEN 'gap' THEN slot IS NULL ELSE typeof(slot)='integer' AND slot>=0 END",
        "CASE kind WHEN 'gap' THEN shot_mac IS NULL ELSE typeof(shot_mac)='blob' END",
    )),
}  # fmt: skip
_LARGE = {
    "bodies": "typeof(doc)='blob' AND typeof(picture)='blob'",
    "consents": "typeof(mac)='blob' AND typeof(row)='integer'",
    "shots": f"{_INT.format('at_ms')} AND typeof(mac)='blob'"
    " AND typeof(payload_mac) IN ('null', 'blob') AND typeof(verdict)='blob'"
    " AND typeof(row) IN ('null', 'integer')",
}
"""Tables that may take a while to look through."""


def sound(conn: sqlite3.Connection, *, whole: bool = True) -> bool:
    """Whether all cells are what they should be.

    Args:
        conn: to the database.
        whole: look through the large tables, too.
    """
    looks = {**_SMALL, **(_LARGE if whole else {})}
    return not any(
        conn.execute(f"SELECT 1 FROM {table} WHERE NOT coalesce({rule}, 0) LIMIT 1").fetchone()  # noqa: S608 - constants
        for table, rule in looks.items()
    )


def sound_one(conn: sqlite3.Connection, table: str, column: str, value: object) -> bool:
    """Whether the row that this value names is what it should be."""
    rule = (_SMALL | _LARGE)[table]
    query = f"SELECT 1 FROM {table} WHERE {column}=? AND coalesce({rule}, 0)"  # noqa: S608 - constants
    return conn.execute(query, (value,)).fetchone() is not None


def read_verdict(stored: object) -> VerdictDoc:
    """A verdict from its cell.

    Raises:
        sqlite3.DatabaseError: it is none.
    """
    try:
        if isinstance(stored, bytes):
            return _VERDICT.decode(stored)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    raise sqlite3.DatabaseError(MALFORMED)


@contextmanager
def watched(conn: sqlite3.Connection) -> Iterator[None]:
    """Tells errors that a spoiled cell or index makes from errors of ours.

    Raises:
        sqlite3.DatabaseError: it was one, in the words of damage.
    """
    try:
        yield
    except (TypeError, OverflowError, msgspec.DecodeError) as error:
        whole = conn.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok"
        if whole and sound(conn):
            raise
        raise sqlite3.DatabaseError(MALFORMED) from error
