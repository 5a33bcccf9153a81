"""Behaviour of purge, age and size limits: what goes, what is left, what is told."""

import sqlite3
import time
import uuid
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from outbox_kit import Clock, files_with, picture, put, result

from edged.errors import FrameError
from edged.transport import outbox_removal as removal
from edged.transport.outbox import Outbox, OutboxLimits, PurgeSelector
from edged.transport.wire import GapDoc, ResultDoc
from edged.verdicts import Reason, Verdict


@pytest.fixture
def clock():
    return Clock()


def open_box(folder: Path, clock: Clock, events: list | None = None, **limits) -> Outbox:
    sink = (lambda *_: None) if events is None else (lambda *event: events.append(event))
    return Outbox.open(
        folder, clock=clock.wall, steady=clock.steady, limits=OutboxLimits(**limits), on_event=sink
    )


def waiting(outbox: Outbox) -> list:
    """Sequence numbers of results and (from, to, reason) of gaps that wait."""
    out = []
    for number in outbox.pending(1000):
        row = outbox.load(number)
        if row.kind == "gap":
            gap = msgspec.json.decode(row.doc_json, type=GapDoc)
            out.append((gap.first, gap.last, gap.reason))
        else:
            out.append(msgspec.json.decode(row.doc_json, type=ResultDoc).seq)
    return out


def chunks(jpeg: bytes) -> list[bytes]:
    """Pieces of a picture that cannot occur elsewhere by chance."""
    return [jpeg[i : i + 16] for i in range(0, len(jpeg) - 16, 160)]


@pytest.mark.parametrize("selector", ["all", "shot", "consent", "before_ms"])
def test_a_purge_leaves_no_byte(tmp_path, clock, selector):
    """After a purge nothing of picture, id, consent or key is in any file, nor readable."""
    folder = tmp_path / "o"
    box = open_box(folder, clock)
    image = picture(50_000)
    doc = result(image, consents=("consent-4711",))
    box.put(doc, image, shot_id=doc.id, payload=b"frame")
    slot = box._store.one("SELECT slot FROM rows")
    key = box._store.vault.read(slot)
    ciphertext = box._store.one("SELECT picture FROM bodies")
    assert files_with(folder, key) == ["outbox.keys"]
    number = box.pending(1)[0]
    handed = box.load(number)  # the uplink has it in hand
    box.handed_out(number)
    clock.pass_s(1)
    data = {
        "all": {"all": True},
        "shot": {"shot": doc.id},
        "consent": {"consent": "consent-4711"},
        "before_ms": {"before_ms": int(clock.wall_s * 1000)},
    }[selector]
    receipt = box.purge(PurgeSelector.from_data(data))
    assert (receipt.rows, receipt.keys, receipt.gaps, receipt.wal_truncated) == (1, 1, 1, True)
    needles = [
        key,
        doc.id.encode(),
        uuid.UUID(doc.id).bytes,
        b"consent-4711",
        *chunks(image.jpeg),
        *chunks(ciphertext),
    ]
    assert [n for n in needles if files_with(folder, n)] == []
    assert (folder / "outbox.db-wal").stat().st_size == 0
    assert box.load(handed.row) is None
    box.ack(handed.row)  # comes late, must not hurt
    assert waiting(box) == [(1, 1, "purge")]
    box.close()


def test_a_purge_is_worth_it_while_another_reader_holds_the_log(tmp_path, clock):
    """With a foreign read transaction open the key is gone at once, the log soon after."""
    folder = tmp_path / "o"
    box = open_box(folder, clock)
    put(box)
    reader = sqlite3.connect(folder / "outbox.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM rows").fetchone()
    key = box._store.vault.read(box._store.one("SELECT slot FROM rows"))
    receipt = box.purge(PurgeSelector(all=True))
    assert not receipt.wal_truncated
    assert files_with(folder, key) == []
    reader.execute("COMMIT")
    reader.close()
    box.enforce()
    assert (folder / "outbox.db-wal").stat().st_size == 0
    box.close()


def test_a_purge_takes_only_what_it_names(tmp_path, clock):
    """A consent takes every picture it is in and none that it is not in."""
    box = open_box(tmp_path / "o", clock)
    put(box, consents=("mine",))
    other = put(box, consents=("yours",))
    put(box, consents=("yours", "mine"))
    assert box.purge(PurgeSelector(consent="mine")).rows == 2
    assert waiting(box) == [2, (1, 1, "purge"), (3, 3, "purge")]
    assert box.lookup(other, other.encode()).picture is not None
    box.close()


def test_a_reference_that_no_face_carries_takes_its_picture_too(tmp_path, clock):
    """A shot with more references than faces goes with any of them."""
    box = open_box(tmp_path / "o", clock)
    image = picture()
    doc = result(image)
    doc.consents = ("mine", "yours")
    box.put(doc, image, shot_id=None, payload=None)
    assert box.purge(PurgeSelector(consent="yours")).rows == 1
    assert box.purge(PurgeSelector(consent="mine")).rows == 0
    box.close()


def test_a_purge_of_a_consent_is_not_outrun_by_a_shot_under_way(tmp_path, clock):
    """What was received before it never gets in; what comes after it does."""
    box = open_box(tmp_path / "o", clock)
    image = picture()

    def come(shot_id, received_ns, consents=("mine",)):
        doc = result(image, consents=consents)
        doc.id = ""
        return box.put(doc, image, shot_id=shot_id, payload=b"x", received_ns=received_ns).reason

    before_ns = time.monotonic_ns()
    assert box.purge(PurgeSelector(consent="mine")).rows == 0
    assert come("one", before_ns) is Reason.PURGED
    assert box.lookup("one", b"x").verdict.reason is Reason.PURGED
    assert come("two", before_ns, ("yours",)) is Reason.OK
    assert come("three", time.monotonic_ns()) is Reason.OK
    assert waiting(box) == [1, 2]
    box.close()


def victim(session, camera, seq):
    return removal.Victim(0, session, camera, seq, 0, 0, 0, b"")


@given(
    st.sets(
        st.tuples(
            st.sampled_from(["s1", "s2"]), st.sampled_from(["booth", "door"]), st.integers(1, 30)
        )
    )
)
def test_ranges_of_a_receipt_are_exactly_what_went(places):
    """No number too many, none too few, no two ranges that could be one."""
    ranges = removal._ranges([victim(*place) for place in places])
    told = [(r.session, r.camera, n) for r in ranges for n in range(r.first, r.last + 1)]
    assert sorted(told) == sorted(places)
    assert not any(
        (a.session, a.camera, a.last + 1) == (b.session, b.camera, b.first)
        for a in ranges
        for b in ranges
    )


def test_a_receipt_has_a_bound_and_says_what_it_leaves_out(tmp_path, clock, monkeypatch):
    """Many holes make many ranges; a reply has room for so many."""
    monkeypatch.setattr(removal, "MAX_REMOVED", 2)
    box = open_box(tmp_path / "o", clock)
    for number in range(6):
        put(box, consents=("mine",) if number % 2 else ())
    receipt = box.purge(PurgeSelector(consent="mine"))
    assert [(r.first, r.last) for r in receipt.removed] == [(2, 2), (4, 4)]
    assert (receipt.rows, receipt.removed_more) == (3, 1)
    box.close()


def test_a_purged_shot_stays_purged(tmp_path, clock):
    """Its id is answered "purged" from then on, whatever payload comes, also after a restart."""
    box = open_box(tmp_path / "o", clock)
    shot_id = put(box)
    box.purge(PurgeSelector(shot=shot_id))
    box.close()
    box = open_box(tmp_path / "o", clock)
    for payload in (shot_id.encode(), b"other"):
        known = box.lookup(shot_id, payload)
        assert (known.verdict.verdict, known.verdict.reason, known.picture) == (
            Verdict.FAILED,
            Reason.PURGED,
            None,
        )
        assert known.verdict.seq == 0
    box.close()


def test_a_shot_purged_while_it_is_made_never_gets_in(tmp_path, clock):
    """A purge that comes before the put of its shot wins."""
    box = open_box(tmp_path / "o", clock)
    image = picture()
    doc = result(image)
    assert box.purge(PurgeSelector(shot=doc.id)).rows == 0
    verdict = box.put(doc, image, shot_id=doc.id, payload=b"frame")
    assert verdict.reason is Reason.PURGED
    assert waiting(box) == []
    box.close()


def test_neighbouring_numbers_share_a_gap(tmp_path, clock):
    """A purge of everything is one gap a camera, and purged numbers are not used again."""
    box = open_box(tmp_path / "o", clock)
    for camera in ("a", "b", "a", "a"):
        put(box, camera)
    box.purge(PurgeSelector(all=True))
    assert sorted(waiting(box)) == [(1, 1, "purge"), (1, 3, "purge")]
    put(box, "a")
    assert waiting(box)[-1] == 4
    box.close()


def test_a_gap_that_was_handed_out_is_not_widened(tmp_path, clock):
    """What a consumer may have seen already does not change."""
    box = open_box(tmp_path / "o", clock)
    first, second = put(box), put(box)
    box.purge(PurgeSelector(shot=first))
    box.handed_out(box.pending(10)[-1])
    box.purge(PurgeSelector(shot=second))
    assert waiting(box) == [(1, 1, "purge"), (2, 2, "purge")]
    box.close()


def test_a_purge_of_everything_takes_damaged_files_along(tmp_path, clock):
    """Files that were set aside go too: keys overwritten, all removed."""
    folder = tmp_path / "o"
    box = open_box(folder, clock)
    (folder / "outbox.keys.damaged-1").write_bytes(b"k" * 100)
    (folder / "outbox.db.damaged-1").write_bytes(b"d" * 100)
    box.purge(PurgeSelector(all=True))
    assert list(folder.glob("*.damaged-*")) == []
    box.close()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"all": False},
        {"all": True, "shot": "x"},
        {"shot": ""},
        {"shot": "x" * 65},
        {"consent": "a b"},
        {"consent": "a\n"},
        {"before_ms": True},
        {"before_ms": -1},
        {"camera": "x"},
    ],
)
def test_a_vague_purge_is_refused(data):
    """Only exactly one well-formed selector is taken."""
    with pytest.raises(ValueError, match="exactly one"):
        PurgeSelector.from_data(data)


def test_old_rows_go_by_age(tmp_path, clock):
    """Acknowledged rows go quietly after retention, unsent ones later and with a gap."""
    events: list = []
    box = open_box(tmp_path / "o", clock, events, retention_s=100, unsent_max_age_s=200)
    first = put(box)
    put(box)
    put(box)
    box.ack(1)
    clock.pass_s(150)
    assert box.enforce() == 1
    assert waiting(box) == [2, 3]
    clock.pass_s(51)
    assert box.enforce() == 2
    assert waiting(box) == [(2, 3, "expired")]
    assert events == [("outbox-expired", "unsent-too-old", {"rows": 2})]
    known = box.lookup(first, first.encode())
    assert (known.verdict.verdict, known.picture) == (Verdict.QUEUED, None)
    box.close()


def test_verdicts_outlive_their_pictures_and_then_go(tmp_path, clock):
    """An id is remembered for `dedupe_days`."""
    box = open_box(tmp_path / "o", clock, retention_s=100, unsent_max_age_s=100, dedupe_days=1)
    shot_id = put(box)
    clock.pass_s(86_000)
    box.enforce()
    assert box.lookup(shot_id, b"other id" and shot_id.encode()) is not None
    clock.pass_s(1000)
    box.enforce()
    assert box.lookup(shot_id, shot_id.encode()) is None
    box.close()


def test_an_expired_row_takes_its_key_along(tmp_path, clock):
    """Retention destroys keys like a purge does."""
    box = open_box(tmp_path / "o", clock, retention_s=100)
    put(box)
    key = box._store.vault.read(box._store.one("SELECT slot FROM rows"))
    box.ack(1)
    clock.pass_s(101)
    box.enforce()
    assert files_with(tmp_path / "o", key) == []
    assert box.stats().used_bytes == 0
    box.close()


def test_a_full_outbox_drops_what_was_delivered_first(tmp_path, clock):
    """Room is made of acknowledged rows, and only then of the oldest unsent, with a gap."""
    events: list = []
    box = open_box(tmp_path / "o", clock, events, max_bytes=60_000)
    for _ in range(4):
        put(box, size_bytes=12_000)
    box.ack(2)
    put(box, size_bytes=12_000)
    assert (waiting(box), events) == ([1, 3, 4, 5], [])
    put(box, size_bytes=12_000)
    put(box, size_bytes=12_000)
    assert waiting(box) == [4, 5, (1, 1, "overflow"), 6, (3, 3, "overflow"), 7]
    assert events[0] == ("outbox-overflow", "drop-oldest", {"rows": 1})
    assert box.stats().used_bytes <= 60_000
    box.close()


def test_a_full_outbox_can_refuse_instead(tmp_path, clock):
    """With overflow = "refuse" delivered rows still make room, unsent ones are kept."""
    box = open_box(tmp_path / "o", clock, max_bytes=40_000, overflow="refuse")
    put(box, size_bytes=12_000)
    put(box, size_bytes=12_000)
    with pytest.raises(FrameError) as caught:
        put(box, size_bytes=12_000)
    assert caught.value.reason == Reason.OUTBOX_FULL
    box.ack(1)
    put(box, size_bytes=12_000)
    assert waiting(box) == [2, 3]
    box.close()


def test_a_picture_larger_than_the_outbox_is_refused(tmp_path, clock):
    """It drops nobody else's row on its way."""
    box = open_box(tmp_path / "o", clock, max_bytes=20_000)
    put(box)
    with pytest.raises(FrameError) as caught:
        put(box, size_bytes=30_000)
    assert caught.value.reason == Reason.OUTBOX_FULL
    assert waiting(box) == [1]
    box.close()


def test_a_full_disk_is_told_before_it_is_full(tmp_path, clock):
    """Below the free space that must stay, nothing is taken."""
    box = open_box(tmp_path / "o", clock, min_free_bytes=1 << 60)
    for _ in range(2):
        with pytest.raises(FrameError) as caught:
            put(box)
        assert caught.value.reason == Reason.OUTBOX_FULL
    box.close()


def test_the_file_shrinks_after_a_purge(tmp_path, clock):
    """Free pages go back to the disk."""
    box = open_box(tmp_path / "o", clock)
    for _ in range(10):
        put(box, size_bytes=100_000)
    box.purge(PurgeSelector(all=True))
    assert (tmp_path / "o" / "outbox.db").stat().st_size < 300_000
    box.close()
