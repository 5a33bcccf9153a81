"""What becomes of results when the database's log is damaged or lost after a kill."""

from __future__ import annotations

import shutil

import msgspec
import pytest
from outbox_kit import put

from edged.transport.outbox import Outbox, PurgeSelector

DAMAGE = {
    "removed": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "cut at its end": lambda path: path.write_bytes(path.read_bytes()[:-5000]),
    "a page of noise": lambda path: flip(path, 0.4, 3000),
    "no header": lambda path: flip(path, 0.0, 32),
    "whole": lambda _path: None,
}


def flip(path, share, count):
    raw = bytearray(path.read_bytes())
    at = int(len(raw) * share)
    raw[at : at + count] = bytes(byte ^ 0xA5 for byte in raw[at : at + count])
    path.write_bytes(bytes(raw))


def killed(folder, copy):
    """What a process that is killed now would leave."""
    shutil.copytree(folder, copy)
    return copy


def there(box):
    """Numbers of results and of gaps by camera, everything that is handed out."""
    results, gaps = [], []
    for number in box.pending(1000):
        row = box.load(number)
        doc = msgspec.json.decode(row.doc_json)
        if row.kind == "result":
            results.append((row.camera, doc["seq"]))
        else:
            assert doc["reason"] == "damaged"
            gaps += [(row.camera, n) for n in range(doc["from"], doc["to"] + 1)]
    return results, gaps


@pytest.mark.parametrize("damage", DAMAGE)
def test_every_number_is_a_result_or_a_gap_after_the_log_was_harmed(tmp_path, damage):
    """The session goes on, no number is given twice, and the loss is said."""
    box = Outbox.open(tmp_path / "o")
    session = box.session
    shots = {("door", n): put(box, camera="door") for n in range(1, 4)}
    shots |= {("booth", n): put(box) for n in range(1, 9)}
    left = killed(tmp_path / "o", tmp_path / "left")
    box.close()
    DAMAGE[damage](left / "outbox.db-wal")
    events = []
    box = Outbox.open(left, on_event=lambda *event: events.append(event))
    results, gaps = there(box)
    assert box.session == session
    assert sorted(results + gaps) == sorted(shots)
    for place in results:
        assert box.lookup(shots[place], shots[place].encode()).picture is not None
    lost = [("outbox-damaged", "log-lost", {"rows": len(gaps)})] if gaps else []
    assert events == lost
    assert bool(gaps) == (damage != "whole")
    for camera, last in (("booth", 8), ("door", 3)):
        shot = put(box, camera=camera)
        assert box.lookup(shot, shot.encode()).verdict.seq == last + 1
    box.close()
    box = Outbox.open(left)
    assert sorted(there(box)[1]) == sorted(gaps)  # told once, and kept
    box.close()


def test_rows_that_went_on_purpose_are_not_taken_for_lost(tmp_path):
    """A kill between the end of a row and the end of its key is no damage."""
    box = Outbox.open(tmp_path / "o")
    for _ in range(5):
        put(box)
    box._store.conn.execute("DELETE FROM rows WHERE seq IN (2, 5)")
    left = killed(tmp_path / "o", tmp_path / "left")
    box.close()
    events = []
    box = Outbox.open(left, on_event=lambda *event: events.append(event))
    assert there(box) == ([("booth", n) for n in (1, 3, 4)], [])
    assert events == []
    box.close()


def test_a_purge_that_the_log_forgot_stays_a_purge(tmp_path):
    """Keys go first, so rows that come back without their log are unreadable, and go again."""
    box = Outbox.open(tmp_path / "o")
    for _ in range(5):
        put(box)
    box._store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = killed(tmp_path / "o", tmp_path / "before")
    box.purge(PurgeSelector(all=True))
    shutil.copy(tmp_path / "o" / "outbox.keys", before)
    box.close()
    box = Outbox.open(before)
    rows = [box.load(number) for number in box.pending(100)]
    assert [row.kind for row in rows] == ["gap"]
    assert msgspec.json.decode(rows[0].doc_json)["reason"] == "purge"
    box.close()


def test_a_database_put_back_from_a_copy_gives_no_number_twice(tmp_path):
    """Its key file knows that more was given out since."""
    box = Outbox.open(tmp_path / "o")
    for _ in range(3):
        put(box)
    box._store.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(tmp_path / "o" / "outbox.db", tmp_path / "old.db")
    for _ in range(4):
        put(box)
    left = killed(tmp_path / "o", tmp_path / "left")
    box.close()
    (left / "outbox.db-wal").unlink()
    shutil.copy(tmp_path / "old.db", left / "outbox.db")
    box = Outbox.open(left)
    assert there(box) == ([("booth", n) for n in (1, 2, 3)], [("booth", n) for n in (4, 5, 6, 7)])
    box.close()
