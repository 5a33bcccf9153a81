"""The native client: answers, reconnection, and what it says when nobody is there."""

from __future__ import annotations

import threading

import frames_kit as kit
import pytest
import zmq
from frames_kit import SHOT, serving, until

from edged.errors import ConfigError, FrameError, LinkError
from edged.transport.client import FrameClient, _answer, default_endpoint
from edged.transport.wire import ConsentEntry, OutgoingPicture, answer
from edged.verdicts import Reason, Verdict


def test_shot_is_answered_under_its_id(tmp_path):
    """Coded and raw shots are answered, each under the id that was asked for or made."""
    placed = ConsentEntry("b", box_px=(1, 2, 30, 40))
    with serving(tmp_path) as rig, FrameClient(rig.endpoint) as client:
        assert client.send_shot(kit.jpeg(), shot=SHOT.upper()).verdict.id == SHOT
        assert client.send_shot(kit.png(), scene="masks", consent=["a", placed]).verdict.id != SHOT
        assert client.send_shot(kit.picture(), camera="hall").verdict.verdict == Verdict.QUEUED
        headers = [one.header for one in rig.pipeline.seen]
        assert [one.encoding for one in headers] == ["jpeg", "png", "bgr8"]
        assert [one.camera for one in headers] == ["booth", "booth", "hall"]
        assert headers[1].consent == (ConsentEntry("a"), placed)


def test_picture_comes_back_when_asked_for(tmp_path):
    """With `want="image"` the answer holds the JPEG."""
    with serving(tmp_path, run=False) as rig, FrameClient(rig.endpoint) as client:

        def engine() -> None:
            one = until(lambda: rig.mailbox.take(0.1))
            rig.server.answer(
                one.ticket, answer(Verdict.QUEUED, Reason.OK), OutgoingPicture(b"jpeg", 1, 1)
            )

        thread = threading.Thread(target=engine)
        thread.start()
        assert client.send_shot(kit.jpeg(), want="image").picture == b"jpeg"
        thread.join()


def test_answers_of_stream_frames_are_not_taken_for_a_shots(tmp_path):
    """A shot that follows stream frames gets its own answer."""
    with serving(tmp_path) as rig, FrameClient(rig.endpoint, queue=10) as client:
        for _ in range(5):
            until(lambda: client.send_frame(kit.jpeg()))
        found = client.send_shot(kit.jpeg(), shot=SHOT)
        assert (found.verdict.id, found.verdict.verdict) == (SHOT, Verdict.QUEUED)


def test_stream_frames_are_given_up_without_an_engine(tmp_path):
    """A stream frame is sent to a living engine or not at all, and never waits."""
    with FrameClient(f"ipc://{tmp_path}/frames.sock") as client:
        assert not client.send_frame(kit.jpeg())
        with serving(tmp_path):
            until(lambda: client.send_frame(kit.jpeg()))
            assert until(lambda: client.answers(0.1))[0].verdict.verdict == Verdict.SHOWN


def test_shot_survives_a_restart_of_the_engine(tmp_path):
    """A shot whose engine went away in the middle is sent again to the next one."""
    with FrameClient(f"ipc://{tmp_path}/frames.sock", timeout_s=30) as client:
        got = []
        thread = threading.Thread(
            target=lambda: got.append(client.send_shot(kit.jpeg(), shot=SHOT))
        )
        with serving(tmp_path, run=False) as rig:
            thread.start()
            until(lambda: rig.mailbox.counts().shots == 1)
        with serving(tmp_path) as rig:
            thread.join(20)
            assert got[0].verdict.id == SHOT
            assert len(rig.pipeline.seen) == 1


def test_a_late_answer_is_not_taken_for_a_later_shots(tmp_path):
    """What comes after a shot was given up does not answer the next shot of the same id."""
    with serving(tmp_path, run=False) as rig, FrameClient(rig.endpoint) as client:
        with pytest.raises(LinkError):
            client.send_shot(kit.jpeg(), shot=SHOT, timeout_s=0.2)
        given_up = until(lambda: rig.mailbox.take(0.1))
        rig.server.answer(given_up.ticket, answer(Verdict.QUEUED, Reason.OK))
        until(lambda: client._socket.poll(100))  # it has come, and nobody asked for it
        got = []
        thread = threading.Thread(
            target=lambda: got.append(client.send_shot(kit.png(), shot=SHOT, timeout_s=20))
        )
        thread.start()
        again = until(lambda: rig.mailbox.take(0.1))
        rig.server.answer(again.ticket, answer(Verdict.FAILED, Reason.ID_REUSED))
        thread.join(20)
        assert got[0].verdict.reason == Reason.ID_REUSED


def test_missing_engine_is_said_with_the_cure(tmp_path):
    """Without an engine the error says so and how to start one; a stale path likewise."""
    with (
        FrameClient(f"ipc://{tmp_path}/frames.sock", timeout_s=0.2) as client,
        pytest.raises(LinkError, match=r"no engine is running.*edged run"),
    ):
        client.send_shot(kit.jpeg())
    with (
        FrameClient(f"ipc://{tmp_path}/frames.sock", connect_timeout_s=0.2) as client,
        pytest.raises(LinkError, match="no engine is running"),
    ):
        client.send_shot(kit.jpeg(), timeout_s=60)
    (tmp_path / "frames.sock").touch()
    with (
        FrameClient(f"ipc://{tmp_path}/frames.sock", timeout_s=0.2) as client,
        pytest.raises(LinkError, match=r"no engine answers.*edged run"),
    ):
        client.send_shot(kit.jpeg())


def test_silent_engine_is_an_error_that_names_the_shot(tmp_path):
    """An engine that takes a shot and never answers gives an error with the id to try again."""
    with (
        serving(tmp_path, run=False) as rig,
        FrameClient(rig.endpoint, timeout_s=0.3) as client,
        pytest.raises(LinkError, match=f"--id {SHOT}"),
    ):
        client.send_shot(kit.jpeg(), shot=SHOT)


def test_engine_that_hangs_up_each_time_is_an_error(tmp_path):
    """A picture at which the engine closes the connection is not sent for ever."""
    limits = kit.FrameLimits(max_payload_bytes=10_000)
    with (
        serving(tmp_path, limits=limits) as rig,
        FrameClient(rig.endpoint) as client,
        pytest.raises(LinkError, match="max_payload_bytes"),
    ):
        client.send_shot(kit.picture(200, 200))


def test_what_is_wrong_at_once_is_said_at_once(tmp_path):
    """A bad id, a file that is no picture and a bad endpoint are errors before any sending."""
    with FrameClient(f"ipc://{tmp_path}/frames.sock") as client:
        with pytest.raises(FrameError, match="UUID"):
            client.send_shot(kit.jpeg(), shot="17")
        with pytest.raises(FrameError, match="convert"):
            client.send_shot(b"GIF89a")
    with pytest.raises(LinkError, match="endpoint"):
        FrameClient("http://localhost")
    with pytest.raises(ConfigError):
        FrameClient("ipc://relative")


def test_stranger_on_the_socket_is_recognised(tmp_path):
    """Answers that are not an engine's are an error, not a traceback."""
    context = zmq.Context()
    other = context.socket(zmq.ROUTER)
    other.bind(f"ipc://{tmp_path}/frames.sock")
    thread = threading.Thread(
        target=lambda: other.send_multipart([other.recv_multipart()[0], b"hello"])
    )
    thread.start()
    with (
        FrameClient(f"ipc://{tmp_path}/frames.sock", timeout_s=5) as client,
        pytest.raises(LinkError, match="no edged engine"),
    ):
        client.send_shot(kit.jpeg())
    thread.join()
    context.destroy(linger=0)


def test_default_endpoint_is_in_the_run_folder(monkeypatch, tmp_path):
    """Without an endpoint the client looks into the run folder."""
    monkeypatch.setenv("EDGED_RUN_DIR", str(tmp_path))
    assert default_endpoint() == f"ipc://{tmp_path}/frames.sock"


@pytest.mark.parametrize("part", [b"", b"\xff", b'{"verdict":"queued\xe7', b"[" * 100_000])
def test_an_answer_that_is_none_is_a_link_error(part):
    """Bytes that are no UTF-8 among them: the sender is told what to check."""
    with pytest.raises(LinkError, match="check --endpoint"):
        _answer([part])
