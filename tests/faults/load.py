"""What a booth has to do while faults are injected: a stream, shots, and somebody who looks.

    camera    stream frames of real faces, `STREAM_FPS` a second, from one connection
    visitors  shots of real faces, one after the other each, sent again until answered
    viewer    takes every picture that view.sock shows

Every picture that comes back or is shown goes to the judge.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid

import zmq
from faults.pictures import NUMBERS, jpeg, picture

from edged.errors import LinkError
from edged.transport.client import FrameClient
from edged.verdicts import Reason

STREAM_FPS = 12.0
VISITORS = 2
SHOTS_PER_S = 1.2
"""Of one visitor, at most: two of them reach about two a second."""
ANSWER_WITHIN_S = 90.0


class Load:
    """A context manager: threads run inside.

    Args:
        site: where to.
        look: called as `look(place, data, shape)` with every picture that leaves the
            device other than to the broker.
        seed: of the pictures' numbers.

    Attributes:
        offered: stream frames that the engine's socket took.
        answered: shots of its visitors that were queued.
        living_s: for how long there was an engine to take them.
        shown: pictures seen at view.sock.
    """

    def __init__(self, site, look, seed=0):
        self._site, self._look = site, look
        self._stop = threading.Event()
        self._numbers = itertools.count(seed % 997)
        self._context = zmq.Context()
        self.offered = self.shown = self.answered = 0
        self.living_s = 0.0
        self.under_way = set()
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__)
            for work in (self._camera, self._viewer, *[self._visitor] * VISITORS)
        ]

    def __enter__(self):
        self.began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc):
        self.stop()
        self._context.term()

    def stop(self):
        """End the load; shots that are under way get their answer first."""
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_WITHIN_S + 30)
            assert not thread.is_alive(), f"the load's {thread.name} does not end"

    def _guarded(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a dead thread would look like a quiet device
            self._site.ledger.complain(f"the load's {work.__name__} failed: {error!r}")

    def _camera(self):
        """Latest wins: a frame that cannot leave is given up."""
        began = last = time.monotonic()
        number = 0
        with FrameClient(self._site.endpoint) as client:
            while not self._stop.is_set():
                number += 1
                self.offered += client.send_frame(jpeg(picture(number % NUMBERS)), camera="stream")
                client.answers()
                now = time.monotonic()
                self.living_s += (now - last) * client.connected
                last = now
                began = max(began + 1 / STREAM_FPS, time.monotonic() - 0.5)
                self._stop.wait(max(0.0, began - time.monotonic()))

    def _viewer(self):
        path = self._site.booth.run_dir / "view.sock"
        with self._context.socket(zmq.SUB) as hub:
            hub.setsockopt(zmq.LINGER, 0)
            hub.setsockopt(zmq.RECONNECT_IVL, 50)
            hub.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
            hub.setsockopt(zmq.SUBSCRIBE, b"")
            hub.connect(f"ipc://{path}")
            while not self._stop.is_set():
                if hub.poll(100):
                    head, pixels = hub.recv_multipart()
                    self.shown += 1
                    self._look("view", pixels, tuple(json.loads(head)["shape"]))

    def _visitor(self):
        while not self._stop.is_set():
            began = time.monotonic()
            number = next(self._numbers) * 17 % NUMBERS  # another person each time
            self._until_answered(str(uuid.uuid4()), number)
            self._stop.wait(max(0.0, began + 1 / SHOTS_PER_S - time.monotonic()))

    def _until_answered(self, shot, number):
        """What a kiosk does: the same shot again under its id until the device answers."""
        self._site.ledger.sent(shot, number, "shots")
        data, deadline = jpeg(picture(number)), time.monotonic() + ANSWER_WITHIN_S
        self.under_way.add(shot)
        try:
            while time.monotonic() < deadline:
                try:
                    with FrameClient(self._site.endpoint, timeout_s=20) as client:
                        answer = client.send_shot(data, camera="shots", shot=shot, want="image")
                except LinkError:
                    continue
                if answer.verdict.reason == Reason.STOPPING:
                    self._stop.wait(0.1)  # it is being restarted: once more
                    continue
                self._site.took(shot, answer)
                self.answered += answer.verdict.verdict == "queued"
                return
            self._site.ledger.complain(f"{shot}: not answered within {ANSWER_WITHIN_S:.0f} s")
        finally:
            self.under_way.discard(shot)
