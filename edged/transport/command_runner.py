"""Runs commands one after the other on a thread of its own, so that a socket never waits.

Knows neither the commands nor the socket: a handler takes a request, the server gets the
reply back on its own thread after a wake-up.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from edged.errors import EdgedError
from edged.transport.clock import clock_synced, wall_ms
from edged.transport.wire import ReplyDoc

log = logging.getLogger(__name__)

_WAITING = 16
"""Commands that may wait; an operator's hand sends one at a time."""


class Request(Protocol):
    """What every command has."""

    name: str
    id: str


RequestT = TypeVar("RequestT")
Ticket = list[bytes]
"""The routing parts that a reply begins with."""


class CommandRunner(Generic[RequestT]):
    """One thread, a short queue, replies in order.

    Args:
        handler: does the command; an :class:`EdgedError` or ValueError becomes an error
            reply (`failed`, `bad-data`) with its text, any other exception one without.
        wake: called after each reply, from the runner's thread.
    """

    def __init__(
        self, name: str, handler: Callable[[RequestT], ReplyDoc], wake: Callable[[], None]
    ) -> None:
        self._handler = handler
        self._wake = wake
        self._queue: queue.Queue[tuple[Ticket, RequestT, str, str] | None] = queue.Queue(_WAITING)
        self.replies: deque[tuple[Ticket, str, ReplyDoc]] = deque()
        self._thread = threading.Thread(target=self._run, name=f"{name}-commands", daemon=True)

    def start(self) -> None:
        """Begin to take commands."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Let the command in hand end, within the time; those that wait are given up."""
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                self._queue.get_nowait()
        self._thread.join(timeout_s)

    def submit(self, ticket: Ticket, request: RequestT, name: str, request_id: str) -> None:
        """Queue a command; too many at a time are answered at once."""
        try:
            self._queue.put_nowait((ticket, request, name, request_id))
        except queue.Full:
            busy = error_reply(
                request_id, "busy", "too many commands wait; send it again in a moment"
            )
            self.replies.append((ticket, name, busy))

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            ticket, request, name, request_id = item
            self.replies.append((ticket, name, self._answer(request, name, request_id)))
            self._wake()

    def _answer(self, request: RequestT, name: str, request_id: str) -> ReplyDoc:
        try:
            return self._handler(request)
        except (EdgedError, ValueError) as error:
            word = "failed" if isinstance(error, EdgedError) else "bad-data"
            return error_reply(request_id, word, str(error))
        except Exception as error:  # noqa: BLE001  # a command must not end the engine
            # only its kind: the text could hold what must not leave
            log.error("command %s failed with %s", name, type(error).__name__)  # noqa: TRY400
            return error_reply(request_id, "internal", "internal error; see the engine's log")


def error_reply(request_id: str, word: str, text: str) -> ReplyDoc:
    """A reply of failure: a fixed word, and a sentence for people."""
    return ReplyDoc(
        id=request_id,
        ts_ms=wall_ms(),
        clock_synced=clock_synced(),
        status="error",
        error=word,
        text=text,
    )
