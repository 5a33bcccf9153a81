"""Sound rows of a damaged database are saved, whatever happens while they are."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from debian_parts import program
from disk.disk import recorder
from disk.power_kit import Play
from outbox_kit import put

from edged.transport import outbox_salvage
from edged.transport.outbox import Outbox, OutboxLimits, PurgeSelector
from edged.transport.outbox_schema import PENDING

PAGE_BYTES = 8192
BATCH_BYTES = 30_000
OPEN = f"""
import sys
from pathlib import Path
from edged.transport import outbox_salvage
from edged.transport.outbox import Outbox
outbox_salvage._BATCH_BYTES = {BATCH_BYTES}
Outbox.open(Path(sys.argv[1]))
print("open")
"""


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """As a killed engine left it, and a few of its pages are others' since."""
    folder, chance = tmp_path / "o", random.Random(5)
    box = Outbox.open(tmp_path / "whole")
    for number in range(60):
        put(box, ("booth", "door")[number % 2], chance.choice((300, 5_000, 12_000)))
        if number % 4 == 0:
            box.ack(*box.pending(1))
        if number == 40:
            box._store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the rest stays in the log
    shutil.copytree(tmp_path / "whole", folder)
    box.close()
    shutil.rmtree(tmp_path / "whole")
    path = folder / "outbox.db"
    pages = path.stat().st_size // PAGE_BYTES
    with path.open("r+b") as file:
        for page in chance.sample(range(pages // 3, pages), 4):
            file.seek(page * PAGE_BYTES)
            file.write(chance.randbytes(PAGE_BYTES))
    return folder


def answered_for(box: Outbox) -> tuple[dict, set]:
    """Pictures by session, camera and number; and the numbers that gaps tell."""
    pictures, gaps = {}, set()
    for (row,) in box._store.conn.execute("SELECT row FROM rows").fetchall():
        loaded = box.load(row)
        assert loaded is not None
        doc = msgspec.json.decode(loaded.doc_json)
        if loaded.kind == "gap":
            gaps |= {
                (doc["session"], doc["camera"], seq) for seq in range(doc["from"], doc["to"] + 1)
            }
        else:
            pictures[doc["session"], doc["camera"], doc["seq"]] = loaded.jpeg
    return pictures, gaps


def opened(folder: Path, **rest: object) -> tuple[dict, set]:
    box = Outbox.open(folder, **rest)
    try:
        return answered_for(box)
    finally:
        box.close()


@pytest.fixture
def whole(damaged: Path, tmp_path: Path) -> tuple[dict, set]:
    """What is saved when nothing comes between."""
    shutil.copytree(damaged, tmp_path / "undisturbed")
    pictures, gaps = opened(tmp_path / "undisturbed")
    assert 20 < len(pictures) < 60
    assert not set(pictures) & gaps
    assert len(pictures) + len(gaps) == 60
    return pictures, gaps


def test_the_power_goes_while_rows_are_saved(damaged, whole, tmp_path):
    """At any point of it: the next start saves what is left to be saved."""
    library = recorder(program("gcc"), tmp_path)
    play, chance = Play(library, tmp_path, damaged, ["-c", OPEN, str(damaged)]), random.Random(9)
    assert play.ops.count("S") > 10  # more than one batch
    points = {0, len(play.ops) - 1, *chance.sample(range(len(play.ops)), 60)}
    for number, _said in play:
        if number in points:
            left = tmp_path / f"left{number}"
            left.mkdir()
            play.disk.cut(chance, left)
            assert opened(left) == whole, number
            shutil.rmtree(left)


def test_the_power_goes_between_a_database_and_its_log(damaged, whole):
    """The one has its new name, the other has not: they belong together all the same."""
    (damaged / "outbox.db").rename(damaged / "outbox.db.damaged-20261127T010203Z")
    assert opened(damaged) == whole


def test_a_file_that_ends_every_start_is_left_alone(damaged, monkeypatch):
    """After three starts that came to nothing the fourth goes on without it."""

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outbox_salvage, "_salvage_one", crash)
    for _ in range(outbox_salvage.ATTEMPTS):
        with pytest.raises(KeyboardInterrupt):
            Outbox.open(damaged)
    pictures, _gaps = opened(damaged)
    assert pictures == {}


def test_a_file_is_looked_through_once(damaged, whole, monkeypatch):
    """Later starts leave it alone, and find the same."""
    assert opened(damaged) == whole
    monkeypatch.setattr(outbox_salvage, "_salvage_one", lambda *_: pytest.fail("again"))
    assert opened(damaged) == whole


def test_a_second_damage_loses_nothing_that_the_first_left(damaged, whole):
    """The database that took the rows in is damaged, too: they are in the first file as well."""
    assert opened(damaged) == whole
    path = damaged / "outbox.db"
    path.write_bytes(b"not a database" * 1000)
    pictures, _gaps = opened(damaged)
    assert pictures == whole[0]
    assert len(list(damaged.glob("outbox.db.damaged-*"))) >= 2


def test_without_room_for_all_the_unsent_come_first(damaged, whole, monkeypatch):
    """What cannot be saved is told as gaps, and an event says why."""
    monkeypatch.setattr(outbox_salvage, "_BATCH_BYTES", BATCH_BYTES)
    events: list[tuple] = []
    free = iter([1 << 40] * 4 + [0] * 1000)  # three batches
    monkeypatch.setattr("edged.transport.outbox_store.Store.disk_free_bytes", lambda _: next(free))
    box = Outbox.open(damaged, limits=OutboxLimits(), on_event=lambda *one: events.append(one))
    pictures, gaps = answered_for(box)
    states = {state for (state,) in box._store.conn.execute("SELECT state FROM rows")}
    box.close()
    assert 0 < len(pictures) < len(whole[0])
    assert states == {PENDING}
    assert len(pictures) + len(gaps) == 60
    assert ("outbox-damaged", "no-room", {"saved": len(pictures)}) in events


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM consents",
        "UPDATE consents SET mac=zeroblob(32)",
        "UPDATE consents SET mac=7",
        "DROP TABLE consents",
        "DROP TABLE shots",
    ],
)
def test_a_purge_by_consent_takes_what_was_saved(tmp_path, harm):
    """What the result names counts, and not the table beside it, which may be what is damaged."""
    folder = tmp_path / "o"
    with closing(Outbox.open(folder)) as box:
        shot = put(box, consents=("ref-1",))
        other = put(box, consents=("ref-2",))
    with closing(sqlite3.connect(folder / "outbox.db")) as conn, conn:
        conn.execute(harm)
        conn.execute("UPDATE counters SET camera=x'7b7d'")  # sets it aside
    with closing(Outbox.open(folder)) as box:
        receipt = box.purge(PurgeSelector(consent="ref-1"))
        assert receipt.rows == 1
        assert box.lookup(shot, shot.encode()).verdict.reason == "purged"
        assert box.lookup(other, other.encode()).picture is not None
