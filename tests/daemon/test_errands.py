"""Work for the sessions' thread, handed in by others."""

from __future__ import annotations

import threading

import pytest

from edged.daemon.command_reply import OrderError
from edged.daemon.errands import Errands
from edged.errors import ConfigError


@pytest.fixture
def errands():
    """Served by a thread, until the test ends."""
    made, stop = Errands(), threading.Event()

    def serve():
        while not stop.wait(0.01):
            made.between()

    thread = threading.Thread(target=serve, name="sessions")
    thread.start()
    yield made
    stop.set()
    thread.join()


def test_it_is_done_on_the_other_thread(errands):
    """And its result comes back."""
    assert errands.do(lambda: threading.current_thread().name) == "sessions"


def test_what_it_raises_is_raised_here(errands):
    """The thread of the sessions goes on."""

    def fail():
        raise ConfigError("a: b")

    with pytest.raises(ConfigError):
        errands.do(fail)
    assert errands.do(lambda: 7) == 7


def test_what_did_not_begin_in_time_is_never_done():
    """A reply that said so stays true."""
    errands, done = Errands(), []
    with pytest.raises(OrderError) as caught:
        errands.do(lambda: done.append(1), begin_s=0.01)
    assert caught.value.word == "pipeline-busy"
    errands.between()
    assert done == []


def test_what_does_not_end_is_said_to_be_under_way(errands):
    """It may still be done."""
    go = threading.Event()
    with pytest.raises(OrderError) as caught:
        errands.do(lambda: go.wait(10), end_s=0.05)
    go.set()
    assert caught.value.word == "timeout"
