"""A session that fails while it serves is closed and opened anew, with growing pauses."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import psutil
import pytest
from fakes.sessions import FakeSession
from onnx import TensorProto, helper
from onnxruntime.capi.onnxruntime_pybind11_state import Fail

from edged.errors import EngineError
from edged.runtime import onnx as onnx_module
from edged.runtime.failures import ExhaustedError, LostError
from edged.runtime.onnx import OnnxSession
from edged.runtime.revival import Pauses, Revival
from edged.runtime.switching import SwitchingSession

X = {"x": np.arange(3, dtype=np.float32)}


class Memory:
    """Opens sessions that double their input, until they are made to fail."""

    def __init__(self):
        self.now_s, self.opened, self.told = 1000.0, 0, []
        self.error = None  # raised by every run while it is set
        self.spoilt = weakref.WeakSet()  # sessions that fail for good
        self.alive = weakref.WeakSet()
        self.alive_at_opening = []
        self.current = None

    def open(self, stack):
        self.alive_at_opening.append(len(self.alive))
        self.opened += 1
        session = Doubling(self)
        self.alive.add(session)
        self.current = weakref.ref(session)
        return stack.enter_context(session)

    def spoil(self):
        """The session that serves runs out of memory from now on."""
        self.spoilt.add(self.current())

    def session(self, **pauses):
        revival = Revival(Pauses(**pauses), clock=lambda: self.now_s)
        session = SwitchingSession("m", self.told.append, revival)
        session.switch(self.open)
        return session


class Doubling(FakeSession):
    """One of them."""

    def __init__(self, memory):
        super().__init__({"x": (3,)}, {"y": (3,)}, lambda feeds: [feeds["x"] * 2])
        self._memory = memory

    def run(self, feeds):
        if self in self._memory.spoilt:
            raise ExhaustedError("out of memory")
        if self._memory.error is not None:
            raise self._memory.error
        return super().run(feeds)


@pytest.fixture
def memory():
    return Memory()


def test_a_run_without_memory_is_done_by_a_new_session(memory):
    """The frame never hears of it; the old session is gone before the new one is opened."""
    session = memory.session()
    memory.spoil()
    assert session.run(X)[0].tolist() == [0, 2, 4]
    assert (memory.opened, memory.told) == (2, ["down", "up"])
    assert memory.alive_at_opening == [0, 0]
    assert session.revival.trouble == ""


def test_a_run_that_leaves_its_outputs_on_the_device_is_not_tried_again(memory):
    """What it was fed with may have gone with the old session; the next frame works."""
    session = memory.session()
    memory.spoil()
    with pytest.raises(ExhaustedError):
        session.run_resident(X)
    assert session.revival.trouble == "model-out-of-memory"
    assert session.run(X)[0].tolist() == [0, 2, 4]
    assert memory.told == ["down", "up"]


def test_stages_can_ask_for_tensors_while_there_is_no_session(memory):
    """They look at names and types before they run."""
    session = memory.session()
    memory.spoil()
    with pytest.raises(ExhaustedError):
        session.run_resident(X)
    assert [spec.name for spec in session.inputs] == ["x"]
    assert [spec.name for spec in session.outputs] == ["y"]


def test_memory_that_stays_short_is_asked_for_after_growing_pauses(memory):
    """1, 2, 4 s; a run in between fails at once and opens nothing; then it is given up."""
    session = memory.session(most=3)
    memory.error = ExhaustedError("no memory")
    waits = []
    for _ in range(4):
        with pytest.raises(EngineError):
            session.run(X)
        waits.append(session.revival.wait_s)
        opened = memory.opened
        memory.now_s += session.revival.wait_s / 2
        with pytest.raises(EngineError):
            session.run(X)
        assert memory.opened == opened
        memory.now_s += session.revival.wait_s
    assert waits[:3] == [1, 2, 4]
    assert session.revival.hopeless
    memory.error, memory.now_s = None, memory.now_s + 100
    with pytest.raises(EngineError):
        session.run(X)  # the process is about to end


def test_one_failure_of_another_kind_closes_nothing_and_two_do(memory):
    """A frame that does not fit costs itself; a session that fails on each is opened anew."""
    session = memory.session()
    memory.error = EngineError("invalid argument")
    with pytest.raises(EngineError):
        session.run(X)
    assert (memory.opened, memory.told) == (1, [])
    with pytest.raises(EngineError):
        session.run(X)
    assert memory.told == ["down"]
    memory.error = None
    assert session.run(X)[0].tolist() == [0, 2, 4]
    assert (memory.opened, memory.told) == (2, ["down", "up"])


def test_a_lost_device_is_hopeless_at_once(memory):
    """Every later call in this process fails: only a new process helps."""
    session = memory.session()
    memory.error = LostError("illegal memory access")
    with pytest.raises(LostError):
        session.run(X)
    assert (session.revival.hopeless, session.revival.trouble) == (True, "gpu-lost")
    assert memory.opened == 1


def test_good_runs_forgive_earlier_failures(memory):
    """So that one bad moment a day does not add up to a restart."""
    session = memory.session(most=2)
    for _ in range(10):
        memory.spoil()
        for _ in range(21):
            session.run(X)
    assert memory.opened == 11
    assert not session.revival.hopeless


def test_a_new_session_that_does_not_open_waits_like_one_that_fails(memory):
    """Its model may be in use, its card may have no room yet."""
    session = memory.session()

    def shut(_stack):
        raise EngineError("no room")

    memory.spoil()
    session._opener = shut
    with pytest.raises(EngineError):
        session.run(X)
    assert session.revival.wait_s == 1
    session._opener = memory.open
    memory.now_s += 1
    assert session.run(X)[0].tolist() == [0, 2, 4]


def test_memory_is_flat_over_two_hundred_sessions(monkeypatch):
    """Each is a real one, spoilt and opened anew; nothing of the old ones stays."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((512, 512)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 512])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 512])],
        [helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.tobytes(), raw=True)],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    real, spoil, told = onnx_module.plain_run, [], []

    def run(session, specs, feeds):
        if spoil:
            spoil.pop()
            raise Fail("Failed to allocate memory for requested buffer of size 1")
        return real(session, specs, feeds)

    monkeypatch.setattr(onnx_module, "plain_run", run)
    session = SwitchingSession("m", told.append, Revival(Pauses(first_s=0, most=1000)))
    session.switch(lambda stack: stack.enter_context(OnnxSession(model, model_id="m", threads=1)))
    feeds = {"x": rng.standard_normal((1, 512)).astype(np.float32)}
    me, at_mb = psutil.Process(), []
    for round_no in range(220):
        spoil.append(1)
        try:
            session.run(feeds)
        except EngineError:
            session.run(feeds)
        if round_no in (20, 219):
            gc.collect()
            at_mb.append(me.memory_info().rss / 2**20)
    assert told.count("up") == 220
    assert at_mb[1] - at_mb[0] < 40, at_mb  # 200 weights of 1 MB would be 200
