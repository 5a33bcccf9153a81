"""The frame server over real ZeroMQ: who can speak to it and what they are told."""

from __future__ import annotations

import json
import threading
import time

import frames_kit as kit
import imagezmq
import numpy as np
import pytest
import zmq
import zmq.auth
import zmq.utils.monitor
from frames_kit import SHOT, head, serving, until

from edged.transport.limits import FrameLimits
from edged.transport.listeners import Subscription
from edged.transport.wire import OutgoingPicture, answer
from edged.verdicts import Reason, Verdict

JPEG = kit.jpeg()


@pytest.fixture
def rig(tmp_path):
    with serving(tmp_path) as made:
        yield made


@pytest.mark.parametrize("kind", [zmq.DEALER, zmq.REQ])
def test_native_clients_of_both_kinds_are_answered(rig, kind):
    """DEALER and REQ clients send a shot and a stream frame and get their verdicts."""
    sock = rig.dealer(kind)
    assert rig.ask(sock, head(shot=SHOT), JPEG)["verdict"] == "queued"
    assert rig.ask(sock, head(), JPEG)["verdict"] == "shown"
    assert bytes(rig.pipeline.seen[0].payload) == JPEG


def test_dealer_with_a_delimiter_gets_it_back(rig):
    """A DEALER that speaks as a REQ is answered as one."""
    sock = rig.dealer()
    sock.send_multipart([b"", head(shot=SHOT), JPEG])
    empty, verdict = sock.recv_multipart()
    assert empty == b""
    assert json.loads(verdict)["id"] == SHOT


def test_picture_goes_to_whom_asked_for_it(tmp_path):
    """`want: image` brings the JPEG along, `verdict` does not."""
    with serving(tmp_path, run=False) as rig:
        sock = rig.dealer()
        for want, parts in (("verdict", 1), ("image", 2)):
            sock.send_multipart([head(shot=SHOT, want=want), JPEG])
            one = until(lambda: rig.mailbox.take(0.1))
            doc = answer(Verdict.QUEUED, Reason.OK, id=SHOT)
            assert rig.server.answer(one.ticket, doc, OutgoingPicture(b"jpeg", 1, 1))
            got = sock.recv_multipart()
            assert len(got) == parts
            assert got[1:] == [b"jpeg"][: parts - 1]


def test_second_answer_is_ignored(tmp_path):
    """A ticket takes one answer, whoever gives it first."""
    with serving(tmp_path, run=False) as rig:
        sock = rig.dealer()
        sock.send_multipart([head(shot=SHOT), JPEG])
        ticket = until(lambda: rig.mailbox.take(0.1)).ticket
        given: list[bool] = []
        threads = [
            threading.Thread(
                target=lambda: given.append(
                    rig.server.answer(ticket, answer(Verdict.QUEUED, Reason.OK))
                )
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(given) == [False] * 7 + [True]
        sock.recv_multipart()
        assert not sock.poll(100)


def test_slow_reader_gets_all_its_answers_in_order(tmp_path):
    """A client that reads late gets a hundred large answers, none lost, none overtaken."""
    with serving(tmp_path, run=False) as rig:
        sock = rig.context.socket(zmq.DEALER)
        sock.setsockopt(zmq.RCVHWM, 1)
        sock.setsockopt(zmq.RCVTIMEO, 10_000)
        sock.connect(rig.endpoint)
        picture = OutgoingPicture(bytes(200_000), 1, 1)
        ids = [SHOT[:-2] + f"{n:02d}" for n in range(100)]
        for one in ids:
            sock.send_multipart([head(shot=one, want="image"), JPEG])
            ticket = until(lambda: rig.mailbox.take(0.1)).ticket
            rig.server.answer(ticket, answer(Verdict.QUEUED, Reason.OK), picture)
        assert [kit.verdict(sock)["id"] for _ in ids] == ids
        assert rig.server.counts().undeliverable == 0


# -- imagezmq ----------------------------------------------------------------------------


def test_unmodified_imagezmq_req_sender_drives_it(rig):
    """`ImageSender` sends raw, grey and JPEG pictures and is told OK each time."""
    image = kit.picture()
    with imagezmq.ImageSender(connect_to=rig.endpoint) as sender:
        assert sender.send_image("hall|front", image) == b"OK"
        until(lambda: len(rig.pipeline.seen) == 1)
        assert sender.send_image("anything", image[..., 0]) == b"OK"
        until(lambda: len(rig.pipeline.seen) == 2)
        assert sender.send_jpg("booth", JPEG) == b"OK"
        until(lambda: len(rig.pipeline.seen) == 3)
    headers = [one.header for one in rig.pipeline.seen]
    assert [one.camera for one in headers] == ["hall", "booth", "booth"]
    assert [one.shape for one in headers] == [(48, 64, 3), (48, 64), None]
    assert bytes(rig.pipeline.seen[0].payload) == image.tobytes()


def test_imagezmq_req_sender_is_told_what_is_wrong_and_may_go_on(rig):
    """A bad imagezmq frame gets one text that says why, and the next good one is taken."""
    with imagezmq.ImageSender(connect_to=rig.endpoint) as sender:
        for bad, reason in (
            (kit.picture().astype(np.float32), b"bad-shape"),
            (kit.picture(8, 8), b"bad-shape"),
        ):
            assert sender.send_image("booth", bad).startswith(b"ERROR " + reason + b": ")
        assert sender.send_jpg("booth", b"no jpeg").startswith(b"ERROR bad-image: ")
        assert sender.send_jpg("booth", JPEG) == b"OK"


def test_unmodified_imagezmq_pub_sender_is_subscribed_to(tmp_path):
    """A publishing `ImageSender` is the camera that its address was configured for."""
    address = f"ipc://{tmp_path}/cam.sock"
    subscriptions = [Subscription(address, "hall")]
    with (
        serving(tmp_path, imagezmq_subscriptions=subscriptions) as rig,
        imagezmq.ImageSender(connect_to=address, REQ_REP=False) as sender,
    ):
        image = kit.picture()

        def seen(camera: str, coded: bool) -> bool:
            return any(
                one.header.camera == camera and (one.header.shape is None) == coded
                for one in rig.pipeline.seen
            )

        until(lambda: sender.send_image("rpi-3", image) or seen("hall", coded=False))
        until(lambda: sender.send_jpg("booth", JPEG) or seen("booth", coded=True))
        until(lambda: sender.send_jpg("rpi-3", b"garbage") or rig.server.counts().refused)
        before = len(rig.pipeline.seen)
        until(lambda: sender.send_image("rpi-3", image) or len(rig.pipeline.seen) > before)


def test_publisher_of_odd_multiparts_does_not_desynchronise(tmp_path):
    """One-part and three-part messages of a publisher are skipped whole."""
    address = f"ipc://{tmp_path}/cam.sock"
    with serving(tmp_path, imagezmq_subscriptions=[Subscription(address, "hall")]) as rig:
        pub = rig.context.socket(zmq.PUB)
        pub.bind(address)
        good = [b'{"msg": "hall"}', JPEG]
        until(lambda: pub.send_multipart(good) or rig.pipeline.seen)
        for odd in ([b"x"], [*good, b"x"], [b"", b""], [b'{"msg":', JPEG]):
            before = rig.server.counts()
            pub.send_multipart(odd)
            until(lambda: sum(rig.server.counts().refused.values()) > sum(before.refused.values()))  # noqa: B023
            seen = len(rig.pipeline.seen)
            pub.send_multipart(good)
            until(lambda: len(rig.pipeline.seen) > seen)  # noqa: B023
        assert {one.header.camera for one in rig.pipeline.seen} == {"hall"}


# -- promises ----------------------------------------------------------------------------


def test_shots_are_held_back_and_none_is_lost(tmp_path):
    """A hundred shots into a queue of two wait at the sender's side and are all answered."""
    with serving(tmp_path, run=False, shots_waiting=2) as rig:
        sock = rig.dealer()
        sock.setsockopt(zmq.SNDHWM, 200)
        for n in range(100):
            sock.send_multipart([head(shot=SHOT[:-2] + f"{n:02d}"), JPEG])
        until(lambda: rig.server.counts().holding == 1)
        received = rig.server.counts().received
        assert received == 3
        assert not sock.poll(0)
        thread = threading.Thread(target=rig.pipeline.run)
        thread.start()
        ids = [json.loads(sock.recv_multipart()[0])["id"] for _ in range(100)]
        rig.mailbox.close()
        thread.join()
        assert ids == [SHOT[:-2] + f"{n:02d}" for n in range(100)]


def test_stream_flows_while_shots_wait(tmp_path):
    """A sender of endless shots does not stop another's stream frames on the same socket."""
    with serving(tmp_path, run=False, shots_waiting=2) as rig:
        shots, stream = rig.dealer(), rig.dealer()
        shots.setsockopt(zmq.SNDHWM, 100)
        for _ in range(60):
            shots.send_multipart([head(shot=SHOT), JPEG])
        until(lambda: rig.server.counts().holding == 1)
        for _ in range(10):
            stream.send_multipart([head(camera="hall"), JPEG])
        kinds = []
        while kinds.count("hall") < 2:
            one = until(lambda: rig.mailbox.take(0.1))
            kinds.append(one.header.camera)
            rig.server.answer(one.ticket, answer(Verdict.SHOWN, Reason.OK))
        assert len(kinds) <= 20


def test_superseded_stream_frame_is_answered_dropped(tmp_path):
    """The sender of a frame that a newer one replaced is told so."""
    with serving(tmp_path, run=False) as rig:
        sock = rig.dealer()
        sock.send_multipart([head(), JPEG])
        sock.send_multipart([head(), JPEG])
        verdict = json.loads(sock.recv_multipart()[0])
        assert (verdict["verdict"], verdict["reason"]) == ("dropped", "superseded")


def test_rate_limit_is_per_client(tmp_path):
    """A client above its rate is told so at once, and others are not."""
    limits = FrameLimits(rate_per_s=0.001, burst=3, shots_per_s=0.001, shots_burst=1)
    with serving(tmp_path, limits=limits) as rig:
        greedy, other = rig.dealer(), rig.dealer()
        said = [rig.ask(greedy, head(shot=SHOT), JPEG)["reason"] for _ in range(2)]
        said += [rig.ask(greedy, head(), JPEG)["reason"] for _ in range(2)]
        assert said == ["ok", "rate-limited", "ok", "rate-limited"]
        assert rig.ask(other, head(shot=SHOT), JPEG)["reason"] == "ok"


def test_pause_answers_everybody_and_resume_takes_again(rig):
    """While paused each message is failed/paused, held ones too; afterwards all is as before."""
    sock = rig.dealer()
    rig.server.pause(Reason.PAUSED)
    assert rig.ask(sock, head(shot=SHOT), JPEG)["reason"] == "paused"
    with imagezmq.ImageSender(connect_to=rig.endpoint) as sender:
        assert sender.send_jpg("booth", JPEG).startswith(b"ERROR paused: ")
    rig.server.resume()
    assert rig.ask(sock, head(shot=SHOT), JPEG)["reason"] == "ok"


def test_held_shot_is_answered_when_the_server_pauses_or_stops(tmp_path):
    """A shot that waits for room is told `paused` or `stopping`, never nothing."""
    with serving(tmp_path, run=False, shots_waiting=1) as rig:
        sock = rig.dealer()
        for _ in range(2):
            sock.send_multipart([head(shot=SHOT), JPEG])
        until(lambda: rig.server.counts().holding == 1)
        rig.server.pause(Reason.PAUSED)
        assert json.loads(sock.recv_multipart()[0])["reason"] == "paused"
        rig.server.resume()
        sock.send_multipart([head(shot=SHOT), JPEG])
        until(lambda: rig.server.counts().holding == 1)
        rig.server.stop()
        assert json.loads(sock.recv_multipart()[0])["reason"] == "stopping"


def test_answers_given_before_stop_are_delivered(tmp_path):
    """What was answered just before a stop still reaches its sender."""
    with serving(tmp_path, run=False) as rig:
        sock = rig.dealer()
        for _ in range(5):
            sock.send_multipart([head(shot=SHOT), JPEG])
        until(lambda: rig.mailbox.counts().shots == 5)
        for one in rig.mailbox.close():
            rig.server.answer(one.ticket, answer(Verdict.FAILED, Reason.STOPPING))
        rig.server.stop()
        reasons = [json.loads(sock.recv_multipart()[0])["reason"] for _ in range(5)]
        assert reasons == ["stopping"] * 5


def test_stop_is_quick_and_repeatable_with_a_stuck_client(rig):
    """A client that never reads cannot hold up a stop."""
    sock = rig.dealer()
    for _ in range(50):
        sock.send_multipart([b"junk"])
    began = time.monotonic()
    rig.server.stop()
    rig.server.stop()
    assert time.monotonic() - began < 3
    assert not rig.server.alive
