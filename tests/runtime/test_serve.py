"""Models of a running daemon: the best runtime now, a better one when its engine is there.

The better runtime is a fake whose engines run on the CPU; workers, store, acceptance and the
builder's thread are the real ones.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest
from fakes.engines import FakeEngines, RefusingTensorRt

from edged.errors import EngineError
from edged.runtime.build.make import Order, make
from edged.runtime.build.rebuild import Patience
from edged.runtime.choice import Wish
from edged.runtime.driver import Driver, Gpu
from edged.runtime.graph.load import load_prepared
from edged.runtime.machine import Machine
from edged.runtime.onnx import OnnxSession
from edged.runtime.serve import Means, Serving
from edged.runtime.session import Meter

CROPS = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)


CARD = Driver("13.0", (Gpu(0, "card", "89", 8192, integrated=False),))


class Daemon:
    """A serving with what it needs, and what it said."""

    def __init__(self, store, stack, wish, *, backend=FakeEngines, background=True, more=()):
        self.events, self.stack = [], stack
        machine = Machine({"cuda": backend, **dict(more)}, ask_driver=lambda: CARD)

        def open_cpu(model):
            prepared = load_prepared(model.path, model.recipe).model.SerializeToString()
            return OnnxSession(prepared, model_id=model.id, threads=1)

        means = Means(machine, store, open_cpu, Meter(), background, Patience(0.2, 0.2))
        self.serving = Serving(wish, means, lambda *event: self.events.append(event))

    def open(self, model):
        return self.serving.open(model, self.stack)

    def until(self, name):
        """Serve until an event has come; its data."""
        deadline = time.monotonic() + 60
        while not (found := [e for e in self.events if e[0] == name]):
            assert time.monotonic() < deadline, f"no {name} in {self.events}"
            self.serving.between_frames()
            time.sleep(0.02)
        return found[0][2]


@pytest.fixture
def daemon(store, fake):
    """`daemon(Wish(...))`, closed at the end; its runtime behaves well at first."""
    fake()
    with ExitStack() as stack:
        yield lambda wish, **options: Daemon(store, stack, wish, **options)


@pytest.fixture
def built(store, model, fake):
    """The fake runtime's engine is in the store."""
    return make(store, Order(model, fake()))


def test_an_accepted_engine_serves_at_once(daemon, model, built):
    """Its figures are told."""
    assert built.accepted
    one = daemon(Wish(prefer="cuda"))
    session = one.open(model)
    choice = one.serving.models[model.id]
    assert (choice.name, choice.wished, one.serving.choice.wished) == ("cuda", True, True)
    assert choice.engine["status"] == "accepted"
    assert choice.engine["figures"]["cosine"] > 0.999
    assert session.run({"crops": CROPS})[0].shape == (2, 512)


def test_the_cpu_serves_until_the_engine_is_there_and_the_session_is_switched(daemon, model):
    """Degraded with the reason, then as wished; the event names model and runtime."""
    one = daemon(Wish(prefer="cuda"))
    session = one.open(model)
    before = session.run({"crops": CROPS})[0].copy()
    assert (one.serving.choice.wished, one.serving.choice.slug) == (False, "cuda-engine-absent")
    one.serving.start(one.stack)
    version = one.serving.version
    assert one.until("engine-rebuilt") == {
        "model": model.id, "runtime": "cuda", "precision": "fp32",
    }  # fmt: skip
    assert one.serving.version > version
    assert (one.serving.choice.name, one.serving.choice.slug) == ("cuda", "")
    assert one.serving.choice.wished
    after = session.run({"crops": CROPS})[0]
    assert np.abs(after - before).max() < 1e-3 * np.abs(before).max()


def test_sessions_are_switched_by_the_thread_that_runs_them(daemon, model, monkeypatch):
    """A ready engine waits until that thread has no frame in hand."""
    seen, usual = [], FakeEngines.open

    def told(self, folder, **options):
        seen.append(threading.get_ident())
        return usual(self, folder, **options)

    monkeypatch.setattr(FakeEngines, "open", told)
    one = daemon(Wish(prefer="cuda"))
    one.open(model)
    one.serving.start(one.stack)
    one.until("engine-rebuilt")
    assert seen == [threading.get_ident()]


def test_a_driver_that_changed_makes_the_engine_stale_and_it_is_built_again(
    daemon, model, built, fake, builds
):
    """The next best serves meanwhile; the reason says what changed."""
    assert built.accepted
    fake(identity={"driver": "999"})
    one = daemon(Wish(prefer="cuda"))
    one.open(model)
    assert one.serving.choice.slug == "cuda-engine-stale"
    assert "driver" in one.serving.choice.reason
    one.serving.start(one.stack)
    one.until("engine-rebuilt")
    assert len(builds()) == 2


def test_a_damaged_engine_is_never_loaded_and_built_again(daemon, store, model, built):
    """Its bytes are not those that were accepted."""
    artifact = store.home(model.id) / built.depends.key / "model.onnx"
    artifact.write_bytes(artifact.read_bytes()[:-64])
    one = daemon(Wish(prefer="cuda"))
    one.open(model)
    assert one.serving.models[model.id].name == "cpu"
    assert one.serving.choice.slug == "cuda-engine-damaged"
    one.serving.start(one.stack)
    one.until("engine-rebuilt")


def test_an_engine_that_does_not_open_leaves_the_old_one_serving(daemon, model, fake):
    """A trouble of the device, named; the session runs as before."""
    one = daemon(Wish(prefer="cuda"))
    session = one.open(model)
    one.serving.start(one.stack)
    while one.serving._ready.empty():
        time.sleep(0.02)
    fake(open="refuse")
    assert "no GPU" in one.until("engine-load-failed")["error"]
    assert one.serving.trouble == "engine-load-failed"
    assert not one.serving.choice.wished
    assert session.run({"crops": CROPS})[0].shape == (2, 512)


def test_a_build_that_fails_is_told_and_tried_again(daemon, model, fake):
    """The CPU goes on serving; a graph that cannot be built is not tried again."""
    fake(build="refuse")
    one = daemon(Wish(prefer="cuda"))
    one.open(model)
    one.serving.start(one.stack)
    told = one.until("engine-build-failed")
    assert told["model"] == model.id
    assert "no GPU" in told["error"]
    assert "again_in_s" in told
    fake(build="well")
    one.until("engine-rebuilt")


def test_a_graph_that_one_builder_does_not_take_is_built_for_the_next_best(daemon, model):
    """Trying again is of no use; the CPU need not serve for ever."""
    one = daemon(Wish(), more={"tensorrt": RefusingTensorRt})
    one.open(model)
    assert one.serving.models[model.id].name == "cpu"
    one.serving.start(one.stack)
    assert one.until("engine-rebuilt")["runtime"] == "cuda"
    assert "parser" in one.until("engine-build-failed")["error"]
    assert "not tensorrt" in one.serving.models[model.id].reason


def test_an_engine_out_of_bounds_never_serves(daemon, model, fake):
    """Built, run, compared with FP32, rejected."""
    fake(build="spoil")
    one = daemon(Wish(prefer="cuda"))
    one.open(model)
    one.serving.start(one.stack)
    assert "cosine" in one.until("engine-build-failed")["error"]
    assert one.serving.models[model.id].name == "cpu"


def test_a_required_runtime_without_an_engine_stops_the_start(daemon, model):
    """The error names the model and the command."""
    one = daemon(Wish(require="cuda"))
    with pytest.raises(EngineError, match=r"model w600k_r50: .*edged engines build w600k_r50"):
        one.open(model)


def test_a_required_runtime_that_cannot_work_stops_before_any_model(daemon):
    """Nothing is loaded first."""

    class NoDriver(FakeEngines):
        def identity(self):
            raise EngineError("no driver; install one")

    with pytest.raises(EngineError, match=r"cuda is required.*install one"):
        daemon(Wish(require="cuda"), backend=NoDriver)


def test_without_a_wish_a_missing_engine_is_no_trouble(daemon, model):
    """It is built all the same, and the reason says what serves until then."""
    one = daemon(Wish())
    one.open(model)
    assert one.serving.choice.wished
    assert "runs on cpu" in one.serving.choice.reason
    one.serving.start(one.stack)
    one.until("engine-rebuilt")


def test_without_background_builds_nothing_is_built(daemon, model, builds):
    """The operator said so, and builds by hand."""
    one = daemon(Wish(prefer="cuda"), background=False)
    one.open(model)
    one.serving.start(one.stack)
    assert (one.serving.figures(), list(builds())) == ({}, [])
    assert one.serving.models[model.id].name == "cpu"


def test_a_model_file_that_is_replaced_is_noticed_and_not_loaded(daemon, model):
    """What was loaded keeps running; the device says so until it is started anew."""
    one = daemon(Wish())
    session = one.open(model)
    before = session.run({"crops": CROPS})[0].copy()
    one.serving.start(one.stack)
    other = model.path.with_name("other")
    other.write_bytes(b"another model")
    other.replace(model.path)
    one.serving.look()
    told = one.until("model-replaced")
    assert "was replaced" in told["error"]
    assert str(model.path.parent) not in told["error"]
    assert one.serving.trouble == "model-replaced"
    assert np.array_equal(session.run({"crops": CROPS})[0], before)
