"""Unmodified imagezmq programs on both ends: their senders drive it, their hub shows it."""

from __future__ import annotations

import contextlib
import threading
import time

import cv2
import imagezmq
import numpy as np
import pytest
from booth import Booth
from graph_kit import of_file
from photos import astronaut, t1
from shots import face, number_of, say

from edged.geometry import similarity, template
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort

SUBSCRIBE = """
[cameras.roof]
scene = "live"
[[frames.imagezmq_subscribe]]
camera = "roof"
address = "ipc://{0}/roof.sock"
"""


@pytest.fixture(scope="module")
def booth(tmp_path_factory, test_models):
    folder = tmp_path_factory.mktemp("booth")
    extra = SUBSCRIBE.format(folder)
    with Booth(folder, models=test_models, actor=astronaut(), extra=extra) as device:
        yield device


@pytest.fixture(scope="module")
def finder(test_models):
    with of_file(test_models / "det_500m.onnx", "det_500m") as session:
        yield Scrfd(session)


def hub_of(booth):
    """The viewer of imagezmq itself."""
    return contextlib.closing(
        imagezmq.ImageHub(open_port=f"ipc://{booth.run_dir}/view.sock", REQ_REP=False)
    )


def req_sender(booth):
    """A camera that waits for an answer to each frame."""
    return contextlib.closing(imagezmq.ImageSender(connect_to=booth.endpoint))


def pub_sender(booth):
    """A camera that publishes, at the address that the configuration names."""
    address = f"ipc://{booth.folder}/roof.sock"
    return contextlib.closing(imagezmq.ImageSender(address, REQ_REP=False))


@contextlib.contextmanager
def repeating(send):
    """Call `send` again and again from a thread, as a camera does."""
    over = threading.Event()

    def work():
        while not over.is_set():
            send()
            over.wait(0.2)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(60)


def assert_six_strangers(finder, shown, before):
    """The shown picture is the photo with other faces in it."""
    assert shown.shape == before.shape
    people = [f for f in search(before, [finder], Effort((640, 256))) if f.score > 0.7]
    assert len(people) == 6
    for person in people:
        matrix = similarity(person.landmarks, template("arcface_112", 112))
        crop, now = (cv2.warpAffine(i, matrix, (112, 112)) for i in (before, shown))
        assert coarse_correlation(crop, now) < 0.58
        assert untouched_share(crop, now) < 0.2
    table = (slice(640, 880), slice(200, 1000))  # nobody's face: it is that photo
    assert np.abs(shown[table].astype(int) - before[table]).mean() < 12


def test_a_req_sender_is_answered_and_the_hub_shows_its_picture(booth, finder):
    """`send_image` gets OK for each frame; the hub gets camera's name and changed faces."""
    with hub_of(booth) as hub, req_sender(booth) as sender:
        replies = []
        with repeating(lambda: replies.append(sender.send_image("door", t1()))):
            name, shown = hub.recv_image()
    assert name == "door"
    assert set(replies) == {b"OK"}
    assert_six_strangers(finder, shown, t1())


def test_a_req_sender_of_jpegs_is_answered_too(booth, finder):
    """`send_jpg` works like `send_image`; text behind the camera's name is no matter."""
    jpeg = cv2.imencode(".jpg", t1(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    with hub_of(booth) as hub, req_sender(booth) as sender:
        replies = []
        with repeating(lambda: replies.append(sender.send_jpg("door|front, 3rd", jpeg))):
            name, shown = hub.recv_image()
    assert name == "door"
    assert set(replies) == {b"OK"}
    assert_six_strangers(finder, shown, t1())


@pytest.mark.parametrize("form", ["image", "jpeg"])
def test_a_pub_sender_is_subscribed_to(booth, finder, form):
    """Frames that a camera publishes are shown under the camera that the socket belongs to."""
    jpeg = cv2.imencode(".jpg", t1(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    with hub_of(booth) as hub, pub_sender(booth) as sender:

        def send():
            if form == "image":
                sender.send_image("some host's name", t1())
            else:
                sender.send_jpg("some host's name", jpeg)

        with repeating(send):
            name = ""
            while name != "roof":  # the door's last frames may still be under way
                name, shown = hub.recv_image()
    assert_six_strangers(finder, shown, t1())


def test_a_fast_sender_sees_its_newest_frames(booth):
    """Of frames that come faster than the pipeline the newest is taken, not the oldest."""
    sent_s, ages_s, numbers = [], [], []
    with hub_of(booth) as hub, pub_sender(booth) as sender:
        hub.zmq_socket.setsockopt(imagezmq.zmq.RCVTIMEO, 5)
        deadline = time.monotonic() + 60
        while len(numbers) < 8:
            assert time.monotonic() < deadline
            sent_s.append(time.monotonic())
            sender.send_image("x", face(len(sent_s)))
            with contextlib.suppress(imagezmq.zmq.Again):
                _, shown = hub.recv_image()
                # An unnumbered picture is a frame of an earlier test that was under way.
                if shown.shape == (320, 320, 3) and number_of(shown):
                    numbers.append(number_of(shown))
                    ages_s.append(time.monotonic() - sent_s[numbers[-1] - 1])
    assert numbers == sorted(numbers)
    took_s = time.monotonic() - sent_s[numbers[0] - 1]
    period_s = took_s / len(numbers)
    say(f"{len(sent_s)} sent, {numbers} shown, ages {[round(age, 2) for age in ages_s]} s")
    assert len(sent_s) > 3 * len(numbers)
    # One frame is decoded, one waits, one is worked on and one is shown; no queue grows.
    assert ages_s[-1] < 5 * period_s


def test_the_stream_goes_to_the_view_alone(booth):
    """Nothing of a stream reaches the broker."""
    booth.published(booth.send(face(), camera="booth"))
    assert {camera for _, camera, _ in booth.consumer.results} == {"booth"}
    assert not any("/image/door" in t or "/image/roof" in t for t, _, _ in booth.consumer.raw)
