"""The local view: an unmodified imagezmq hub shows it, and without one nothing is done."""

from __future__ import annotations

import gc
import threading

import frames_kit as kit
import imagezmq
import numpy as np
import pytest
import zmq

from edged.errors import OperatorError
from edged.transport.view import GuardedImage, ViewPublisher


@pytest.fixture
def endpoint(tmp_path):
    return f"ipc://{tmp_path}/view.sock"


@pytest.fixture
def view(endpoint):
    publisher = ViewPublisher(endpoint)
    yield publisher
    publisher.close()


def test_unmodified_image_hub_shows_it(view, endpoint):
    """`ImageHub.recv_image` gives the camera's name and exactly the guarded pixels."""
    image = kit.picture(480, 640)
    with imagezmq.ImageHub(open_port=endpoint, REQ_REP=False) as hub:
        kit.until(view.wanted)
        view.publish("hall", GuardedImage(image.copy()))
        camera, seen = hub.recv_image()
    assert camera == "hall"
    assert np.array_equal(seen, image)


def test_nothing_is_sent_without_a_viewer(view, endpoint):
    """Nobody looks at first, somebody does, and after they left nobody does again."""
    assert view.publish("hall", GuardedImage(kit.picture())) is None
    with imagezmq.ImageHub(open_port=endpoint, REQ_REP=False):
        kit.until(view.wanted)
        assert view.publish("hall", GuardedImage(kit.picture())) is not None
    kit.until(lambda: not view.wanted())


def test_pixels_are_kept_until_sent_and_then_let_go(view, endpoint):
    """Two hundred pictures of which nobody keeps one arrive unmixed, and their memory is freed."""
    with imagezmq.ImageHub(open_port=endpoint, REQ_REP=False) as hub:
        kit.until(view.wanted)
        trackers = []
        for n in range(200):
            trackers.append(view.publish("hall", GuardedImage(np.full((480, 640, 3), n, np.uint8))))
            gc.collect(0)
            _, seen = hub.recv_image()
            assert seen.min() == seen.max() == n
        kit.until(lambda: all(one.done for one in trackers))


def test_slow_viewer_delays_nobody(view, endpoint):
    """A viewer that does not read loses pictures; publishing goes on and keeps few of them."""
    context = zmq.Context()
    slow = context.socket(zmq.SUB)
    slow.setsockopt(zmq.RCVHWM, 1)
    slow.subscribe(b"")
    slow.connect(endpoint)
    kit.until(view.wanted)
    trackers = [
        view.publish("hall", GuardedImage(np.zeros((480, 640, 3), np.uint8))) for _ in range(100)
    ]
    kit.until(lambda: sum(not one.done for one in trackers) < 10)
    context.destroy(linger=0)


def test_only_guarded_bgr_is_taken():
    """A guarded image has its one form and cannot be written to."""
    for wrong in (
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 8, 3), np.uint8)[:, ::2],
    ):
        with pytest.raises(ValueError, match="guarded image"):
            GuardedImage(wrong)
    guarded = GuardedImage(np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        guarded.pixels[0] = 1


def test_path_is_owned_and_given_back(view, endpoint):
    """A second publisher on the path is refused until the first is closed."""
    with pytest.raises(OperatorError, match="in use"):
        ViewPublisher(endpoint)
    view.close()
    view.close()
    ViewPublisher(endpoint).close()
    assert not view.wanted()


def test_several_threads_may_publish(view, endpoint):
    """Pictures of four threads arrive whole."""
    with imagezmq.ImageHub(open_port=endpoint, REQ_REP=False) as hub:
        hub.zmq_socket.setsockopt(zmq.RCVTIMEO, 500)
        kit.until(view.wanted)

        def publish(n: int) -> None:
            for _ in range(20):
                view.publish(f"cam{n}", GuardedImage(np.full((64, 64, 3), n, np.uint8)))

        threads = [threading.Thread(target=publish, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen = 0
        while True:
            try:
                camera, image = hub.recv_image()
            except zmq.Again:
                break
            assert camera == f"cam{image.max()}"
            assert image.min() == image.max()
            seen += 1
        assert seen >= 1
