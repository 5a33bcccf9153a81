"""What the tests of frames share: small pictures, a running server, a fake pipeline."""

from __future__ import annotations

import contextlib
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import zmq

from edged.transport.frames import FrameServer
from edged.transport.limits import FrameLimits
from edged.transport.mailbox import Mailbox, Submission
from edged.transport.wire import answer
from edged.verdicts import Reason, Verdict

CAMERAS = {"booth": "poster", "hall": "masks"}
SCENES = ("poster", "masks")
SHOT = "0b8b5d8e-5a0c-4f0e-9a57-6a2f7f6b1c11"


def until(condition: Callable[[], Any], timeout_s: float = 10.0) -> Any:
    """Wait for a condition; fails with it when it does not come true."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.002)
    return found


def picture(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """A smooth (h, w, 3) BGR picture that survives JPEG."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def jpeg(image: np.ndarray | None = None, *flags: int) -> bytes:
    return cv2.imencode(".jpg", picture() if image is None else image, list(flags))[1].tobytes()


def jpeg_of_size(width: int, height: int) -> bytes:
    """A real JPEG whose frame header claims another size."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def png(image: np.ndarray | None = None) -> bytes:
    return cv2.imencode(".png", picture() if image is None else image)[1].tobytes()


def head(**fields: Any) -> bytes:
    """A native header for a JPEG of the camera `booth`; None drops a field."""
    all_of_it = {"v": 1, "ts_ms": 1, "camera": "booth", "encoding": "jpeg", **fields}
    return json.dumps({k: v for k, v in all_of_it.items() if v is not None}).encode()


@dataclass
class Pipeline:
    """Takes what the mailbox holds and answers `queued` or `shown`, until it is closed."""

    mailbox: Mailbox
    server: FrameServer
    seen: list[Submission] = field(default_factory=list)

    def run(self) -> None:
        """Body of its thread."""
        while (one := self.mailbox.take()) is not None:
            self.seen.append(one)
            verdict = Verdict.QUEUED if one.header.shot else Verdict.SHOWN
            self.server.answer(one.ticket, answer(verdict, Reason.OK))


@dataclass
class Rig:
    """A running server with its mailbox."""

    server: FrameServer
    mailbox: Mailbox
    endpoint: str
    context: zmq.Context
    pipeline: Pipeline

    def dealer(self, kind: int = zmq.DEALER) -> zmq.Socket:
        """A client's socket that waits ten seconds and no longer."""
        sock = self.context.socket(kind)
        sock.setsockopt(zmq.LINGER, 0)
        sock.setsockopt(zmq.RCVTIMEO, 10_000)
        sock.setsockopt(zmq.SNDTIMEO, 10_000)
        sock.connect(self.endpoint)
        return sock

    def ask(self, sock: zmq.Socket, *parts: bytes) -> dict[str, Any]:
        """Send a message; the verdict that comes back."""
        sock.send_multipart(parts)
        return verdict(sock)


def verdict(sock: zmq.Socket) -> dict[str, Any]:
    """The next verdict, with or without a delimiter before it."""
    return json.loads(next(part for part in sock.recv_multipart() if part))


@contextlib.contextmanager
def serving(
    folder: Path,
    *,
    limits: FrameLimits | None = None,
    run: bool = True,
    shots_waiting: int = 16,
    endpoint: str | None = None,
    **options: Any,
) -> Iterator[Rig]:
    """A server on `folder/frames.sock`, with a pipeline behind it unless `run` is false."""
    endpoint = endpoint or f"ipc://{folder}/frames.sock"
    limits = limits or FrameLimits(rate_per_s=1e6, burst=10**6, shots_per_s=1e6, shots_burst=10**6)
    mailbox = Mailbox(shots_waiting=shots_waiting, shots_waiting_bytes=limits.shots_waiting_bytes)
    options.setdefault("default_camera", "booth")
    server = FrameServer([endpoint], limits, CAMERAS, SCENES, mailbox, **options)
    server.start()
    context = zmq.Context()
    rig = Rig(server, mailbox, endpoint, context, Pipeline(mailbox, server))
    thread = threading.Thread(target=rig.pipeline.run)
    if run:
        thread.start()
    try:
        yield rig
    finally:
        mailbox.close()
        if run:
            thread.join(10)
        context.destroy(linger=0)
        server.stop()
