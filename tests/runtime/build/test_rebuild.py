"""The background builder: one build at a time, later and later after failures, stoppable."""

from __future__ import annotations

import queue
import threading
import time

import psutil
import pytest

from edged.errors import EngineError, ModelError
from edged.runtime.build.rebuild import Listeners, Patience, Rebuilder
from edged.runtime.build.store import Found, Missing


@pytest.fixture
def heard():
    """What the listeners were told, as a queue."""
    return queue.Queue()


@pytest.fixture
def rebuilder(store, heard):
    """A started one, with short patience."""
    listeners = Listeners(
        done=lambda model, paper: heard.put(("done", model.id, paper.status)),
        failed=lambda model, error, again_s: heard.put(("failed", model.id, error, again_s)),
    )
    with Rebuilder(store, listeners, Patience(first_s=0.1, most_s=0.3)) as made:
        yield made


def test_what_is_wanted_is_built_and_reported(rebuilder, store, model, fake, heard):
    """An absent engine is there and accepted when `done` is called."""
    rebuilder.want(model, fake())
    assert heard.get(timeout=60) == ("done", model.id, "accepted")
    assert isinstance(store.best(model, fake()), Found)
    assert rebuilder.waiting == ()


def test_a_fresh_engine_is_reported_without_a_build(rebuilder, model, fake, heard, builds):
    """Wanting twice builds once."""
    for _ in range(2):
        rebuilder.want(model, fake())
        assert heard.get(timeout=60)[0] == "done"
    assert len(builds()) == 1


def test_after_a_failure_it_tries_again_and_says_when(rebuilder, model, fake, heard):
    """Crashes are told with the pause, which grows; the engine comes when the cause is gone."""
    rebuilder.want(model, fake(open="crash"))
    pauses = []
    for _ in range(3):
        word, _model_id, error, again_s = heard.get(timeout=60)
        assert word == "failed"
        assert isinstance(error, EngineError)
        pauses.append(again_s)
    assert pauses == [0.1, 0.2, 0.3]
    fake()
    while (told := heard.get(timeout=60))[0] == "failed":
        pass
    assert told == ("done", model.id, "accepted")


@pytest.mark.parametrize("wish", ["parser", "spoil"])
def test_what_trying_again_cannot_mend_waits(rebuilder, model, fake, heard, wish):
    """A graph that is refused, or an engine out of its bounds, is not built over and over."""
    rebuilder.want(model, fake(build=wish))
    word, _model_id, error, again_s = heard.get(timeout=60)
    assert (word, again_s) == ("failed", None)
    assert isinstance(error, ModelError if wish == "parser" else EngineError)
    time.sleep(0.5)  # more than the longest pause
    assert heard.empty()
    assert rebuilder.waiting == ()


def test_stopping_ends_the_build_under_way(rebuilder, store, model, fake, builds):
    """No worker outlives the daemon's stop, and nothing half is left."""
    rebuilder.want(model, fake(build="hang"))
    while not builds():
        time.sleep(0.02)
    assert rebuilder.building == model.id
    worker = builds()[0]
    rebuilder.stop()
    assert not psutil.pid_exists(worker)
    assert isinstance(store.best(model, fake()), Missing)
    assert not list(store.home(model.id).glob(".partial-*"))


def test_stopping_an_idle_one_is_quick(store):
    """It waits for nothing when there is nothing to do."""
    rebuilder = Rebuilder(store, Listeners())
    with rebuilder:
        pass
    assert "engine-builder" not in {thread.name for thread in threading.enumerate()}
    rebuilder.stop()
