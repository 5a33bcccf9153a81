"""Keeps answers for which their clients have no room just now.

ZeroMQ takes a few answers for each client and then says "again"; it cannot say when.  A
client that is merely busy gets its answers in order by trying again; one that does not
read at all costs a bounded amount of memory for a bounded time.  Knows no sockets.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from edged.transport.mailbox import Ticket

_MAX_ANSWERS = 1024
"""Bounds the table when answers are small."""


@dataclass(frozen=True, repr=False)
class _Late:
    ticket: Ticket
    parts: list[bytes]
    size_bytes: int
    give_up_at_s: float


class LateAnswers:
    """See the module.  Used by one thread.

    Args:
        max_bytes: of all answers kept; the oldest ones are given up first.
        max_age_s: after which an answer is given up.
        clock: seconds, monotonic.
    """

    def __init__(
        self, *, max_bytes: int, max_age_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._kept: deque[_Late] = deque()
        self._bytes = 0
        self._clients: Counter[tuple[int, bytes] | None] = Counter()

    def __len__(self) -> int:
        return len(self._kept)

    def waits_for(self, client: tuple[int, bytes]) -> bool:
        """Whether a newer answer for this client has to wait behind an older one."""
        return client in self._clients

    def add(self, ticket: Ticket, parts: list[bytes]) -> int:
        """Keep an answer; returns how many were given up for it."""
        late = _Late(ticket, parts, sum(map(len, parts)), self._clock() + self._max_age_s)
        self._kept.append(late)
        self._count(late, 1)
        given_up = 0
        while self._bytes > self._max_bytes or len(self._kept) > _MAX_ANSWERS:
            self._count(self._kept.popleft(), -1)
            given_up += 1
        return given_up

    def retry(self, send: Callable[[Ticket, list[bytes]], bool]) -> int:
        """Offer each answer once more, in order; returns how many were given up.

        Args:
            send: True when the answer is dealt with.
        """
        given_up = 0
        now = self._clock()
        blocked: set[tuple[int, bytes] | None] = set()
        for _ in range(len(self._kept)):
            late = self._kept.popleft()
            client = late.ticket.client
            if client not in blocked and send(late.ticket, late.parts):
                self._count(late, -1)
            elif now >= late.give_up_at_s:
                self._count(late, -1)
                given_up += 1
                blocked.add(client)
            else:
                self._kept.append(late)
                blocked.add(client)
        return given_up

    def _count(self, late: _Late, sign: int) -> None:
        self._bytes += sign * late.size_bytes
        self._clients[late.ticket.client] += sign
        if not self._clients[late.ticket.client]:
            del self._clients[late.ticket.client]
