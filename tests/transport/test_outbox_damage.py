"""Behaviour of the outbox on spoiled, lost and foreign files."""

import logging
import sqlite3
from pathlib import Path

import msgspec
import pytest
from outbox_kit import put

from edged.errors import FrameError, OperatorError
from edged.transport.outbox import Outbox, PurgeSelector
from edged.transport.wire import GapDoc


def open_box(folder: Path, events: list, **rest) -> Outbox:
    return Outbox.open(folder, on_event=lambda *event: events.append(event), **rest)


def put_many(outbox: Outbox, count: int) -> None:
    for _ in range(count):
        put(outbox, size_bytes=20_000)


def gaps(outbox: Outbox) -> list:
    rows = [outbox.load(number) for number in outbox.pending(100)]
    docs = [msgspec.json.decode(r.doc_json, type=GapDoc) for r in rows if r and r.kind == "gap"]
    return [(d.first, d.last, d.reason) for d in docs]


@pytest.mark.parametrize("damage", ["garbage", "empty-pages", "truncated"])
def test_a_damaged_database_is_set_aside(tmp_path, damage):
    """A new session begins with an event and tells what the old one had; its keys are gone."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events)
    for _ in range(3):
        put(box, size_bytes=50_000)
    session = box.session
    box.close()
    path = folder / "outbox.db"
    raw = path.read_bytes()
    path.write_bytes(
        {
            "garbage": b"not a database" * 1000,
            "empty-pages": raw[:8192] + bytes(len(raw) - 8192),
            "truncated": raw[:12_000],
        }[damage]
    )
    box = open_box(folder, events)
    assert box.session != session
    assert events == [("outbox-damaged", "new-session", {})]
    assert [p.stat().st_size > 0 for p in folder.glob("outbox.db.damaged-*Z")] == [True]
    put(box)
    assert gaps(box) == [(1, 3, "damaged")]
    assert box.stats().depth == 2
    live = [s for s in range(200) if box._store.vault.read(s)]
    assert len(live) <= 64  # made ready for rows to come; of the old ones none is left
    box.close()


def test_damage_met_while_running_begins_a_new_session(tmp_path):
    """One put fails with an error of ours, the next one works."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events)
    for _ in range(20):
        put(box, size_bytes=20_000)
    session = box.session
    box._store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (folder / "outbox.db").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192 * 30)
    box._store.conn.execute("PRAGMA shrink_memory")
    with pytest.raises(FrameError) as caught:
        put_many(box, 5)
    assert caught.value.reason == "outbox-error"
    put(box)
    assert box.session != session
    assert ("outbox-damaged", "new-session", {}) in events
    box.close()


def test_a_late_acknowledgement_goes_to_no_other_row(tmp_path):
    """Numbers of rows that were handed out before damage was met are not used again."""
    box = open_box(tmp_path / "o", [])
    put_many(box, 20)
    under_way = box.pending(100)
    box._store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (tmp_path / "o" / "outbox.db").open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192 * 3)
    box._store.conn.execute("PRAGMA shrink_memory")
    with pytest.raises(FrameError):
        put_many(box, 5)
    put_many(box, 30)
    depth = box.stats().depth
    assert not set(box.pending(100)) & set(under_way)
    box.ack(*under_way)
    assert box.stats().depth == depth
    box.close()


def test_a_lost_key_file_keeps_session_and_numbers(tmp_path):
    """Unsent rows become "damaged" gaps, delivered ones go quietly, counting goes on."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events)
    for _ in range(3):
        put(box)
    box.ack(2)
    session = box.session
    box.close()
    (folder / "outbox.keys").unlink()
    box = open_box(folder, events)
    assert box.session == session
    assert gaps(box) == [(1, 1, "damaged"), (3, 3, "damaged")]
    shot_id = put(box)
    assert box.lookup(shot_id, shot_id.encode()).verdict.seq == 4
    box.close()
    box = open_box(folder, events)
    assert len(gaps(box)) == 2
    assert box.lookup(shot_id, shot_id.encode()).picture is not None
    box.close()


def test_a_damaged_key_file_is_set_aside(tmp_path):
    """It is renamed, said, and a new one made."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events)
    put(box)
    box.close()
    (folder / "outbox.keys").write_bytes(b"x" * 5000)
    box = open_box(folder, events)
    assert events[0] == ("outbox-keys-damaged", "set-aside", {})
    assert len(list(folder.glob("outbox.keys.damaged-*"))) == 1
    assert gaps(box) == [(1, 1, "damaged")]
    box.close()


def test_a_spoiled_key_costs_one_row(tmp_path):
    """A torn slot turns its row into a gap at start, the others are whole."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events)
    for _ in range(3):
        put(box)
    slot = box._store.one("SELECT slot FROM rows WHERE seq=2")
    box.close()
    with (folder / "outbox.keys").open("r+b") as file:
        file.seek(4096 + slot * 64 + 10)
        file.write(b"\x55\xaa")
    box = open_box(folder, events)
    assert gaps(box) == [(2, 2, "damaged")]
    assert box.stats().depth == 3
    assert events == [("outbox-keys-damaged", "rows-lost", {"rows": 1})]
    box.close()


def test_a_spoiled_picture_costs_one_row(tmp_path):
    """A flipped bit is found when the row is read, and becomes a gap there."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events)
    put(box)
    put(box)
    conn = box._store.conn
    raw = bytearray(box._store.one("SELECT picture FROM bodies WHERE row=1"))
    raw[50] ^= 1
    conn.execute("UPDATE bodies SET picture=? WHERE row=1", (bytes(raw),))
    assert box.load(1) is None
    assert box.load(2) is not None
    assert gaps(box) == [(1, 1, "damaged")]
    assert events == [("outbox-damaged", "row-unreadable", {"rows": 1})]
    box.close()


def test_a_body_is_bound_to_its_row(tmp_path):
    """Bodies and keys that somebody has swapped between rows do not open."""
    box = open_box(tmp_path / "o", [])
    put(box)
    put(box)
    conn = box._store.conn
    conn.execute("UPDATE rows SET seq=9, last=9 WHERE row=1")
    assert box.load(1) is None
    assert box.load(2) is not None
    box.close()


def test_a_newer_database_is_left_alone(tmp_path):
    """A file of a later edged is neither read nor set aside."""
    folder = tmp_path / "o"
    Outbox.open(folder).close()
    conn = sqlite3.connect(folder / "outbox.db")
    conn.execute("PRAGMA user_version=99")
    conn.close()
    with pytest.raises(OperatorError, match="newer edged"):
        Outbox.open(folder)
    assert list(folder.glob("*.damaged-*")) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    """With the path and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be used"):
        Outbox.open(tmp_path / "file" / "o")


def test_the_log_names_no_id(tmp_path, caplog):
    """Loss and purge are logged with counts and numbers alone."""
    caplog.set_level(logging.DEBUG)
    box = open_box(tmp_path / "o", [])
    shot_id = put(box, consents=("consent-4711",))
    box.set_aside(1, "rejected")
    box._store.conn.execute("UPDATE bodies SET picture=x'00'")
    box.load(1)
    assert caplog.text
    assert shot_id not in caplog.text
    assert "consent-4711" not in caplog.text
    box.close()


def test_sound_rows_are_saved_from_a_damaged_database(tmp_path):
    """They come under their old session and number, the spoiled ones as gaps, nothing twice."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events)
    shots = [put(box, size_bytes=30_000, consents=(f"c-{n}",)) for n in range(10)]
    box.ack(*box.pending(2))
    session = box.session
    box.close()
    path = folder / "outbox.db"
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 8192 * 8192
    raw[middle : middle + 3 * 8192] = b"\xa5" * 3 * 8192
    path.write_bytes(raw)
    box = open_box(folder, events)
    assert events == [("outbox-damaged", "new-session", {})]
    box.requeue_all()
    saved, missing = {}, set()
    for number in box.pending(100):
        row = box.load(number)
        doc = msgspec.json.decode(row.doc_json)
        assert doc["session"] == session != box.session
        if row.kind == "result":
            assert doc["historical"]
            saved[doc["seq"]] = doc["id"]
        else:
            missing |= set(range(doc["from"], doc["to"] + 1))
    assert set(saved) | missing == set(range(1, 11))
    assert not set(saved) & missing
    assert len(saved) >= 5
    assert all(shots[seq - 1] == shot_id for seq, shot_id in saved.items())
    for seq, shot_id in saved.items():
        assert box.lookup(shot_id, shot_id.encode()).picture is not None
        assert box.purge(PurgeSelector(consent=f"c-{seq - 1}")).rows == 1
    put(box)
    assert box.stats().used_bytes < 10_000
    box.close()


@pytest.mark.parametrize("wrong", [None, b"x" * 32])
def test_a_master_key_that_does_not_fit_destroys_nothing(tmp_path, wrong):
    """The engine does not start; with the right one every row is there."""
    folder, events = tmp_path / "o", []
    box = open_box(folder, events, master_key=b"k" * 32)
    shots = [put(box) for _ in range(3)]
    box.close()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OperatorError, match="master key"):
        open_box(folder, events, master_key=wrong)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    box = open_box(folder, events, master_key=b"k" * 32)
    assert [box.lookup(shot, shot.encode()).picture is not None for shot in shots] == [True] * 3
    assert events == []
    box.close()
