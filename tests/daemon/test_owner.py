"""The thread that owns sessions."""

from __future__ import annotations

import threading

import pytest

from edged.daemon.owner import Owner


@pytest.fixture
def owner():
    made = Owner("owner")
    yield made
    made.close()


def test_everything_is_done_by_one_thread(owner):
    """What was asked for and what was begun."""
    seen = [owner.call(threading.get_ident) for _ in range(3)]
    task = owner.begin("later", lambda: seen.append(threading.get_ident()))
    task.join(10)
    assert len(seen) == 4
    assert set(seen) != {threading.get_ident()}
    assert len(set(seen)) == 1


def test_what_it_raises_is_raised_where_it_was_asked_for(owner):
    """And the thread goes on."""
    with pytest.raises(ZeroDivisionError):
        owner.call(lambda: 1 / 0)
    assert owner.call(lambda: 7) == 7


def test_a_task_is_alive_until_it_is_done(owner):
    """As a thread would be."""
    gate = threading.Event()
    task = owner.begin("loop", gate.wait)
    assert task.is_alive()
    gate.set()
    task.join(10)
    assert not task.is_alive()


def test_a_task_that_fails_ends(owner):
    """Its error is kept, nobody waits for ever."""
    task = owner.begin("bad", lambda: int("x"))
    task.join(10)
    assert not task.is_alive()
    assert isinstance(task.error, ValueError)


def test_work_that_was_handed_in_is_done_before_the_end():
    """Sessions are closed by what is handed in last."""
    owner, done = Owner("owner"), []
    for number in range(3):
        owner.begin("n", lambda number=number: done.append(number))
    owner.close()
    assert done == [0, 1, 2]
