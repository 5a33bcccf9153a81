"""`control.sock`: commands from the box itself, for `edged purge`, `edged outbox` and the like.

The socket's mode (0600 in a folder of its own) is the access control: who can open it is
the operator.  A request is one JSON part, `{"name", "id", "data"}`, from a REQ socket; the
answer is a `ReplyDoc`.  The same handler serves the commands of the broker.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable
from typing import Any, Literal

import msgspec
import zmq

from edged.errors import LinkError
from edged.transport.command_runner import CommandRunner, error_reply
from edged.transport.ipc import MAX_JSON_BYTES
from edged.transport.ipcpath import IpcClaim, ipc_path
from edged.transport.wakeup import Wakeup
from edged.transport.wire import Command, ReplyDoc

log = logging.getLogger(__name__)

_TICK_MS = 1000
_MAX_REPLY_BYTES = 4 << 20


class ControlIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A command from the box: those of the broker, and some that are for the box alone."""

    name: Command | Literal["calibrate", "outbox", "status"]
    id: str = ""
    data: dict[str, Any] = {}


def read_request(body: bytes) -> ControlIn:
    """The request in a message.

    Raises:
        ValueError: it is none; the text repeats nothing of it.
    """
    try:
        return msgspec.json.decode(body, type=ControlIn)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ValueError("not a command of the documented form") from None


class ControlServer:
    """Serves `control.sock`.

    Args:
        endpoint: `ipc://` path; bound with mode 0600.
        handler: does a command, on a thread of its own.
    """

    def __init__(self, endpoint: str, handler: Callable[[ControlIn], ReplyDoc]) -> None:
        self._endpoint = endpoint
        self._wakeup = Wakeup()
        self._runner = CommandRunner("control", handler, self._wakeup.set)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Bind and begin to serve.

        Raises:
            OperatorError: another process has the path.
            LinkError: ZeroMQ refuses it.
        """
        self._claim = IpcClaim.take(self._endpoint)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_JSON_BYTES)
        self._socket.setsockopt(zmq.LINGER, 200)
        try:
            self._claim.bind(self._socket)
        except BaseException:
            self._context.destroy(linger=0)
            self._claim.release()
            raise
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._runner.start()
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Let the command in hand be answered, end the thread, give the path back."""
        self._runner.stop(timeout_s)
        self._stopping.set()
        self._wakeup.set()
        self._thread.join(timeout_s)
        self._context.destroy(linger=200)
        self._claim.release()
        self._wakeup.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wakeup.fd, zmq.POLLIN)
        while not self._stopping.is_set():
            poller.poll(_TICK_MS)
            self._wakeup.clear()
            self._claim.regain(self._socket)
            self._receive()
            self._send_replies()
        self._send_replies()

    def _receive(self) -> None:
        while True:
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            ticket, body = parts[:-1], parts[-1]
            try:
                request = read_request(body)
            except ValueError as error:
                bad = error_reply("", "bad-message", str(error))
                self._runner.replies.append((ticket, "", bad))
            else:
                self._runner.submit(ticket, request, request.name, request.id)

    def _send_replies(self) -> None:
        while self._runner.replies:
            ticket, _name, reply = self._runner.replies.popleft()
            try:
                self._socket.send_multipart([*ticket, msgspec.json.encode(reply)], zmq.NOBLOCK)
            except zmq.ZMQError as error:
                log.warning("control: a reply was not taken: %s", error)


def ask(endpoint: str, name: str, data: dict[str, Any], *, timeout_s: float = 30.0) -> ReplyDoc:
    """Send one command to the engine on this box and wait for its reply.

    Raises:
        LinkError: no engine answers.
    """
    path = ipc_path(endpoint)
    if path is not None and not path.exists():
        raise LinkError(f"no engine is running: {path} is not there; start one with `edged run`")
    request = {"name": name, "id": str(uuid.uuid4()), "data": data}
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        socket = context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, _MAX_REPLY_BYTES)
        socket.connect(endpoint)
        socket.send(msgspec.json.encode(request))
        if not socket.poll(int(timeout_s * 1000)):
            raise LinkError(
                f"the engine at {endpoint} did not answer within {timeout_s:g} s; look at its "
                "log, or start it with `edged run`"
            )
        return read_reply(socket.recv())
    except zmq.ZMQError as error:
        raise LinkError(f"the engine at {endpoint} cannot be asked: {error}") from error
    finally:
        context.destroy(linger=0)


def read_reply(body: bytes) -> ReplyDoc:
    """The reply in a message.

    Raises:
        LinkError: it is none.
    """
    try:
        return msgspec.json.decode(body, type=ReplyDoc)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise LinkError(
            "what answers there is no edged engine of this version: update the older of the two"
        ) from error
