"""Holds frames between the socket thread and the pipeline, with two promises.

A *shot* is never dropped: the queue is bounded by count and bytes, and a sender of more
is held back until there is room.  A *stream frame* is latest-wins: one slot a camera, a
newer one takes the place of an older one.  Cameras take turns; shots go first, but a
waiting stream frame passes after every few shots.

Any thread may call anything.  Knows no sockets and does not look into payloads.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from edged.transport.header import FrameHeader

SHOTS_PER_STREAM_FRAME = 3
"""So many shots pass before a waiting stream frame does."""


class Ticket:
    """Where the answer to one message goes; opaque to everyone but the server.

    Attributes:
        client: routing id and socket of the sender; None when nobody can be answered.
        envelope: the parts between routing id and message, handed back as they came.
        shot: id that the answer bears, or "".
        wants_picture: the sender asked for the picture.
        answered: set by the server with the first answer; later ones are ignored.
    """

    __slots__ = ("answered", "client", "envelope", "shot", "wants_picture")

    def __init__(
        self,
        client: tuple[int, bytes] | None = None,
        envelope: tuple[bytes, ...] = (),
        *,
        wants_picture: bool = False,
    ) -> None:
        self.client = client
        self.envelope = envelope
        self.shot = ""
        self.wants_picture = wants_picture
        self.answered = client is None


@dataclass(frozen=True, repr=False)
class Submission:
    """One admitted frame.

    Attributes:
        ticket: for :meth:`edged.transport.frames.FrameServer.answer`.
        header: checked.
        payload: the bytes as they came; never written to, never logged.
        received_ns: `time.monotonic_ns()` when it was read.
    """

    ticket: Ticket
    header: FrameHeader
    payload: bytes | memoryview
    received_ns: int

    @property
    def size_bytes(self) -> int:
        """Length of the payload."""
        return len(self.payload)


@dataclass(frozen=True)
class MailboxCounts:
    """What went through, since the start.

    Attributes:
        shots, stream_frames: admitted.
        superseded: stream frames that a newer one replaced.
        held_back: times a shot found no room.
        shots_waiting, shots_waiting_bytes, stream_waiting: now.
    """

    shots: int
    stream_frames: int
    superseded: int
    held_back: int
    shots_waiting: int
    shots_waiting_bytes: int
    stream_waiting: int


class Mailbox:
    """See the module.

    Args:
        shots_waiting: bound of the queue of shots.
        shots_waiting_bytes: bound of their payloads together; one shot always fits.
    """

    def __init__(self, *, shots_waiting: int, shots_waiting_bytes: int) -> None:
        self._max_shots = shots_waiting
        self._max_bytes = shots_waiting_bytes
        self._shots: deque[Submission] = deque()
        self._shot_bytes = 0
        self._streams: OrderedDict[str, Submission] = OrderedDict()  # in order of their turns
        self._shots_in_a_row = 0
        self._filled = threading.Condition()
        self._closed = False
        self._someone_held = False
        self._on_room: Callable[[], None] = _nothing
        self._n_shots = self._n_streams = self._n_superseded = self._n_held = 0

    def on_room(self, callback: Callable[[], None]) -> None:
        """Set what is called (from the taker's thread) when a refused shot would fit again."""
        self._on_room = callback

    def offer_shot(self, submission: Submission) -> bool:
        """Queue a shot; False when there is no room, and `on_room` will tell when there is."""
        with self._filled:
            full = len(self._shots) >= self._max_shots or (
                bool(self._shots) and self._shot_bytes + submission.size_bytes > self._max_bytes
            )
            if full or self._closed:
                self._someone_held = True
                self._n_held += 1
                return False
            self._shots.append(submission)
            self._shot_bytes += submission.size_bytes
            self._n_shots += 1
            self._filled.notify()
            return True

    def offer_stream(self, submission: Submission) -> Submission | None:
        """Put a stream frame into its camera's slot; returns the one that will not be used.

        That is the older frame in the slot, or, when the mailbox is closed, this one.
        """
        with self._filled:
            if self._closed:
                return submission
            camera = submission.header.camera
            older = self._streams.get(camera)
            self._streams[camera] = submission  # keeps the older one's turn
            self._n_streams += 1
            if older is not None:
                self._n_superseded += 1
            else:
                self._filled.notify()
            return older

    def take(self, timeout_s: float | None = None) -> Submission | None:
        """The next frame; None after the timeout, or at once when closed."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._filled:
            while not self._shots and not self._streams:
                if self._closed:
                    return None
                left_s = None if deadline is None else deadline - time.monotonic()
                if left_s is not None and left_s <= 0:
                    return None
                self._filled.wait(left_s)
            taken = self._next()
            tell = self._someone_held and taken.header.shot is not None
            if tell:
                self._someone_held = False
        if tell:
            self._on_room()
        return taken

    def close(self) -> list[Submission]:
        """Admit nothing more, wake every taker; returns what nobody will take."""
        with self._filled:
            self._closed = True
            left = [*self._shots, *self._streams.values()]
            self._shots.clear()
            self._streams.clear()
            self._shot_bytes = 0
            self._filled.notify_all()
        return left

    def counts(self) -> MailboxCounts:
        """What went through."""
        with self._filled:
            return MailboxCounts(
                shots=self._n_shots,
                stream_frames=self._n_streams,
                superseded=self._n_superseded,
                held_back=self._n_held,
                shots_waiting=len(self._shots),
                shots_waiting_bytes=self._shot_bytes,
                stream_waiting=len(self._streams),
            )

    def _next(self) -> Submission:
        turn_of_stream = not self._shots or self._shots_in_a_row >= SHOTS_PER_STREAM_FRAME
        if self._streams and turn_of_stream:
            self._shots_in_a_row = 0
            return self._streams.popitem(last=False)[1]
        # Counted while no stream waits too, so that the next one that comes passes soon.
        self._shots_in_a_row += 1
        shot = self._shots.popleft()
        self._shot_bytes -= shot.size_bytes
        return shot


def _nothing() -> None:
    """Nobody waits for room."""
