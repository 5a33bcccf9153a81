"""Answers that wait for their clients: in order, bounded in bytes and time."""

from __future__ import annotations

from edged.transport.late import LateAnswers
from edged.transport.mailbox import Ticket


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def ticket(name: str) -> Ticket:
    return Ticket((0, name.encode()))


def test_answers_of_a_client_stay_in_order():
    """While a client has no room nothing overtakes; another client is served meanwhile."""
    late = LateAnswers(max_bytes=100, max_age_s=5, clock=Clock())
    for name, text in (("a", b"1"), ("b", b"2"), ("a", b"3")):
        late.add(ticket(name), [text])
    sent: list[bytes] = []

    def only_b(to: Ticket, parts: list[bytes]) -> bool:
        if to.client == (0, b"b"):
            sent.extend(parts)
        return to.client == (0, b"b")

    assert late.retry(only_b) == 0
    assert late.waits_for((0, b"a"))
    assert not late.waits_for((0, b"b"))
    assert late.retry(lambda _, parts: sent.extend(parts) or True) == 0
    assert sent == [b"2", b"1", b"3"]
    assert not late.waits_for((0, b"a"))
    assert len(late) == 0


def test_bytes_are_bounded_and_the_oldest_goes_first():
    """Above the bound the oldest answers are given up and counted."""
    late = LateAnswers(max_bytes=100, max_age_s=5, clock=Clock())
    assert sum(late.add(ticket("a"), [bytes(30)]) for _ in range(10)) == 7
    assert len(late) == 3


def test_number_of_small_answers_is_bounded():
    """Empty answers without end do not fill the table without end."""
    late = LateAnswers(max_bytes=100, max_age_s=5, clock=Clock())
    for _ in range(5000):
        late.add(ticket("a"), [b""])
    assert len(late) == 1024


def test_age_is_bounded():
    """An answer that nobody took in time is given up."""
    clock = Clock()
    late = LateAnswers(max_bytes=100, max_age_s=5, clock=clock)
    late.add(ticket("a"), [b"1"])
    clock.now = 4.9
    assert late.retry(lambda *_: False) == 0
    clock.now = 5.0
    assert late.retry(lambda *_: False) == 1
    assert len(late) == 0
