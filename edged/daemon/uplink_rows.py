"""The rows of the outbox on their way through one connection to the broker.

A row is acknowledged when every message of it is: picture and result, or gap.  A row
that the broker will never take is set aside, so that it does not block those behind
it: too large for a packet, refused by an MQTT 5 broker, or alone in flight three times
when a broker that stayed alive closed the connection.  Rows that were in flight at such
a moment are in doubt and travel alone until they are acknowledged.

Sans I/O.  Knows neither sockets nor time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from edged.transport.ipc import RowAck, RowAside, RowOut
from edged.transport.link import Ending, Publish
from edged.transport.topics import Topics, is_name

STRIKES = 3
"""Times that a row may be alone in flight while the connection is closed."""
_MAX_DOUBTS = 256
# MQTT 5 reason codes of PUBACK, section 3.4.2.1
_FAILURE = 0x80
_QUOTA = 0x97
_VAGUE = frozenset({0x80, 0x83})  # unspecified, implementation specific: may pass

Retry = Literal["retry"]
Aside = Literal["too-large", "not-authorised", "rejected"]
_ASIDE: dict[int, Aside] = {0x87: "not-authorised", 0x95: "too-large"}


@dataclass(repr=False)
class _Row:
    row: RowOut
    doc: bytes
    jpeg: bytes | None
    waiting: set[int] = field(default_factory=set)


class RowBook:
    """Rows that the engine has handed out and the broker has not acknowledged.

    Args:
        topics: of the device.
        next_token: gives numbers that no other message has.
    """

    def __init__(self, topics: Topics, next_token: Callable[[], int]) -> None:
        self._topics = topics
        self._next_token = next_token
        self._queue: deque[_Row] = deque()
        self._flying: dict[int, _Row] = {}  # row number -> row
        self._by_token: dict[int, _Row] = {}
        self._doubts: dict[int, int] = {}  # row number -> times lost alone
        self._explained = False
        self._accused: int | None = None  # row of the last strike

    @property
    def in_flight(self) -> int:
        """Rows published and not acknowledged."""
        return len(self._flying)

    def offer(self, row: RowOut, doc: bytes, jpeg: bytes | None) -> None:
        """Take a row from the engine; one that is here already is not taken twice."""
        held = row.row in self._flying or any(waiting.row.row == row.row for waiting in self._queue)
        if not held:
            self._queue.append(_Row(row, doc, jpeg))

    def release(self, *, limit_bytes: int, calm: bool) -> list[Publish | RowAside]:
        """What may be sent now, in order.

        Args:
            limit_bytes: the broker's largest packet; 0 means none.
            calm: nothing else is in flight, so that a row in doubt can be alone.
        """
        out: list[Publish | RowAside] = []
        while self._queue:
            head = self._queue[0]
            number = head.row.row
            doubt = self._doubts.get(number)
            alone = doubt is not None
            if (doubt or 0) >= STRIKES or not is_name(head.row.camera):  # part of a topic
                out.append(self._set_aside(number, "rejected"))
            elif (alone and (self._flying or not calm)) or self._flying.keys() & self._doubts:
                break
            else:
                messages = self._messages(head)
                if limit_bytes and max(m.packet_bytes() for m in messages) > limit_bytes:
                    out.append(self._set_aside(number, "too-large"))
                    self._queue.popleft()
                    continue
                for message in messages:
                    head.waiting.add(message.token)
                    self._by_token[message.token] = head
                self._flying[number] = head
                out += messages
            self._queue.popleft()
        return out

    def acked(self, token: int, code: int) -> RowAck | RowAside | Retry | None:
        """Note a PUBACK; says what the engine must be told once the row is complete.

        `retry` means that the broker cannot take the row now: give the connection up
        and try again later.
        """
        held = self._by_token.pop(token, None)
        if held is None:
            return None
        held.waiting.discard(token)
        if code >= _FAILURE:
            return self._refused(held, code)
        if held.waiting:
            return None
        number = held.row.row
        del self._flying[number]
        self._doubts.pop(number, None)
        return RowAck(number)

    def _refused(self, held: _Row, code: int) -> RowAside | Retry:
        # At once and not when the row is complete: mosquitto 2.0.11 (Debian 12) closes the
        # connection right after a refusal, and the cause should be known by then.
        number = held.row.row
        for token in held.waiting:
            del self._by_token[token]
        del self._flying[number]
        if code in _VAGUE:
            self._doubts[number] = self._doubts.get(number, 0) + 1
        if code in _VAGUE or code == _QUOTA:
            return "retry"
        self._explained = True
        return self._set_aside(number, _ASIDE.get(code, "rejected"))

    def lost(self, why: Ending) -> None:
        """The connection ended: who was in flight may be the cause, unless it is known."""
        self._accused = None
        if why == "closed" and not self._explained:
            for number in self._flying:
                self._doubts.setdefault(number, 0)
            if len(self._flying) == 1:
                self._accused = next(iter(self._flying))
                self._doubts[self._accused] += 1
            while len(self._doubts) > _MAX_DOUBTS:
                del self._doubts[next(iter(self._doubts))]
        self._explained = False
        self.forget()

    def acquit(self) -> None:
        """The broker itself was down or has begun anew: no row made it hang up."""
        if self._accused in self._doubts:
            self._doubts[self._accused] -= 1
        self._accused = None

    def explain(self) -> None:
        """The broker has refused something: if it hangs up now, no row is in doubt."""
        self._explained = True

    def forget(self) -> None:
        """Drop all rows: the engine hands them out again."""
        self._queue.clear()
        self._flying.clear()
        self._by_token.clear()

    def _set_aside(self, number: int, reason: Aside) -> RowAside:
        self._doubts.pop(number, None)
        return RowAside(number, reason)

    def _messages(self, held: _Row) -> list[Publish]:
        row, topics = held.row, self._topics
        topic = topics.gap(row.camera) if row.kind == "gap" else topics.result(row.camera)
        messages = []
        if row.kind == "result" and held.jpeg is not None:  # the picture before its result
            messages.append(
                Publish(
                    topic=topics.image(row.camera),
                    payload=held.jpeg,
                    token=self._next_token(),
                    media_type="image/jpeg",
                    row_id=row.id,
                )
            )
        messages.append(
            Publish(topic=topic, payload=held.doc, token=self._next_token(), row_id=row.id)
        )
        return messages
