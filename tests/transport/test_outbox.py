"""Behaviour of the outbox: numbers, verdicts, order, history, replay."""

import os
import threading
import uuid
from pathlib import Path

import msgspec
import pytest
from outbox_kit import Clock, picture, put, result

from edged.errors import FrameError, OperatorError
from edged.transport.outbox import Outbox, OutboxLimits
from edged.transport.wire import GapDoc, ResultDoc, answer
from edged.verdicts import Reason, Verdict


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path, clock: Clock):
    box = Outbox.open(tmp_path / "outbox", clock=clock.wall, steady=clock.steady)
    yield box
    box.close()


def hand_out(outbox: Outbox) -> list:
    """Everything that waits, as documents, noted as handed out."""
    docs = []
    for number in outbox.pending(1000):
        row = outbox.load(number)
        outbox.handed_out(number)
        docs.append(
            msgspec.json.decode(row.doc_json, type=ResultDoc if row.kind == "result" else GapDoc)
        )
    return docs


def test_a_result_comes_out_as_it_went_in(outbox):
    """Document and picture are the same, with session and number filled in."""
    image = picture()
    doc = result(image, consents=("c-1", "c-2"))
    verdict = outbox.put(doc, image, shot_id=doc.id, payload=b"frame")
    row = outbox.load(outbox.pending(10)[0])
    out = msgspec.json.decode(row.doc_json, type=ResultDoc)
    assert out == doc
    assert (row.kind, row.camera, row.id, row.jpeg) == ("result", "booth", doc.id, image.jpeg)
    assert (out.session, out.seq, out.historical) == (outbox.session, 1, False)
    assert (verdict.verdict, verdict.id, verdict.session, verdict.seq) == (
        Verdict.QUEUED,
        doc.id,
        outbox.session,
        1,
    )
    assert verdict.numbers["swapped"] == 2


def test_each_camera_counts_for_itself(outbox):
    """Sequence numbers begin at 1 for every camera and have no holes."""
    for camera in ("a", "b", "a", "a", "b"):
        put(outbox, camera)
    assert [(d.camera, d.seq) for d in hand_out(outbox)] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("a", 3),
        ("b", 2),
    ]


def test_a_shot_sent_three_times_is_one_row(outbox):
    """The first verdict stands, with its picture, whatever was made the second time."""
    image, again = picture(), picture()
    doc = result(image)
    verdicts = [outbox.put(doc, image, shot_id=doc.id, payload=b"frame")]
    for _ in range(2):
        second = result(again, result_id=doc.id)
        verdicts.append(outbox.put(second, again, shot_id=doc.id, payload=b"frame"))
        assert second.seq == 0
    assert verdicts[1:] == verdicts[:1] * 2
    assert outbox.stats().depth == 1
    known = outbox.lookup(doc.id, b"frame")
    assert (known.verdict, known.picture) == (verdicts[0], image.jpeg)


def test_an_id_with_another_payload_is_an_error(outbox):
    """Neither lookup nor put nor remember takes an id a second time for another frame."""
    image = picture()
    doc = result(image)
    outbox.put(doc, image, shot_id=doc.id, payload=b"frame")
    refused = answer(Verdict.REFUSED, Reason.NO_FACE)
    for attempt in (
        lambda: outbox.lookup(doc.id, b"other"),
        lambda: outbox.put(result(image, result_id=doc.id), image, shot_id=doc.id, payload=b"o"),
        lambda: outbox.remember(doc.id, b"other", refused),
    ):
        with pytest.raises(FrameError) as caught:
            attempt()
        assert caught.value.reason == Reason.ID_REUSED
        assert doc.id not in str(caught.value)
    assert outbox.stats().depth == 1


def test_a_refusal_is_remembered(outbox):
    """A refused shot gets the same refusal again, and puts nothing in the queue."""
    shot_id = str(uuid.uuid4())
    verdict = answer(Verdict.REFUSED, Reason.NO_CONSENT, id=shot_id, numbers={"faces": 3})
    assert outbox.lookup(shot_id, b"frame") is None
    outbox.remember(shot_id, b"frame", verdict)
    assert outbox.lookup(shot_id, b"frame").verdict == verdict
    other = answer(Verdict.REFUSED, Reason.NO_FACE, id=shot_id)
    assert outbox.remember(shot_id, b"frame", other) == verdict
    assert outbox.pending(10) == []


def test_a_digest_stands_for_its_payload(outbox):
    """A payload may be hashed once, from any buffer, and used for lookup and put."""
    image, frame = picture(), os.urandom(10_000)
    doc = result(image)
    mac = outbox.digest(memoryview(frame))
    outbox.put(doc, image, shot_id=doc.id, payload=mac)
    assert outbox.lookup(doc.id, bytearray(frame)) is not None


def test_stream_frames_have_ids_of_their_own(outbox):
    """Without a shot id a result gets one when it has none, and is no known shot."""
    image = picture()
    doc = result(image)
    doc.id = ""
    verdict = outbox.put(doc, image, shot_id=None, payload=None)
    assert uuid.UUID(verdict.id)
    assert outbox.lookup(verdict.id, b"frame") is None


def test_a_document_must_describe_its_picture(outbox):
    """A result whose hash is of another picture never gets a number."""
    with pytest.raises(ValueError, match="another picture"):
        outbox.put(result(picture()), picture(), shot_id=None, payload=None)
    assert outbox.pending(1) == []


def test_results_survive_a_restart_and_are_history_then(tmp_path, outbox, clock):
    """Session, numbers, verdicts and rows are the same after reopening."""
    shot_id = put(outbox)
    session = outbox.session
    outbox.close()
    again = Outbox.open(tmp_path / "outbox", clock=clock.wall, steady=clock.steady)
    put(again)
    assert again.session == session
    assert [(d.seq, d.historical) for d in hand_out(again)] == [(1, True), (2, False)]
    assert again.lookup(shot_id, shot_id.encode()).verdict.seq == 1
    again.close()


def test_a_row_is_history_when_it_comes_late_or_again(outbox, clock):
    """Older than a minute, or handed out before, is historical."""
    put(outbox)
    assert [d.historical for d in hand_out(outbox)] == [False]
    assert [d.historical for d in hand_out(outbox)] == [True]
    put(outbox)
    clock.pass_s(61)
    assert [d.historical for d in hand_out(outbox)] == [True, True]


def test_acknowledged_rows_wait_to_be_asked_for(outbox):
    """They leave the queue, stay retained, and all come again after `requeue_all`."""
    for _ in range(3):
        put(outbox)
    outbox.ack(*outbox.pending(2))
    stats = outbox.stats()
    assert (stats.depth, stats.retained) == (1, 2)
    assert [d.seq for d in hand_out(outbox)] == [3]
    assert outbox.requeue_all() == 2
    put(outbox)
    assert [(d.seq, d.historical) for d in hand_out(outbox)] == [
        (3, True),
        (4, False),
        (1, True),
        (2, True),
    ]


def test_pending_leaves_out_what_is_under_way(outbox):
    """Rows that the uplink has are skipped and do not shorten the answer."""
    for _ in range(5):
        put(outbox)
    first = outbox.pending(2)
    assert outbox.pending(2, first) == [3, 4]


def test_a_replay_brings_a_range_again(outbox):
    """Rows of the range come again as history; the others do not."""
    for _ in range(5):
        put(outbox)
    outbox.ack(*outbox.pending(10))
    assert outbox.replay("booth", 2, 4) == {"rows": 3, "gaps": 0, "last": 5}
    assert [(d.seq, d.historical) for d in hand_out(outbox)] == [(2, True), (3, True), (4, True)]


def test_a_replay_of_what_is_gone_brings_gaps(tmp_path, clock):
    """Numbers that retention took come as one gap each side, also a second time."""
    box = Outbox.open(
        tmp_path / "o", clock=clock.wall, steady=clock.steady, limits=OutboxLimits(retention_s=100)
    )
    for _ in range(3):
        put(box)
    box.ack(*box.pending(10))
    clock.pass_s(101)
    box.enforce()
    put(box)
    hand_out(box)
    box.ack(*box.pending(10))
    for _ in range(2):
        assert box.replay("booth", 1, 99) == {"rows": 1, "gaps": 1, "last": 4}
        docs = hand_out(box)
        assert {(d.first, d.last, d.reason) for d in docs if isinstance(d, GapDoc)} == {
            (1, 3, "expired")
        }
        assert [d.seq for d in docs if isinstance(d, ResultDoc)] == [4]
        box.ack(*box.pending(10))
    box.close()


@pytest.mark.parametrize(
    ("camera", "first", "last", "session"),
    [("other", 1, 1, None), ("booth", 3, 9, None), ("booth", 2, 1, None), ("booth", 1, 1, "x")],
)
def test_a_replay_of_nothing_is_an_error(outbox, camera, first, last, session):
    """Unknown cameras and sessions and empty ranges are told, nothing is queued."""
    put(outbox)
    put(outbox)
    outbox.ack(1, 2)
    with pytest.raises(ValueError, match=r"newest|no such"):
        outbox.replay(camera, first, last, session)
    assert outbox.pending(10) == []


def test_what_the_broker_refuses_is_set_aside(outbox):
    """A gap takes its place, the rows behind it move up, requeueing leaves it alone."""
    for _ in range(3):
        put(outbox)
    outbox.set_aside(1, "too-large")
    outbox.set_aside(2, "too-large")
    docs = hand_out(outbox)
    assert docs[0].seq == 3
    assert (docs[1].first, docs[1].last, docs[1].reason) == (1, 2, "poison")
    outbox.ack(*outbox.pending(10))
    outbox.requeue_all()
    assert len(hand_out(outbox)) == 2
    assert outbox.stats().aside == 2
    assert outbox.replay("booth", 1, 1)["rows"] == 1


def test_a_gap_that_the_broker_refuses_makes_no_gap(outbox):
    """A refused gap is set aside without another in its place."""
    put(outbox)
    outbox.set_aside(1, "rejected")
    outbox.set_aside(outbox.pending(1)[0], "not-authorised")
    assert outbox.pending(10) == []


def test_threads_get_numbers_without_holes(outbox):
    """Eight threads that put, load and acknowledge at a time lose and double nothing."""
    errors = []

    def work() -> None:
        try:
            for _ in range(10):
                put(outbox, size_bytes=500)
                for number in outbox.pending(2):
                    outbox.load(number)
                    outbox.ack(number)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    outbox.requeue_all()
    assert sorted(d.seq for d in hand_out(outbox)) == list(range(1, 81))


def test_one_engine_at_a_time(tmp_path, outbox):
    """A second outbox on the same folder is refused with the reason, and later allowed."""
    with pytest.raises(OperatorError, match="in use by another engine"):
        Outbox.open(tmp_path / "outbox")
    outbox.close()
    Outbox.open(tmp_path / "outbox").close()


def test_only_the_owner_can_read_the_folder(tmp_path):
    """Folder 0700 and files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        box = Outbox.open(tmp_path / "o")
        put(box)
    finally:
        os.umask(before)
    assert (tmp_path / "o").stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in (tmp_path / "o").iterdir()} == {0o600}
    box.close()


def test_nothing_personal_is_readable_on_the_disk(tmp_path, outbox):
    """Id, consent reference, document and picture are nowhere in the files' bytes."""
    image = picture(5000)
    doc = result(image, consents=("consent-4711",))
    outbox.put(doc, image, shot_id=doc.id, payload=b"the-raw-frame-of-a-face")
    raw = b"".join(p.read_bytes() for p in (tmp_path / "outbox").iterdir())
    needles = [
        doc.id.encode(),
        uuid.UUID(doc.id).bytes,
        b"consent-4711",
        b"poster",
        b"box_px",
        b"the-raw-frame",
        doc.image.sha256.encode(),
        bytes.fromhex(doc.image.sha256),
        image.jpeg[100:116],
    ]
    assert [needle for needle in needles if needle in raw] == []


def test_a_closed_outbox_says_so(outbox):
    """Work after close is an error of ours, not of SQLite."""
    outbox.close()
    outbox.close()
    with pytest.raises(FrameError, match="closed"):
        outbox.stats()
