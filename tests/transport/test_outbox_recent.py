"""A shot that is asked for again after the database lost it keeps its number."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outbox_kit import picture, put, result

from edged.errors import FrameError
from edged.transport import outbox_recent
from edged.transport.outbox import Outbox, PurgeSelector
from edged.transport.outbox_digests import shot_digest
from edged.transport.outbox_recent import RECORDS, Recent
from edged.transport.outbox_rows import PayloadMac, Place
from edged.verdicts import Reason


def again(box, shot, payload=None, camera="booth"):
    """The sender asks once more; the picture is made anew."""
    image = picture()
    return box.put(
        result(image, camera, shot), image, shot_id=shot, payload=payload or shot.encode()
    )


def told(box, camera="booth"):
    """(numbers of results, ranges of gaps) that are handed out."""
    results, gaps = [], []
    for number in box.pending(1000):
        row = box.load(number)
        doc = msgspec.json.decode(row.doc_json)
        if row.camera == camera:
            (results if row.kind == "result" else gaps).append(
                doc["seq"] if row.kind == "result" else (doc["from"], doc["to"])
            )
    return sorted(results), sorted(gaps)


@pytest.fixture
def lost(tmp_path):
    """(folder, shots): six shots of `booth`, of which the database knows the first two alone."""
    folder = tmp_path / "o"
    box = Outbox.open(folder)
    shots = [put(box) for _ in range(2)]
    box.close()
    shutil.copy(folder / "outbox.db", tmp_path / "earlier.db")
    box = Outbox.open(folder)
    shots += [put(box) for _ in range(4)]
    box.close()
    shutil.copy(tmp_path / "earlier.db", folder / "outbox.db")
    return folder, shots


def test_a_lost_shot_gets_its_number_back(lost):
    """Whatever lies around it is still told to be lost, and new shots go on above."""
    folder, shots = lost
    box = Outbox.open(folder)
    session = box.session
    assert told(box) == ([1, 2], [(3, 6)])
    verdict = again(box, shots[3])
    assert (verdict.session, verdict.seq) == (session, 4)
    assert told(box) == ([1, 2, 4], [(3, 3), (5, 6)])
    assert again(box, shots[3]).seq == 4, "asked once more it is known"
    put(box)
    assert told(box)[0] == [1, 2, 4, 7]
    box.close()


@pytest.mark.parametrize(("which", "gaps"), [(2, [(4, 6)]), (5, [(3, 5)])])
def test_the_first_and_the_last_of_a_gap(lost, which, gaps):
    """Its other numbers stay lost."""
    folder, shots = lost
    box = Outbox.open(folder)
    again(box, shots[which])
    assert told(box) == ([1, 2, which + 1], gaps)
    box.close()


def test_a_lost_shot_is_remembered_over_another_start(lost):
    """And over a gap that was acknowledged."""
    folder, shots = lost
    box = Outbox.open(folder)
    for row in box.pending(10):
        box.handed_out(row)
        box.ack(row)
    box.close()
    box = Outbox.open(folder)
    assert again(box, shots[4]).seq == 5
    assert told(box) == ([5], [])
    box.close()


def test_a_shot_of_a_lost_session_keeps_session_and_number(lost):
    """The database is gone; the new session's own numbers begin at 1."""
    folder, shots = lost
    (folder / "outbox.db").unlink()
    box = Outbox.open(folder)
    verdict = again(box, shots[1])
    assert (verdict.session == box.session, verdict.seq) == (False, 2)
    assert again(box, str(uuid.uuid4())).seq == 1
    assert told(box)[1] == [(1, 1), (3, 6)]
    box.close()
    box = Outbox.open(folder)
    assert again(box, shots[1]).seq == 2
    box.close()


def test_another_payload_is_refused_as_ever(lost):
    """The id belongs to the lost picture."""
    folder, shots = lost
    box = Outbox.open(folder)
    with pytest.raises(FrameError) as caught:
        again(box, shots[3], b"another")
    assert caught.value.reason == Reason.ID_REUSED
    assert told(box) == ([1, 2], [(3, 6)])
    box.close()


def test_a_result_that_was_saved_without_its_verdict_is_not_made_again(tmp_path):
    """The damage took another table along; what the sender asked first is still known."""
    box = Outbox.open(tmp_path / "o")
    shot = put(box)
    first = box.lookup(shot, shot.encode())
    with box._store.transaction() as conn:
        conn.execute("DELETE FROM shots")
    assert again(box, shot) == first.verdict
    assert box.lookup(shot, shot.encode()).picture == first.picture
    with pytest.raises(FrameError) as caught:
        box.lookup(shot, b"another")
    assert caught.value.reason == Reason.ID_REUSED
    assert told(box) == ([1], [])
    box.close()


def test_a_shot_whose_row_went_on_purpose_gets_a_new_number(tmp_path):
    """Forgotten ids and aged rows are no damage."""
    box = Outbox.open(tmp_path / "o")
    shot = put(box)
    with box._store.transaction() as conn:
        conn.execute("DELETE FROM rows")
        conn.execute("DELETE FROM shots")
    assert again(box, shot).seq == 2
    box.close()


@pytest.mark.parametrize("how", ["shot", "all", "before_ms", "consent", "aged"])
def test_a_purged_or_aged_shot_leaves_no_digest_in_the_ring(tmp_path, how):
    """Neither of its id nor of its picture; a shot beside it stays known, unless all go."""
    box, ring = Outbox.open(tmp_path / "o"), tmp_path / "o" / "outbox.marks"
    kept, gone = put(box), put(box, consents=("ref",))
    traces = [box.digest(gone.encode()).value[:16], shot_digest(box._store, gone)[:16]]
    assert all(trace in ring.read_bytes() for trace in traces)
    if how == "aged":
        with box._store.transaction() as conn:
            conn.execute(
                "UPDATE shots SET row=NULL, at_ms=1 WHERE mac=?", (shot_digest(box._store, gone),)
            )
        box.enforce()
    else:
        given = {"shot": gone, "all": True, "before_ms": 1 << 60, "consent": "ref"}
        box.purge(PurgeSelector(**{how: given[how]}))
    assert not any(trace in ring.read_bytes() for trace in traces)
    still = shot_digest(box._store, kept)[:16] in ring.read_bytes()
    assert still == (how in {"shot", "consent", "aged"})
    box.close()


def test_the_ring_keeps_the_newest_and_passes_over_torn_records(tmp_path):
    """As many as it has room for, over a start."""
    fd = os.open(tmp_path / "ring", os.O_RDWR | os.O_CREAT)
    ring, session = Recent(fd, 64), str(uuid.uuid4())
    macs = [uuid.uuid4().bytes * 2 for _ in range(RECORDS + 5)]
    for number, mac in enumerate(macs):
        ring.note(mac, PayloadMac(mac), Place(session, "door", number))
    again_read = Recent(fd, 64)
    for one in (ring, again_read):
        assert [one.find(mac) is None for mac in macs[:6]] == [True] * 5 + [False]
        assert one.find(macs[-1]) == (macs[-1][:16], Place(session, "door", RECORDS + 4))
    again_read.note(macs[0], None, Place(session, "door", 7))
    assert Recent(fd, 64).find(macs[0]).place.seq == 7
    os.pwrite(fd, b"\xff" * 200, 64 + 40 * 128)
    left = Recent(fd, 64)
    assert RECORDS - 6 <= sum(left.find(mac) is not None for mac in macs) < RECORDS
    os.close(fd)


STEP = st.sampled_from(["note", "note", "forget", "start"])


@given(steps=st.lists(st.tuples(STEP, st.integers(0, 20))))
def test_the_ring_on_the_disk_is_the_one_in_memory(steps):
    """The last eight that were noted, less what was forgotten; whatever was forgotten before."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryFile() as file:
        patch.setattr(outbox_recent, "RECORDS", 8)
        ring, noted, session = Recent(file.fileno(), 64), [], str(uuid.uuid4())
        for turn, (step, key) in enumerate(steps):
            mac = bytes([key]) * 16
            if step == "note":
                ring.note(mac, None, Place(session, "door", turn))
                noted = [*[(m, t) if m != mac else (None, t) for m, t in noted], (mac, turn)]
            elif step == "forget":
                ring.forget([mac])
                noted = [(m, t) if m != mac else (None, t) for m, t in noted]
            else:
                ring = Recent(file.fileno(), 64)
                while noted and noted[-1][0] is None:  # the newest that is left goes before
                    noted.pop()
            expected = dict(noted[-8:])
            for one in range(21):
                mac = bytes([one]) * 16
                seen = ring.find(mac)
                assert (None if seen is None else seen.place.seq) == expected.get(mac)
                assert Recent(file.fileno(), 64).find(mac) == seen
