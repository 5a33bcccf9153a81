"""Frames through the three threads: every one is answered once, whatever happens to it."""

from __future__ import annotations

import threading

import cv2
import msgspec
import numpy as np
import pytest
from flow_kit import SHOT, png, running, until

from edged.daemon import flow as flow_module
from edged.errors import FrameError
from edged.privacy.guard import Refused
from edged.verdicts import Reason, Verdict

OTHER = "1b8b5d8e-5a0c-4f0e-9a57-6a2f7f6b1c11"


@pytest.fixture
def rig(tmp_path):
    with running(tmp_path / "outbox") as running_rig:
        yield running_rig


# -- what becomes of a frame ------------------------------------------------------------


def test_a_shot_is_durable_when_it_is_answered(rig):
    """Its row, its picture and its document are in the outbox, and the uplink is woken."""
    doc, picture = rig.answers.of(rig.shoot())
    assert (doc.verdict, doc.reason, doc.id) == (Verdict.QUEUED, Reason.OK, SHOT)
    assert doc.builtin
    assert doc.numbers == {"faces": 1, "swapped": 1, "filled": 0, "bystanders": 0}
    assert picture is None
    (row,) = rig.outbox.pending(9)
    stored = rig.outbox.load(row)
    result = msgspec.json.decode(stored.doc_json)
    assert (result["id"], result["camera"], result["seq"]) == (SHOT, "booth", doc.seq)
    assert {"swap", "encode", "total"} <= set(result["latency_ms"])
    assert cv2.imdecode(np.frombuffer(stored.jpeg, np.uint8), 1).shape == (48, 64, 3)
    assert rig.rows


def test_a_sender_gets_the_picture_that_it_asked_for(rig):
    """The very bytes of the outbox."""
    _, picture = rig.answers.of(rig.shoot(want=True))
    (row,) = rig.outbox.pending(9)
    assert picture.jpeg == rig.outbox.load(row).jpeg


def test_a_stream_frame_is_shown(rig):
    """It goes to the view alone."""
    rig.view.looks = True
    doc, _ = rig.answers.of(rig.stream())
    assert doc.verdict is Verdict.SHOWN
    assert [camera for camera, _ in rig.view.shown] == ["booth"]
    assert rig.outbox.pending(9) == []


def test_nothing_is_made_for_nobody(rig):
    """Without a viewer the picture is not published; the answer is the same."""
    doc, _ = rig.answers.of(rig.stream())
    assert doc.verdict is Verdict.SHOWN
    assert rig.view.shown == []


def test_a_shown_buffer_is_leased_until_the_viewer_has_it(rig):
    """Its memory is not written while ZeroMQ may read it."""
    rig.view.looks = True
    rig.answers.of(rig.stream())
    (buffer,) = rig.pipeline.buffers
    until(lambda: rig.pipeline.pool._resting)
    assert not buffer.free()
    lease = rig.pipeline.pool.lease(48, 64)
    assert not np.shares_memory(lease.image, buffer.image)
    rig.view.tracker.done = True
    assert np.shares_memory(rig.pipeline.pool.lease(48, 64).image, buffer.image)


def test_a_refusal_is_remembered_for_its_shot(rig):
    """The same shot again gets the same answer without another look."""
    rig.pipeline.ruling = Refused(Reason.FACE_RECOGNISABLE)
    first, _ = rig.answers.of(rig.shoot())
    again, _ = rig.answers.of(rig.shoot())
    assert (first.verdict, first.reason) == (Verdict.REFUSED, Reason.FACE_RECOGNISABLE)
    assert (again.verdict, again.reason) == (first.verdict, first.reason)
    assert len(rig.pipeline.jobs) == 1
    assert rig.events == [("guard-refused", "face-recognisable", {})]


@pytest.mark.parametrize(
    "reason",
    [Reason.NO_FACE, Reason.NO_CONSENT, Reason.SURPLUS_FACES, Reason.CONSENT_UNMATCHED],
)
def test_a_visitor_s_mistake_is_no_event(rig, reason):
    """Nobody has to look into it."""
    rig.pipeline.ruling = Refused(reason)
    doc, _ = rig.answers.of(rig.shoot())
    assert doc.reason is reason
    assert rig.events == []


@pytest.mark.parametrize(("live", "events"), [(False, 1), (True, 0), (None, 0)])
def test_a_face_that_is_not_live_is_an_event(rig, live, events):
    """The operator hears of it, the sender gets a number, the picture goes its way."""
    rig.pipeline.live = live
    doc, _ = rig.answers.of(rig.shoot())
    assert doc.verdict is Verdict.QUEUED
    assert doc.numbers.get("not_live", 0) == events
    assert rig.events == [("not-live", "not-live", {"faces": 1})] * events


@pytest.mark.parametrize(
    ("reason", "verdict"),
    [(Reason.PIPELINE_ERROR, Verdict.FAILED), (Reason.GUARD_ERROR, Verdict.REFUSED)],
)
def test_a_failure_of_our_own_may_be_tried_again(rig, reason, verdict):
    """It is not remembered: the same shot may be good once the engine is."""
    rig.pipeline.ruling = Refused(reason)
    doc, _ = rig.answers.of(rig.shoot())
    assert doc.verdict is verdict
    rig.pipeline.ruling = None
    assert rig.answers.of(rig.shoot())[0].verdict is Verdict.QUEUED


def test_a_picture_that_cannot_be_decoded_is_told(rig):
    """And the next good frame works."""
    doc, _ = rig.answers.of(rig.shoot(payload=b"\x89PNG\r\n\x1a\nno picture"))
    assert (doc.verdict, doc.reason, doc.id) == (Verdict.FAILED, Reason.BAD_IMAGE, SHOT)
    assert rig.answers.of(rig.shoot(OTHER))[0].verdict is Verdict.QUEUED


def test_an_exception_of_the_pipeline_ends_no_thread(rig, caplog):
    """A code for the sender, a type for the log, and the next frame works."""
    rig.pipeline.error = ValueError("shape 719")
    doc, _ = rig.answers.of(rig.shoot())
    assert (doc.verdict, doc.reason) == (Verdict.FAILED, Reason.PIPELINE_ERROR)
    assert "ValueError" in caplog.text
    assert "719" not in caplog.text
    rig.pipeline.error = None
    assert rig.answers.of(rig.shoot(OTHER))[0].verdict is Verdict.QUEUED
    assert rig.flow.alive()


def test_an_exception_while_decoding_ends_no_thread(rig, monkeypatch, caplog):
    """Likewise."""
    monkeypatch.setattr(flow_module.images, "decode", lambda *_: 1 // 0)
    doc, _ = rig.answers.of(rig.shoot())
    assert doc.reason is Reason.PIPELINE_ERROR
    assert "ZeroDivisionError" in caplog.text
    assert rig.flow.alive()


@pytest.mark.parametrize(
    ("error", "reason"),
    [(FrameError(Reason.OUTBOX_FULL, ""), Reason.OUTBOX_FULL), (OSError(), Reason.PIPELINE_ERROR)],
)
def test_trouble_with_the_outbox_is_told_and_frees_the_buffer(rig, monkeypatch, error, reason):
    """A shot that is not durable is not `queued`."""

    def put(*_args, **_more):
        raise error

    monkeypatch.setattr(rig.outbox, "put", put)
    doc, picture = rig.answers.of(rig.shoot(want=True))
    assert (doc.verdict, doc.reason) == (Verdict.FAILED, reason)
    assert picture is None
    until(lambda: rig.pipeline.pool._resting)


def test_a_passed_picture_without_a_guard_note_stays_in(rig):
    """Nobody could say how it was checked."""
    rig.pipeline.note = None
    doc, _ = rig.answers.of(rig.shoot())
    assert (doc.verdict, doc.reason) == (Verdict.REFUSED, Reason.GUARD_ERROR)
    assert rig.outbox.pending(9) == []


# -- the same shot again ----------------------------------------------------------------


def test_a_shot_sent_three_times_is_one_result(rig):
    """Two wait for the one that is under way, all get its answer."""
    rig.pipeline.gate.clear()
    tickets = [rig.shoot(want=n == 2) for n in range(3)]
    assert rig.pipeline.entered.wait(10)
    until(lambda: rig.mailbox.counts().shots_waiting == 0)
    rig.pipeline.gate.set()
    given = [rig.answers.of(t) for t in tickets]
    assert [doc.verdict for doc, _ in given] == [Verdict.QUEUED] * 3
    assert [picture is not None for _, picture in given] == [False, False, True]
    assert len(rig.pipeline.jobs) == 1
    assert len(rig.outbox.pending(9)) == 1


def test_a_shot_that_was_answered_is_answered_again(rig):
    """From the outbox, with its picture when that is asked for."""
    first, _ = rig.answers.of(rig.shoot())
    again, picture = rig.answers.of(rig.shoot(want=True))
    assert (again.verdict, again.seq) == (Verdict.QUEUED, first.seq)
    (row,) = rig.outbox.pending(9)
    assert picture.jpeg == rig.outbox.load(row).jpeg
    assert len(rig.pipeline.jobs) == 1


@pytest.mark.parametrize("under_way", [True, False])
def test_an_id_with_another_picture_is_an_error_of_that_message_alone(rig, under_way):
    """While the first is under way and afterwards; the first is not disturbed."""
    if under_way:
        rig.pipeline.gate.clear()
    first = rig.shoot()
    assert rig.pipeline.entered.wait(10)
    if not under_way:
        rig.answers.of(first)
    doc, _ = rig.answers.of(rig.shoot(payload=png(seed=7)))
    assert (doc.verdict, doc.reason) == (Verdict.FAILED, Reason.ID_REUSED)
    rig.pipeline.gate.set()
    assert rig.answers.of(first)[0].verdict is Verdict.QUEUED


def test_an_id_found_reused_too_late_is_answered_and_forgotten(rig, monkeypatch):
    """The twin was stored between look-up and put; nobody waits for ever afterwards."""

    def put(*_args, **_more):
        raise FrameError(Reason.ID_REUSED, "")

    with monkeypatch.context() as patch:
        patch.setattr(rig.outbox, "put", put)
        assert rig.answers.of(rig.shoot())[0].reason is Reason.ID_REUSED
    assert rig.answers.of(rig.shoot())[0].verdict is Verdict.QUEUED


def test_disk_trouble_at_a_repeat_does_not_answer_the_one_under_way(rig, monkeypatch):
    """Only the message that met it fails."""
    rig.pipeline.gate.clear()
    first = rig.shoot()
    assert rig.pipeline.entered.wait(10)

    def lookup(*_args):
        raise FrameError(Reason.OUTBOX_ERROR, "")

    with monkeypatch.context() as patch:
        patch.setattr(rig.outbox, "lookup", lookup)
        assert rig.answers.of(rig.shoot())[0].reason is Reason.OUTBOX_ERROR
    rig.pipeline.gate.set()
    assert rig.answers.of(first)[0].verdict is Verdict.QUEUED


# -- streams ----------------------------------------------------------------------------


def test_what_the_pipeline_is_told(rig):
    """A shot is searched whole, a stream frame is not, and has the camera's tracks."""
    rig.answers.of(rig.shoot())
    rig.answers.of(rig.stream())
    assert [(j.whole, j.stream) for j in rig.pipeline.jobs] == [(True, False), (False, True)]
    assert [(j.camera, j.scene_name) for j in rig.pipeline.jobs] == [("booth", "hide")] * 2


def test_a_sample_of_a_stream_is_published_when_it_is_due(tmp_path):
    """The first one, and the next after the pause; in between they are shown."""
    with running(tmp_path / "outbox", publish_every_s=3600.0) as rig:
        given = [rig.answers.of(rig.stream())[0] for _ in range(3)]
        assert [d.verdict for d in given] == [Verdict.QUEUED, Verdict.SHOWN, Verdict.SHOWN]
        assert (rig.pipeline.jobs[0].whole, rig.pipeline.jobs[0].stream) == (True, True)
        rig.flow._published_s["booth"] -= 3600
        assert rig.answers.of(rig.stream())[0].verdict is Verdict.QUEUED


def test_without_leave_nothing_goes_to_the_outbox(tmp_path):
    """The built-in pack and a remote broker: shots are refused, streams shown."""
    with running(tmp_path / "outbox", barred=True, publish_every_s=1.0) as rig:
        doc, picture = rig.answers.of(rig.shoot(want=True))
        assert (doc.verdict, doc.reason) == (Verdict.REFUSED, Reason.PUBLISH_BARRED)
        assert picture is None
        assert rig.answers.of(rig.stream())[0].verdict is Verdict.SHOWN
        assert rig.outbox.pending(9) == []


# -- time -------------------------------------------------------------------------------


def test_a_frame_that_waited_too_long_is_not_worked_on(tmp_path):
    """Its sender has given up; the pipeline is spared."""
    with running(tmp_path / "outbox", deadline_ms=1000) as rig:
        doc, _ = rig.answers.of(rig.shoot(age_s=2))
        assert (doc.verdict, doc.reason) == (Verdict.FAILED, Reason.DEADLINE)
        assert rig.pipeline.jobs == []


def test_a_frame_that_took_too_long_is_not_published(tmp_path):
    """It is late when it is done, and nothing of it is kept."""
    with running(tmp_path / "outbox", deadline_ms=200) as rig:
        rig.pipeline.gate.clear()
        ticket = rig.shoot()
        assert rig.pipeline.entered.wait(10)
        threading.Timer(0.25, rig.pipeline.gate.set).start()
        doc, _ = rig.answers.of(ticket)
        assert doc.reason is Reason.DEADLINE
        assert rig.outbox.pending(9) == []
        until(lambda: rig.pipeline.pool._resting)


# -- stop -------------------------------------------------------------------------------


def test_a_stop_answers_everything(tmp_path):
    """What waits is told so, and what is under way is finished."""
    with running(tmp_path / "outbox") as rig:
        rig.pipeline.gate.clear()
        ids = [f"{n}b8b5d8e-5a0c-4f0e-9a57-6a2f7f6b1c11" for n in range(6)]
        tickets = [rig.shoot(shot) for shot in ids]
        assert rig.pipeline.entered.wait(10)
        stopping = threading.Thread(target=rig.flow.stop)
        stopping.start()
        # Longer than an idle thread takes to see the stop: none may leave before its feeder.
        until(lambda: not rig.flow._runs("edged-intake"))
        threading.Event().wait(3 * flow_module.POLL_S)
        rig.pipeline.gate.set()
        stopping.join(10)
        given = [rig.answers.of(t)[0] for t in tickets]
        assert given[0].verdict is Verdict.QUEUED
        assert {d.reason for d in given} <= {Reason.OK, Reason.STOPPING}
        assert {d.verdict for d in given} == {Verdict.QUEUED, Verdict.FAILED}
        assert not rig.flow.alive()
        assert len(rig.outbox.pending(9)) == sum(d.verdict is Verdict.QUEUED for d in given)


def test_a_decode_under_way_at_the_stop_is_answered(tmp_path, monkeypatch):
    """The threads behind it stay until it has been handed on."""
    decoding, go = threading.Event(), threading.Event()
    real = flow_module.images.decode

    def slow(*args):
        decoding.set()
        assert go.wait(10)
        return real(*args)

    monkeypatch.setattr(flow_module.images, "decode", slow)
    with running(tmp_path / "outbox") as rig:
        ticket = rig.shoot()
        assert decoding.wait(10)
        stopping = threading.Thread(target=rig.flow.stop)
        stopping.start()
        threading.Event().wait(3 * flow_module.POLL_S)
        go.set()
        stopping.join(10)
        assert rig.answers.of(ticket)[0].verdict in {Verdict.QUEUED, Verdict.FAILED}


def test_it_counts_what_it_did(rig):
    """Frames by verdict for health, and beats for the watchdog."""
    rig.answers.of(rig.shoot())
    rig.answers.of(rig.stream())
    until(lambda: rig.parts.pulse.beats == 2)
    assert rig.counts() == {"queued": 1, "shown": 1}
