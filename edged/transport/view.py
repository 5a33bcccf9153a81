"""Shows guarded pictures to whoever looks: an imagezmq PUB on `view.sock`.

Each message is `[{"msg": camera, "dtype": "uint8", "shape": [h, w, 3]}, BGR bytes]`, which
an unmodified `imagezmq.ImageHub(REQ_REP=False)` receives.  Without a viewer nothing is
made and nothing is sent; a slow viewer loses pictures and delays nobody.

Takes :class:`GuardedImage` alone, so that a raw frame cannot be shown by mistake.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

import msgspec
import numpy as np
import zmq

from edged.faces import Image
from edged.transport.ipcpath import IpcClaim

log = logging.getLogger(__name__)

_VIEWER_HWM = 2
"""Pictures waiting for one viewer; ZeroMQ keeps the oldest, so few."""
_MAX_SUBSCRIPTION_BYTES = 256


class GuardedImage:
    """Pixels that have passed the guard.

    Made by :mod:`edged.privacy.egress` alone.  It takes the array over: from then on
    nobody may write to the memory, since a zero-copy send may still read it (measured: a
    buffer rewritten after such a send arrives rewritten).

    Attributes:
        pixels: (h, w, 3) uint8 BGR, C-contiguous, read-only.
    """

    __slots__ = ("pixels",)

    def __init__(self, pixels: Image) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise ValueError(f"a guarded image is (h, w, 3) uint8, not {pixels.shape}")
        if not pixels.flags.c_contiguous:
            raise ValueError("a guarded image is C-contiguous")
        self.pixels = pixels
        self.pixels.flags.writeable = False


class ViewPublisher:
    """The socket; bound when made.  Any thread may publish, one at a time passes.

    Args:
        endpoint: to bind, `ipc://...` or `tcp://...`.
        mode: permissions of an ipc socket.

    Raises:
        OperatorError: another process has the path.
        LinkError: it cannot be bound.
    """

    def __init__(self, endpoint: str, *, mode: int = 0o600) -> None:
        self._lock = threading.Lock()
        self._topics: set[bytes] = set()
        self._claim = IpcClaim.take(endpoint)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, _VIEWER_HWM)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _MAX_SUBSCRIPTION_BYTES)
        try:
            self._claim.bind(self._socket, mode)
        except BaseException:
            self.close()
            raise

    def wanted(self) -> bool:
        """Whether anybody looks; without one, spare the work of making a picture."""
        with self._lock:
            return self._someone_looks()

    def publish(self, camera: str, image: GuardedImage) -> zmq.MessageTracker | None:
        """Show a picture.

        Returns:
            A tracker that is `done` when ZeroMQ has let go of the pixels; None when
            nobody looks and nothing was sent.
        """
        with self._lock:
            if not self._someone_looks():
                return None
            head = {"msg": camera, "dtype": "uint8", "shape": list(image.pixels.shape)}
            parts: list[Any] = [msgspec.json.encode(head), image.pixels]
            return self._socket.send_multipart(parts, copy=False, track=True)

    def close(self) -> None:
        """Close the socket and free its path.  Harmless when repeated."""
        with self._lock:
            if self._context.closed:
                return
            self._socket.close(linger=0)
            self._context.term()
            self._claim.release()

    def _someone_looks(self) -> bool:
        if self._context.closed:
            return False
        self._claim.regain(self._socket)
        while True:
            try:
                message = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return bool(self._topics)
            topic = message[1:]
            if message[:1] == b"\x01":
                if not self._topics:
                    log.info("view: somebody looks")
                self._topics.add(topic)
            elif message[:1] == b"\x00" and topic in self._topics:
                self._topics.discard(topic)
                if not self._topics:
                    log.info("view: nobody looks any more")
