"""Cells of another type than their column's, and pages in a circle: damage like any other."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from outbox_kit import put

from edged.transport.outbox import Outbox, PurgeSelector
from edged.transport.outbox_cells import sound
from edged.transport.outbox_salvage import _both_ways

SPOILED = {
    "a number that is text": "UPDATE rows SET seq='text' WHERE row=2",
    "a camera that is bytes": "UPDATE counters SET camera=x'7b7d'",
    "a giant number": "UPDATE counters SET last=9223372036854775807",
    "a document that is text": "UPDATE bodies SET doc='text' WHERE row=2",
    "a verdict that is a number": "UPDATE shots SET verdict=5",
    "a description that is a fraction": "INSERT OR REPLACE INTO meta VALUES ('told', 1.5)",
    "a clock that is bytes": "INSERT OR REPLACE INTO meta VALUES ('seen', x'7b7d')",
    "a result without the digest of its id": "UPDATE rows SET shot_mac=NULL WHERE row=2",
    "a result without a key": "UPDATE rows SET slot=NULL WHERE row=2",
    "a result of a far future": "UPDATE rows SET created_ms=9223372036854775807 WHERE row=2",
    "a verdict of a far future": "UPDATE shots SET at_ms=9223372036854775807",
    "a note of a purge cut short": "UPDATE meta SET value=x'00' WHERE name='purge'",
}


def _filled(folder: Path) -> None:
    with closing(Outbox.open(folder)) as box:
        for _ in range(3):
            put(box)
        box.purge(PurgeSelector(shot=put(box)))


def _harm(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "outbox.db")) as database:
        database.execute(statement)
        database.commit()


@pytest.mark.parametrize("statement", SPOILED.values(), ids=SPOILED)
def test_a_spoiled_cell_is_damage_at_the_start(tmp_path, statement):
    """The database is set aside, what is sound of it is saved, and the outbox works."""
    _filled(tmp_path / "o")
    _harm(tmp_path / "o", statement)
    events: list[str] = []
    with closing(Outbox.open(tmp_path / "o", on_event=lambda name, *_: events.append(name))) as box:
        assert events == ["outbox-damaged"]
        assert box.stats().depth >= 2
        for row in box.pending(20):
            assert box.load(row) is not None
        put(box)
    with closing(Outbox.open(tmp_path / "o", on_event=lambda name, *_: events.append(name))):
        assert events == ["outbox-damaged"]  # nothing spoiled came over


def test_what_edged_writes_is_sound(tmp_path):
    """No rule of the check is narrower than what is kept."""
    _filled(tmp_path / "o")
    with closing(Outbox.open(tmp_path / "o")) as box:
        box.ack(*box.pending(1))
        box.set_aside(box.pending(1)[0], "too-large")
        assert sound(box._store.conn)


def test_a_spoiled_verdict_is_not_carried_on(tmp_path):
    """A shot whose answer is spoiled gets it from its result, instead of an error for ever."""
    _filled(tmp_path / "o")
    with closing(Outbox.open(tmp_path / "o")) as box:
        shot = put(box)
        first = box.lookup(shot, shot.encode())
    _harm(tmp_path / "o", "UPDATE shots SET verdict=x'7b7d'")
    with closing(Outbox.open(tmp_path / "o")) as box:
        with pytest.raises(Exception, match="malformed"):
            box.lookup(shot, shot.encode())
        assert box.lookup(shot, shot.encode()).verdict == first.verdict


def test_a_session_that_is_a_number_is_none(tmp_path):
    """So many zeros would be made of it that there is no memory for them."""
    _filled(tmp_path / "o")
    with closing(Outbox.open(tmp_path / "o")) as box:
        put(box)
        before = box.session
    _harm(tmp_path / "o", "UPDATE meta SET value=4611686018427387904 WHERE name='session'")
    with closing(Outbox.open(tmp_path / "o")) as box:
        assert box.session != before
        put(box)


def test_pages_in_a_circle_end():
    """Rows that begin again are where a scan stops: a damaged tree may lead into itself."""

    class Circle:
        def execute(self, query):
            start = 0 if "ASC" in query else 9

            def rows():
                while True:
                    for step in range(3):
                        yield (start + step if "ASC" in query else start - step,)

            return rows()

    assert list(_both_ways(Circle(), "SELECT row", "row")) == [(0,), (1,), (2,), (9,), (8,), (7,)]
