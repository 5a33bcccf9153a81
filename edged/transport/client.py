"""Sends frames to an engine and reads its answers: what `edged send` and `camera` use.

A native client (DEALER).  A shot is sent again under its id when the connection was lost
in between, which the engine answers with its first verdict; a stream frame is given up
instead.  One thread uses a client at a time.  Knows no files and no configuration.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

import msgspec
import numpy as np
import zmq
import zmq.utils.monitor

from edged.errors import FrameError, LinkError
from edged.faces import Image
from edged.transport.curve import CurveClient
from edged.transport.ipcpath import ipc_path
from edged.transport.jpeg import SOI
from edged.transport.png import SIGNATURE
from edged.transport.rundir import default_run_dir
from edged.transport.wire import VERSION, ConsentEntry, VerdictDoc
from edged.verdicts import Reason

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_RESENDS = 5
_RECONNECT_MS, _RECONNECT_MAX_MS = 50, 1_000
_NOT_EVEN_READ = (Reason.BAD_MESSAGE, Reason.BAD_HEADER)
"""Reasons of an answer that may lack the shot's id."""
_VERDICT = msgspec.json.Decoder(VerdictDoc)


@dataclass(frozen=True, repr=False)
class Answer:
    """What the engine said.

    Attributes:
        verdict: what became of the frame.
        picture: JPEG, when it was asked for and there is one.
    """

    verdict: VerdictDoc
    picture: bytes | None = None


def default_endpoint() -> str:
    """Where an engine on this machine listens.

    Raises:
        OperatorError: the folder is not ours alone.
    """
    return f"ipc://{default_run_dir(client=True) / 'frames.sock'}"


class FrameClient:
    """A connection to one engine, kept up by itself.

    Args:
        endpoint: of the engine; this machine's by default.
        timeout_s: for a shot's answer.
        connect_timeout_s: for the first connection, when less than that.
        curve: keys, for an engine on another machine.
        queue: stream frames that may wait in the socket.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        timeout_s: float = 30.0,
        connect_timeout_s: float | None = None,
        curve: CurveClient | None = None,
        queue: int = 1,
    ) -> None:
        self.endpoint = endpoint or default_endpoint()
        ipc_path(self.endpoint)
        self._timeout_s = timeout_s
        self._connect_timeout_s = timeout_s if connect_timeout_s is None else connect_timeout_s
        self._curve = curve
        self._queue = queue
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._connections = 0
        self._answer_due = False
        self._open()

    def _open(self) -> None:
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # queue for a living engine only
        self._socket.setsockopt(zmq.SNDHWM, self._queue)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _MAX_ANSWER_BYTES)
        self._socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, _RECONNECT_MAX_MS)
        if self._curve is not None:
            self._curve.apply(self._socket)
        self._monitor = self._socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
        )
        self.connected = False
        try:
            self._socket.connect(self.endpoint)
        except zmq.ZMQError as error:
            self.close()
            raise LinkError(
                f"{self.endpoint} is no ZeroMQ endpoint ({error.strerror}); one looks like "
                "ipc:///run/edged/frames.sock"
            ) from error

    def send_shot(
        self,
        picture: bytes | Image,
        *,
        camera: str | None = None,
        scene: str | None = None,
        consent: Sequence[str | ConsentEntry] = (),
        shot: str | None = None,
        want: Literal["verdict", "image"] = "verdict",
        timeout_s: float | None = None,
    ) -> Answer:
        """Send a shot and wait for its answer.

        Args:
            picture: a JPEG's or PNG's bytes, or (h, w, 3) uint8 BGR.
            camera: configured name; the engine's default without one.
            scene: configured name; the camera's own without one.
            consent: one entry for each person of a portrait: a reference, or a
                :class:`ConsentEntry` that also says where in the picture that person is.
            shot: UUID; a new one without.
            want: whether the picture comes back.
            timeout_s: instead of the client's.

        Raises:
            LinkError: no engine, no answer in time, or it closes the connection again and
                again.  The shot may have been processed: sending it again under the same
                id gives its verdict.
            FrameError: the picture is neither JPEG nor PNG, or the id is no UUID.
        """
        shot = _checked(shot) if shot else str(uuid.uuid4())
        parts = _message(picture, shot=shot, camera=camera, scene=scene, consent=consent, want=want)
        if self._answer_due:
            self._begin_again()
        self._answer_due = True
        now = time.monotonic()
        deadline = now + (self._timeout_s if timeout_s is None else timeout_s)
        first = deadline if self._connections else min(deadline, now + self._connect_timeout_s)
        sent_on = self._send_when_connected(parts, first)
        resends = 0
        while True:
            for answer in self._wait(deadline):
                if answer.verdict.id == shot or answer.verdict.reason in _NOT_EVEN_READ:
                    self._answer_due = resends > 0
                    return answer
            if self.connected and self._connections != sent_on:
                resends += 1
                if resends > _MAX_RESENDS:
                    raise LinkError(
                        f"{self.endpoint} closes the connection at this picture: it is larger "
                        "than the engine's max_payload_bytes, or the engine keeps failing"
                    )
                sent_on = self._send_when_connected(parts, deadline)
            if time.monotonic() >= deadline:
                if not self.connected:
                    raise LinkError(self._nobody())
                raise LinkError(
                    f"no answer from {self.endpoint} in time: see the engine's log, then send "
                    f"the shot again with --id {shot}"
                )

    def send_frame(
        self, picture: bytes | Image, *, camera: str | None = None, scene: str | None = None
    ) -> bool:
        """Send a stream frame; returns at once.

        Returns:
            False when it was given up: no engine, or the last one has not left yet.

        Raises:
            FrameError: the picture is neither JPEG nor PNG.
        """
        self._watch()
        try:
            self._socket.send_multipart(_message(picture, camera=camera, scene=scene), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def answers(self, timeout_s: float = 0.0) -> list[Answer]:
        """The answers that are there; waits for the first one as long as said."""
        return self._wait(time.monotonic() + timeout_s)

    def close(self) -> None:
        """Close the connection.  Harmless when repeated."""
        if self._context.closed:
            return
        self._shut()
        self._context.term()

    def __enter__(self) -> FrameClient:  # noqa: PYI034  # Self needs 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _shut(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=0)

    def _begin_again(self) -> None:
        """Take a new socket: an answer that is still due must not pass for another shot's.

        A shot that was given up, or sent to two connections, may be answered (again) at
        any time, under an id that its sender may use once more.
        """
        self._shut()
        self._open()

    def _send_when_connected(self, parts: list[Any], deadline: float) -> int:
        """Send a shot; returns the number of the connection that took it."""
        while True:
            self._watch()
            try:
                self._socket.send_multipart(parts, zmq.NOBLOCK)
            except zmq.Again:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise LinkError(self._nobody()) from None
                self._socket.poll(min(100, max(1, round(left_s * 1000))), zmq.POLLOUT)
            else:
                self._watch()
                return max(self._connections, 1)

    def _wait(self, deadline: float) -> list[Answer]:
        """Answers, as soon as there are some, the connection changes or the time is over."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._monitor, zmq.POLLIN)
        poller.poll(max(0, round((deadline - time.monotonic()) * 1000)))
        self._watch()
        found: list[Answer] = []
        while True:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return found
            found.append(_answer(parts))

    def _watch(self) -> None:
        """Follow what the socket says of its connection."""
        while self._monitor.poll(0):
            event = zmq.utils.monitor.recv_monitor_message(self._monitor)["event"]
            self.connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
            self._connections += self.connected

    def _nobody(self) -> str:
        path = ipc_path(self.endpoint)
        if path is not None and not path.exists():
            found = f"no engine is running ({path} does not exist)"
        else:
            found = f"no engine answers at {self.endpoint}"
        if self._curve is not None:
            found += " (nor would one that does not know this key: `edged keys list` there)"
        return f"{found}: start it with `edged run`, or name another with --endpoint"


def _message(
    picture: bytes | Image,
    *,
    shot: str | None = None,
    camera: str | None = None,
    scene: str | None = None,
    consent: Sequence[str | ConsentEntry] = (),
    want: str = "verdict",
) -> list[Any]:
    """The two parts of a native message."""
    head: dict[str, Any] = {"v": VERSION, "ts_ms": time.time_ns() // 1_000_000}
    if isinstance(picture, np.ndarray):
        head["encoding"], head["shape"] = "bgr8", list(picture.shape)
        payload: Any = np.ascontiguousarray(picture)
    else:
        head["encoding"], payload = _encoding(picture), picture
    # Without a place an entry goes as the plain text that every version reads.
    entries = [c if isinstance(c, str) or c.placed else c.ref for c in consent]
    optional = {"shot": shot, "camera": camera, "scene": scene, "consent": entries}
    head.update({key: value for key, value in optional.items() if value})
    if want != "verdict":
        head["want"] = want
    return [msgspec.json.encode(head), payload]


def _checked(shot: str) -> str:
    try:
        return str(uuid.UUID(shot))
    except ValueError:
        raise FrameError(
            Reason.BAD_HEADER, "a shot's id is a UUID, as `python3 -m uuid` or `uuidgen` makes"
        ) from None


def _encoding(data: bytes) -> str:
    if data.startswith(SOI):
        return "jpeg"
    if data.startswith(SIGNATURE):
        return "png"
    raise FrameError(Reason.BAD_IMAGE, "neither JPEG nor PNG: convert the picture first")


def _answer(parts: list[bytes]) -> Answer:
    try:
        verdict = _VERDICT.decode(parts[0])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LinkError(
            "what answers there is no edged engine of this version: check --endpoint"
        ) from error
    return Answer(verdict, parts[1] if len(parts) > 1 else None)
