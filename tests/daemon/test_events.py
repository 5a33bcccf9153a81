"""Events on their way out."""

from __future__ import annotations

import msgspec
import pytest

from edged.daemon import documents
from edged.daemon.events import Events


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr(documents, "now_s", lambda: now[0])
    return now


def decoded(found):
    return [(d["event"], d["data"]) for d in map(msgspec.json.decode, found)]


def test_early_events_are_published_when_somebody_listens(clock):
    """In their order, those that come later after them."""
    assert clock
    events, out = Events(), []
    events("a", "", {})
    events("b", "", {})
    events.begin(out.append)
    events("c", "", {})
    assert [name for name, _ in decoded(out)] == ["a", "b", "c"]


def test_one_kind_is_published_once_a_second_and_the_others_counted(clock):
    """The next one tells how many there were."""
    events, out = Events(), []
    events.begin(out.append)
    for _ in range(4):
        events("guard-refused", "face-left", {})
    clock[0] += 1.5
    events("guard-refused", "face-left", {})
    assert decoded(out) == [("guard-refused", {}), ("guard-refused", {"also": 3})]


def test_engines_of_two_models_are_two_kinds(clock):
    """Both switches are told, even in the same second."""
    assert clock
    events, out = Events(), []
    events.begin(out.append)
    for model in ("swapper", "restorer"):
        events("engine-rebuilt", "", {"model": model})
    assert [data["model"] for _, data in decoded(out)] == ["swapper", "restorer"]
