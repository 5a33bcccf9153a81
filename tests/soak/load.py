"""What a booth does all day: a 1080p stream watched at view.sock, and now and then a shot.

Frames carry their number in pixels that no face is near, so that the viewer knows how long
each took from the camera to the screen.
"""

from __future__ import annotations

import json
import threading
import time

import cv2
import numpy as np
import zmq
from photos import astronaut
from shots import png

from edged.errors import EdgedError
from edged.transport.client import FrameClient

WIDTH, HEIGHT = 1920, 1080
CELL_PX, BITS = 40, 16
PANS = 48
"""Frames of the loop that the camera plays: somebody who sways before it."""
SHOTS = 16
CONTROL_EVERY_S = 1.7
"""In step neither with full looks (four seconds) nor with shots, so that it meets all alike."""
LOST_AFTER_S = 60.0
"""A frame that was not shown by then was dropped for a newer one."""

CONFIG = """
[cameras.street]
scene = "street"
[scenes.street]
mode = "disguise"
identities = ["actor"]
share_identities = true
restore = false
[cameras.kiosk]
scene = "kiosk"
[scenes.kiosk]
mode = "disguise"
identities = ["actor"]
share_identities = true
restore = false
[guard]
sizes_px = [640, 256]
stream_sizes_px = [480]
rotations_deg = [0]
full_look_every_n = 48
[runtime]
threads = 2
"""
"""Small real detectors (SCRFD 500M and YuNet) and recogniser (MobileFaceNet), the built-in
swapper, no restorer, shots upright.  Two slow cores must hold ten frames a second of it, so
between full looks, one every four seconds, frames are searched at 480 px
(tests/bench/RESULTS.md)."""
RETENTION = 'folder = "outbox"', 'folder = "outbox"\nretention_s = 120.0'
"""Results are kept for two minutes, so that the outbox is in its steady state when measuring
begins."""


def frames() -> list[np.ndarray]:
    """A loop of frames, (1080, 1920, 3) uint8 BGR each, with a real face that moves."""
    photo = cv2.resize(astronaut(), (900, 900), interpolation=cv2.INTER_LINEAR)
    loop = []
    for number in range(PANS):
        image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        angle = 2 * np.pi * number / PANS
        x, y = round(500 + 12 * np.sin(angle)), round(60 + 6 * np.cos(angle))
        image[y : y + len(photo), x : x + len(photo)] = photo
        loop.append(image)
    return loop


def numbered(image: np.ndarray, number: int) -> np.ndarray:
    """A copy that bears a number of 16 bits in its last rows."""
    image = image.copy()
    for bit in range(BITS):
        at = bit * CELL_PX
        image[-CELL_PX:, at : at + CELL_PX] = 255 * (number >> bit & 1)
    return image


def number_of(image: np.ndarray) -> int:
    """The number that a picture bears."""
    middle = image[-CELL_PX // 2, CELL_PX // 2 : BITS * CELL_PX : CELL_PX, 0]
    return sum(int(value > 127) << bit for bit, value in enumerate(middle))


class Load:
    """A context manager: camera, viewer and visitor run inside.

    Args:
        booth: the device.
        fps: frames a second that the camera gives.
        shot_every_s: between two shots.
        control: called every now and then, gives milliseconds.

    Attributes:
        sent, shown: frames so far.
        frames_ms: latencies of every frame, camera to viewer.
        shots_ms: of every shot, request to answer.
        control_ms: what the control gave.
        problems: answers that were no picture.
    """

    def __init__(self, booth, *, fps, shot_every_s, control):
        self._booth, self._fps, self._every_s, self._control = booth, fps, shot_every_s, control
        self.sent = self.shown = 0
        self.frames_ms: list[float] = []
        self.shots_ms: list[float] = []
        self.control_ms: list[float] = []
        self.problems: list[str] = []
        self._sent_s: dict[int, float] = {}
        self._stop = threading.Event()
        self._context = zmq.Context()
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,))
            for work in (self._camera, self._viewer, self._visitor, self._beside)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        self._context.term()

    def _guarded(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread that is gone would look like a pause
            self.problems.append(f"{work.__name__}: {error!r}")

    def _camera(self):
        loop, due = frames(), time.monotonic()
        with FrameClient(self._booth.endpoint) as client:
            while not self._stop.wait(max(0.0, due - time.monotonic())):
                number = (self.sent + 1) % (1 << BITS)
                image = numbered(loop[self.sent % PANS], number)
                now = time.monotonic()
                self._sent_s[number] = now
                self.sent += client.send_frame(image, camera="street")
                client.answers()
                due = max(due + 1 / self._fps, now - 0.5)

    def _viewer(self):
        with self._context.socket(zmq.SUB) as hub:
            hub.setsockopt(zmq.LINGER, 0)
            hub.setsockopt(zmq.SUBSCRIBE, b"")
            hub.connect(f"ipc://{self._booth.run_dir}/view.sock")
            while not self._stop.is_set():
                if hub.poll(100):
                    head, pixels = hub.recv_multipart()
                    self._see(np.frombuffer(pixels, np.uint8).reshape(json.loads(head)["shape"]))

    def _see(self, image):
        now = time.monotonic()
        sent = self._sent_s.pop(number_of(image), None)
        if sent is None:
            self.problems.append("a picture at view.sock bears no number of ours")
            return
        self.shown += 1
        self.frames_ms.append(1000 * (now - sent))
        for number in [n for n, at in list(self._sent_s.items()) if now - at > LOST_AFTER_S]:
            self._sent_s.pop(number, None)

    def _visitor(self):
        pictures = []
        for number in range(SHOTS):
            image = astronaut()
            image[-8:] = 16 * number
            pictures.append(png(image))
        with FrameClient(self._booth.endpoint, timeout_s=60) as client:
            while not self._stop.wait(self._every_s):
                began = time.monotonic()
                try:
                    answer = client.send_shot(
                        pictures[len(self.shots_ms) % SHOTS], camera="kiosk", want="image"
                    )
                except EdgedError as error:
                    self.problems.append(f"a shot: {error}")
                    continue
                self.shots_ms.append(1000 * (time.monotonic() - began))
                if answer.verdict.verdict != "queued" or not answer.picture:
                    self.problems.append(f"a shot: {answer.verdict.reason}")

    def _beside(self):
        while not self._stop.wait(CONTROL_EVERY_S):
            self.control_ms.append(self._control())
