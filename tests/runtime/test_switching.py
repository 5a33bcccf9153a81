"""A session whose inner one is replaced while it is in use."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession

from edged.errors import EngineError
from edged.runtime.switching import SwitchingSession

X = np.arange(3, dtype=np.float32)


class Watched(FakeSession):
    """Multiplies, and notes whether it is open."""

    def __init__(self, factor, outputs=None):
        super().__init__({"x": (3,)}, outputs or {"y": (3,)}, lambda f: [f["x"] * factor])
        self.open = False

    def __enter__(self):
        self.open = True
        return self

    def __exit__(self, *_):
        self.open = False


def opening(session):
    return lambda stack: stack.enter_context(session)


def failing(_stack):
    raise EngineError("the engine is no engine")


@pytest.fixture
def switching():
    """One that a session serves already."""
    with SwitchingSession("m") as session:
        first = Watched(2)
        session.switch(opening(first))
        yield session, first


def test_the_newcomer_serves_and_the_old_one_is_closed(switching):
    """Whoever holds the session need not know."""
    session, first = switching
    second = Watched(3)
    session.switch(opening(second))
    assert session.run({"x": X})[0].tolist() == [0, 3, 6]
    assert (first.open, second.open) == (False, True)


def test_a_newcomer_that_fails_leaves_the_old_one(switching):
    """It serves as before."""
    session, first = switching
    with pytest.raises(EngineError, match="no engine"):
        session.switch(failing)
    assert first.open
    assert session.run({"x": X})[0].tolist() == [0, 2, 4]


def test_a_newcomer_with_other_tensors_is_closed_again(switching):
    """Stages would feed it wrongly."""
    session, first = switching
    other = Watched(3, {"z": (3,)})
    with pytest.raises(EngineError, match="other tensors"):
        session.switch(opening(other))
    assert (first.open, other.open) == (True, False)


def test_arrays_on_the_device_go_through_it(switching):
    """Upload, resident run and download are the inner session's."""
    session, _ = switching
    (made,) = session.run_resident({"x": session.upload(X)})
    assert session.download(made).tolist() == [0, 2, 4]


def test_at_its_end_the_inner_session_is_closed():
    """And before its first, there is none to run."""
    inner = Watched(2)
    session = SwitchingSession("m")
    with pytest.raises(EngineError, match="not loaded"):
        session.run({"x": X})
    with session:
        session.switch(opening(inner))
        assert inner.open
    assert not inner.open
