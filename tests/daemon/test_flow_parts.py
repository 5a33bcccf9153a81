"""Shots under way: who begins, who waits, who ends it."""

from __future__ import annotations

import threading

import pytest

from edged.daemon.flow_parts import Repeats, numbers
from edged.errors import FrameError
from edged.pipeline.parts import Outcome
from edged.privacy.guard import Refused
from edged.transport.mailbox import Ticket
from edged.transport.outbox_rows import PayloadMac
from edged.transport.wire import FaceNote, GuardNote
from edged.verdicts import Reason

ONE, OTHER = PayloadMac(b"1" * 32), PayloadMac(b"2" * 32)


def test_the_first_begins_and_the_others_wait():
    """All of them are told at its end, and then it is forgotten."""
    repeats, first, second, third = Repeats(), Ticket(), Ticket(), Ticket()
    assert repeats.join("a", ONE, first)
    assert not repeats.join("a", ONE, second)
    assert not repeats.join("a", ONE, third)
    assert repeats.end("a", first) == [second, third]
    assert repeats.end("a", first) == []
    assert repeats.join("a", ONE, second)


def test_the_same_id_with_another_payload_is_an_error():
    """While it is under way; the one that began goes on."""
    repeats, first = Repeats(), Ticket()
    repeats.join("a", ONE, first)
    with pytest.raises(FrameError) as caught:
        repeats.join("a", OTHER, Ticket())
    assert caught.value.reason == Reason.ID_REUSED
    assert not repeats.join("a", ONE, Ticket())


def test_only_who_began_ends_it():
    """An error of another message with this id answers nobody who waits."""
    repeats, first, second = Repeats(), Ticket(), Ticket()
    repeats.join("a", ONE, first)
    repeats.join("a", ONE, second)
    assert repeats.end("a", Ticket()) == []
    assert repeats.end("a", second) == []
    assert repeats.end("a", first) == [second]


def test_of_many_threads_one_begins():
    """And every other one waits for it."""
    repeats, tickets = Repeats(), [Ticket() for _ in range(16)]
    began = []
    barrier = threading.Barrier(len(tickets))

    def join(ticket):
        barrier.wait()
        if repeats.join("a", ONE, ticket):
            began.append(ticket)

    threads = [threading.Thread(target=join, args=(t,)) for t in tickets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(began) == 1
    assert len(repeats.end("a", began[0])) == len(tickets) - 1


@pytest.mark.parametrize(("live", "said"), [((True, False), 1), ((True, None), None)])
def test_a_sender_is_told_how_many_faces_are_not_live(live, said):
    """Where a scene asks; without one that is not, the answer is as it was."""
    guard = GuardNote(
        families=("scrfd",), looks=2, faces_in=2, swapped=2, filled=0, refilled=0, verified_by="m"
    )
    faces = tuple(FaceNote(box_px=(0, 0, 9, 9), action="swapped", live=one) for one in live)
    outcome = Outcome(Refused(Reason.OK), faces=faces, guard=guard)
    assert numbers(outcome).get("not_live") == said
    assert numbers(Outcome(Refused(Reason.NOT_LIVE))) == {}
