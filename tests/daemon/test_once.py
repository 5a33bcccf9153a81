"""A command that is handed over twice is done once."""

from __future__ import annotations

from edged.daemon.once import KEPT_S, Once
from edged.transport.ipc import CommandIn
from edged.transport.wire import ReplyDoc


class Counter:
    """Does commands and counts."""

    def __init__(self):
        self.done, self.now_s = [], 0.0
        self.once = Once(self, lambda: self.now_s)

    def __call__(self, command):
        self.done.append((command.name, command.id))
        return ReplyDoc(id=command.id, ts_ms=len(self.done), status="ok")

    def give(self, name, its_id):
        return self.once(CommandIn(name=name, id=its_id)).ts_ms


def test_the_second_time_gives_the_first_reply():
    """As after an uplink that died before it could acknowledge."""
    counter = Counter()
    assert [counter.give("rotate-identity", "a"), counter.give("rotate-identity", "a")] == [1, 1]
    assert [counter.give("pause", "a"), counter.give("rotate-identity", "b")] == [2, 3]


def test_what_reads_is_done_anew():
    """An old answer of `ping` would mislead."""
    counter = Counter()
    assert [counter.give("ping", "a"), counter.give("ping", "a")] == [1, 2]


def test_an_id_may_be_used_anew_when_the_command_could_not_be_the_old_one():
    """Somebody gives every command the same id."""
    counter = Counter()
    told = []
    for counter.now_s in (0.0, 300.0, KEPT_S + 1, KEPT_S + 2):
        told.append(counter.give("pause", "x"))
    assert told == [1, 1, 2, 2]


def test_the_memory_is_bounded():
    """The oldest give way."""
    counter = Counter()
    for number in range(1000):
        counter.give("pause", str(number))
    assert len(counter.once._done) == 64
