"""The outbox's folder after harm: pages, cells, keys and marks of a real small database.

Slower than the others by far, since each input is a folder that is opened, worked with and
closed; it gets fewer inputs.
"""

from __future__ import annotations

import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import outbox_kit
from fuzz import scratch
from fuzz.harness import Family, Parser
from fuzz.mutate import change_bytes

from edged.errors import FrameError, OperatorError
from edged.transport import (
    outbox_load,
    outbox_marks,
    outbox_missing,
    outbox_salvage,
    outbox_schema,
    outbox_shots,
    outbox_store,
)
from edged.transport.outbox import Outbox, PurgeSelector

_CELLS = (
    ("rows", ("session", "camera", "seq", "last", "state", "again", "created_ms", "synced", "bytes",
              "slot", "shot_mac", "kind", "reason", "row")),
    ("bodies", ("doc", "picture", "row")), ("counters", ("camera", "last")),
    ("shots", ("mac", "payload_mac", "verdict", "row", "at_ms")),
    ("consents", ("mac", "row")), ("meta", ("name", "value")),
)  # fmt: skip
_VALUES = (
    0, 1, -1, 7, 2**31, 2**62, 2**63 - 1, -(2**63), 1.5, float("inf"), "", "text", "booth", "é",
    "a/b", b"", b"\xff", b"x" * 16, b"{}", b'{"verdict":"queued","reason":"ok"}', None,
)  # fmt: skip
_HEADER = (
    (16, 2), (18, 1), (19, 1), (20, 1), (24, 4), (28, 4), (32, 4), (40, 4), (44, 4), (56, 4),
    (60, 4),
)  # fmt: skip
"""Fields of SQLite's file header: offset and bytes (sqlite.org/fileformat2.html, 1.3)."""


class Outboxes(Family):
    """An outbox that was killed at work, then harmed, opens; what it says then is sound."""

    name = "outbox"
    refusals = (OperatorError, FrameError)
    silent = False
    """Messages name the folder; no picture is in its files but encrypted."""
    block = 100
    grown_blocks = 8000
    """After few inputs there are still ways that are gone for the first time."""

    def parsers(self) -> tuple[Parser, ...]:
        makes = "makes, moves or counts files and parses nothing"
        return (
            Parser(outbox_salvage),
            Parser(outbox_missing),
            Parser(outbox_marks),
            Parser(outbox_load),
            Parser(outbox_shots),
            Parser(outbox_schema, only=("open_database", "is_damage", "last_purge")),
            Parser(outbox_store, only=("Store._open", "Store._open_vault", "Store._open_database",
                                       "Store.measure", "unseal"), but={"Store.close": makes}),
        )  # fmt: skip

    def __init__(self) -> None:
        self._folder = scratch.folder()
        self._sound: list[dict[str, bytes]] = []
        self._ids: list[str] = []
        made = self._folder / "made"
        for checkpoint in (True, False):
            box = Outbox.open(made)
            for n in range(7):
                consents = (f"ref-{n % 3}",) if n % 2 else ()
                self._ids.append(outbox_kit.put(box, ("booth", "hall")[n % 2], 200, consents))
            box.ack(*box.pending(3))
            box.purge(PurgeSelector(shot=self._ids[-1]))
            if checkpoint:
                box.close()
            self._sound.append({one.name: one.read_bytes() for one in made.iterdir()})
            box.close()
        scratch.drop(made)

    def close(self) -> None:
        scratch.drop(self._folder)

    def make(self, rng: Random) -> Any:
        """(which of the sound folders, harms)."""
        harms = [self._harm(rng) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
        return rng.randrange(2), harms

    def _harm(self, rng: Random) -> tuple[Any, ...]:
        draw = rng.random()
        if draw < 0.45:
            table, columns = rng.choice(_CELLS)
            return "cell", table, rng.choice(columns), rng.choice(_VALUES), rng.randrange(9)
        if draw < 0.55:
            offset, size = rng.choice(_HEADER)
            return "header", offset, rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
        if draw < 0.7:  # a page: cleared, noise, or another page in its place
            return "page", rng.random(), rng.choice(("zero", "noise", "other")), rng.random()
        if draw < 0.78:
            what = rng.choice((b"{}", b"[]", b'{"s":{"booth":9}}', b'{"s":{"booth":-1}}', b"\xff",
                               b'{"x":{"../a":99999999999999999999}}', b"[" * 9000))  # fmt: skip
            return "marks", what, rng.random() < 0.8
        names = ("outbox.db", "outbox.db", "outbox.db-wal", "outbox.keys", "outbox.marks")
        how = rng.choice(("bytes", "bytes", "bytes", "cut", "gone", "empty"))
        return "file", rng.choice(names), how, rng.getrandbits(32)

    def feed(self, item: Any) -> bool:
        which, harms = item
        at = self._folder / "at"
        scratch.drop(at)
        at.mkdir(mode=0o700)
        for name, data in self._sound[which].items():
            (at / name).write_bytes(data)
        for kind, *how in harms:
            getattr(self, f"_do_{kind}")(at, *how)
        box = Outbox.open(at)
        try:
            self._work(box)
        finally:
            box.close()
        with closing(Outbox.open(at)) as again:  # and what it left is sound
            again.stats()
        return not harms

    def _work(self, box: Outbox) -> None:
        """What an engine does; refusals are a FrameError or, for a range, a ValueError."""
        for shot in self._ids[:4]:
            _tried(box.lookup, shot, shot.encode())
        rows = _tried(box.pending, 20) or []
        for row in rows:
            found = _tried(box.load, row)
            if found is not None:
                assert found.kind in ("result", "gap")
                assert (found.jpeg is None) == (found.kind == "gap")
        _tried(box.ack, *rows[:2])
        for row in rows[2:3]:
            _tried(box.set_aside, row, "too-large")
        new = _tried(outbox_kit.put, box)
        _tried(box.replay, "booth", 1, 2**63)
        _tried(box.purge, PurgeSelector(consent="ref-1"))
        _tried(box.enforce)
        _tried(box.tidy)
        _tried(box.stats)
        assert new is None or len(new) == 36

    # -- harm ----------------------------------------------------------------------------

    @staticmethod
    def _do_cell(at: Path, table: str, column: str, value: Any, row: int) -> None:
        with closing(sqlite3.connect(at / "outbox.db")) as database:
            try:
                database.execute("PRAGMA ignore_check_constraints=1")
                names = [name for (name,) in database.execute(
                    "SELECT name FROM pragma_table_info(?) WHERE pk", (table,))]  # fmt: skip
                key = ", ".join(names)
                database.execute(
                    f"UPDATE {table} SET {column}=? WHERE ({key}) IN "
                    f"(SELECT {key} FROM {table} LIMIT 1 OFFSET ?)", (value, row),
                )  # fmt: skip
                database.commit()
            except sqlite3.Error:  # a constraint, or an earlier harm
                return

    @staticmethod
    def _do_header(at: Path, offset: int, value: bytes) -> None:
        path = at / "outbox.db"
        data = bytearray(path.read_bytes() if path.exists() else b"")
        data[offset : offset + len(value)] = value
        path.write_bytes(data)

    @staticmethod
    def _do_page(at: Path, where: float, how: str, other: float) -> None:
        path = at / "outbox.db"
        data = bytearray(path.read_bytes() if path.exists() else b"")
        size = int.from_bytes(data[16:18], "big") or 4096
        pages = len(data) // size
        if pages < 2:
            return
        page, source = (size * int(share * pages) for share in (where, other))
        with_what = {"zero": bytes(size), "noise": Random(other).randbytes(size),
                     "other": bytes(data[source : source + size])}[how]  # fmt: skip
        data[page : page + size] = with_what
        path.write_bytes(data)

    @staticmethod
    def _do_marks(at: Path, body: bytes, sound: bool) -> None:
        check = zlib.crc32(body) if sound else 1
        slot = struct.pack(">8sQII", b"EDGEDMRK", 1 << 40, len(body), check) + body
        (at / "outbox.marks").write_bytes(slot)

    @staticmethod
    def _do_file(at: Path, name: str, how: str, draw: int) -> None:
        path, rng = at / name, Random(draw)
        if not path.exists():
            return
        data = path.read_bytes()
        if how == "gone":
            path.unlink()
        elif how == "empty":
            path.write_bytes(b"")
        elif how == "cut":
            path.write_bytes(data[: rng.randrange(len(data) + 1)])
        else:
            for _ in range(rng.choice((1, 3, 30))):
                data = change_bytes(rng, data, data)
            path.write_bytes(data)


def _tried(work: Any, *args: Any) -> Any:
    try:
        return work(*args)
    except (FrameError, ValueError) as error:
        assert type(error) in (FrameError, ValueError), type(error).__name__
        return None
