"""Builds that go wrong end as a clear error, and never as a wrong or half engine."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import onnx
import psutil
import pytest
from fakes.engines import HastyEngines

from edged.errors import EngineError, ModelError, OperatorError
from edged.recipe import Precision
from edged.runtime.build.make import Order, make
from edged.runtime.build.store import EngineStore, Found, Missing

BUILD_IN_A_PROCESS = """
import sys
from pathlib import Path
import msgspec
from fakes.engines import FakeEngines
from edged.recipe import load_recipe
from edged.runtime.build.make import Order, make
from edged.runtime.build.store import EngineStore
from edged.runtime.build.subject import Model
from edged.runtime.settings import BuildSettings
path, sha256, folder = sys.argv[1:]
model = Model(load_recipe("w600k_r50"), Path(path), sha256)
paper = make(EngineStore(BuildSettings(folder=Path(folder))), Order(model, FakeEngines()))
print(paper.status, paper.built.at_ms)
"""


def start(model, store):
    """A process that builds, as another edged would."""
    words = [str(model.path), model.sha256, str(store.settings.folder)]
    return subprocess.Popen(
        [sys.executable, "-c", BUILD_IN_A_PROCESS, *words], stdout=subprocess.PIPE, text=True
    )


def until(what):
    """Wait until something holds; a test's own time limit bounds it."""
    while not what():
        time.sleep(0.02)


def leftovers(store, model):
    """Everything in a model's home but its lock and the memo of its graph."""
    home = store.home(model.id)
    return sorted(path.name for path in home.iterdir()) if home.is_dir() else []


def test_a_builder_that_crashes_once_is_tried_again(store, model, fake, builds):
    """One segmentation fault costs an attempt, which the manifest counts."""
    paper = make(store, Order(model, fake(build="crash once")))
    assert paper.accepted
    assert (paper.built.attempts, len(builds())) == (2, 2)


def test_a_builder_that_always_crashes_is_given_up(store, model, fake, builds):
    """After two more attempts the error tells the signal and what to do."""
    with pytest.raises(EngineError, match=r"crashed 3 times: killed by SIGSEGV.*edged doctor"):
        make(store, Order(model, fake(build="crash")))
    assert len(builds()) == 3
    assert leftovers(store, model) == [".lock", "graph.json"]


def test_a_builder_that_exits_is_a_crash(store, model, fake):
    """An exit without an answer is told with its code."""
    with pytest.raises(EngineError, match="exit code 7"):
        make(store, Order(model, fake(build="exit")))


def test_an_error_of_the_parser_is_final(store, model, fake, builds):
    """What the builder says of the graph is not tried again."""
    with pytest.raises(ModelError, match="does not know node 7"):
        make(store, Order(model, fake(build="parser")))
    assert len(builds()) == 1


def test_a_build_that_hangs_is_ended(settings, model, fake):
    """Beyond its time a build is killed; nothing of it stays."""
    store = EngineStore(msgspec.structs.replace(settings, timeout_s=2.0))
    with pytest.raises(EngineError, match=r"more than 2 s.*engines\.timeout_s"):
        make(store, Order(model, fake(build="hang")))
    assert leftovers(store, model) == [".lock", "graph.json"]


def test_a_build_that_takes_too_much_memory_is_ended(settings, model, fake):
    """Its resident memory is watched from outside."""
    store = EngineStore(msgspec.structs.replace(settings, memory_mb=500))
    with pytest.raises(EngineError, match=r"MiB of memory, more than the 500 MiB"):
        make(store, Order(model, fake(build="hog")))
    assert isinstance(store.best(model, fake()), Missing)


def test_a_wrong_engine_is_put_aside(store, model, fake):
    """Outputs out of bounds: kept as rejected with its figures, never given out."""
    paper = make(store, Order(model, fake(build="spoil")))
    assert paper.status == "rejected"
    assert paper.verdict.figures["cosine"] < paper.verdict.bounds["cosine"] == 0.9995
    missing = store.best(model, fake())
    assert isinstance(missing, Missing)
    assert missing.state == "rejected"
    assert "cosine" in missing.reason
    assert [entry.rejected for entry in store.entries(model.id)] == [True]


def test_a_fast_form_that_is_wrong_gives_way_to_the_plain_one(store, model, fake, caplog):
    """It is said, and the engine is accepted without it."""
    fake()
    paper = make(store, Order(model, HastyEngines()))
    assert paper.accepted
    assert list(paper.files) == ["model.onnx"]
    assert "plain form is tried" in caplog.text
    assert "cosine" in caplog.text
    assert "plain form, since: cosine" in paper.precision_note
    assert isinstance(store.best(model, HastyEngines()), Found)


def test_a_good_build_ends_a_rejection(store, model, fake):
    """The verdict on an engine does not outlive it."""
    make(store, Order(model, fake(build="spoil")))
    make(store, Order(model, fake()))
    assert isinstance(store.best(model, fake()), Found)
    assert [entry.rejected for entry in store.entries(model.id)] == [False]


def test_a_forced_build_that_is_worse_does_not_replace_a_good_engine(store, model, fake):
    """What was accepted goes on serving."""
    make(store, Order(model, fake()))
    paper = make(store, Order(model, fake(build="spoil"), force=True))
    assert paper.status == "rejected"
    assert isinstance(store.best(model, fake()), Found)


@pytest.mark.parametrize(("wish", "words"), [("refuse", "there is no GPU"), ("crash", "SIGSEGV")])
def test_an_engine_that_cannot_run_here_is_only_built(store, model, fake, wish, words):
    """No GPU, or a loader that crashes: status `built`, and not to be loaded."""
    paper = make(store, Order(model, fake(open=wish)))
    assert (paper.status, paper.ran, paper.verdict) == ("built", None, None)
    assert words in paper.problem
    missing = store.best(model, fake())
    assert isinstance(missing, Missing)
    assert missing.state == "built"
    assert words in missing.reason


def test_what_was_only_built_is_accepted_later_without_a_build(store, model, fake, builds):
    """When the GPU is back, the comparison alone is made up for."""
    make(store, Order(model, fake(open="refuse")))
    paper = make(store, Order(model, fake()))
    assert paper.accepted
    assert len(builds()) == 1
    assert isinstance(store.best(model, fake()), Found)


def test_half_precision_without_a_plan_is_refused_on_demand(store, model, fake, builds):
    """Where FP16 is required, FP32 is no answer; the cure is named."""
    with pytest.raises(EngineError, match="half precision: it has no precision plan; make one"):
        make(store, Order(model, fake(), half=True))
    full = msgspec.structs.replace(model.recipe, precision=Precision(half="no"))
    with pytest.raises(EngineError, match="cannot be built in half precision: its recipe says"):
        make(store, Order(replace(model, recipe=full), fake(), half=True))
    assert len(builds()) == 0


def test_a_model_changed_since_it_was_looked_at_is_not_built(store, model, fake):
    """The worker builds the bytes that were asked for, or nothing."""
    model.path.write_bytes(model.path.read_bytes() + b"\x32\x01x")
    with pytest.raises(EngineError, match="was replaced"):
        make(store, Order(model, fake()))
    assert leftovers(store, model) == [".lock", "graph.json"] or not leftovers(store, model)


def test_a_killed_worker_is_a_crash_and_leaves_nothing(store, model, fake, builds):
    """A builder is killed (-9): tried again, and the engine is whole."""
    result = []
    order = Order(model, fake(build="hang"))
    thread = threading.Thread(target=lambda: result.append(make(store, order)))
    thread.start()
    until(builds)
    fake()
    os.kill(builds()[0], signal.SIGKILL)
    thread.join()
    assert result[0].accepted
    assert result[0].built.attempts == 2


def test_a_killed_parent_takes_the_worker_along(store, model, fake, builds):
    """Edged is killed (-9): the builder ends with it, and the next build sweeps and succeeds."""
    fake(build="hang")
    parent = start(model, store)
    until(builds)
    worker = builds()[0]
    parent.kill()
    parent.wait()
    until(lambda: not psutil.pid_exists(worker))
    assert [name for name in leftovers(store, model) if name.startswith(".partial-")]
    assert isinstance(store.best(model, fake()), Missing)
    assert make(store, Order(model, fake())).accepted
    assert not [name for name in leftovers(store, model) if name.startswith(".partial-")]


def test_an_interrupted_build_leaves_nothing(store, model, fake):
    """Ctrl-C: no process, no partial folder."""

    def interrupt(phase, _share):
        if phase == "build":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(store, Order(model, fake(build="hang"), progress=interrupt))
    assert leftovers(store, model) == [".lock", "graph.json"]


def test_a_stopped_build_ends_soon(store, model, fake, builds):
    """The daemon's stop does not wait for a builder."""
    stop = threading.Event()
    order = Order(model, fake(build="hang"), stop=stop)

    def stop_when_begun():
        until(builds)
        stop.set()

    threading.Thread(target=stop_when_begun).start()
    with pytest.raises(EngineError, match="was stopped"):
        make(store, order)
    assert leftovers(store, model) == [".lock", "graph.json"]


def test_two_builds_at_once_give_one_build(store, model, fake, builds):
    """The second process waits and takes the first one's engine."""
    fake(build="slow")
    both = [start(model, store), start(model, store)]
    answers = [process.communicate()[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert answers[0] == answers[1]
    assert answers[0][0] == "accepted"
    assert len(builds()) == 1


def test_a_full_disk_is_told_before_the_build(store, model, fake, builds, monkeypatch):
    """Too little room is an error with its cure, and no build is begun."""
    nothing = SimpleNamespace(total=1 << 30, used=1 << 30, free=0)
    monkeypatch.setattr("edged.runtime.build.room.shutil.disk_usage", lambda _path: nothing)
    with pytest.raises(OperatorError, match=r"MiB are free; make room.*engines\.folder"):
        make(store, Order(model, fake()))
    assert len(builds()) == 0


def test_a_disk_that_fills_up_during_the_build_leaves_nothing(store, model, fake):
    """A write that finds no room (here: RLIMIT_FSIZE) is the operator's, with the cure."""
    store.subject(model)  # the memo is written before the limit bites
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OperatorError, match=r"disk is full.*make room"):
            make(store, Order(model, fake()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert leftovers(store, model) == [".lock", "graph.json"]
    assert isinstance(store.best(model, fake()), Missing)


def test_a_power_cut_between_two_renames_costs_no_engine(store, model, fake, builds):
    """The old engine had been moved aside, the new one was not yet in place."""
    paper = make(store, Order(model, fake()))
    folder = store.home(model.id) / paper.depends.key
    folder.rename(folder.with_name(f".old-{folder.name}"))
    assert isinstance(store.best(model, fake()), Missing)
    assert make(store, Order(model, fake())) == paper
    assert isinstance(store.best(model, fake()), Found)
    assert len(builds()) == 1


def test_a_graph_that_mixes_faces_up_is_built_for_one_face(store, model, fake):
    """A public re-export does: each face alone is right, together they are not."""
    network = onnx.load(model.path)
    (out,) = network.graph.output
    last = next(node for node in network.graph.node if out.name in node.output)
    last.output[:] = ["apart"]
    mean = onnx.helper.make_node("ReduceMean", ["apart"], ["all"], axes=[0], keepdims=1)
    network.graph.node.extend([mean, onnx.helper.make_node("Add", ["apart", "all"], [out.name])])
    model.path.write_bytes(network.SerializeToString())
    mixer = replace(model, sha256=hashlib.sha256(model.path.read_bytes()).hexdigest())
    paper = make(store, Order(mixer, fake()))
    assert paper.accepted
    assert paper.verdict.batches == (1,)
    assert "does not keep several apart" in paper.precision_note


def test_progress_names_every_phase(store, model, fake):
    """A person sees what takes the time."""
    seen = []
    make(store, Order(model, fake(), progress=lambda phase, _share: seen.append(phase)))
    assert [*dict.fromkeys(seen)] == [
        "look at the model", "read the model", "prepare the graph", "prove the batch",
        "write the graph", "build", "compile", "hash the engine", "FP32 reference",
        "trial load", "compare with FP32", "measure batch 4",
    ]  # fmt: skip


def test_the_manifest_is_json_that_a_person_can_read(store, model, fake):
    """It holds hashes, versions and figures, each under its name."""
    paper = make(store, Order(model, fake()))
    text = (store.home(model.id) / paper.depends.key / "manifest.json").read_text()
    read = json.loads(text)
    assert read["depends"]["identity"]["onnxruntime"] == "1.0"
    assert read["verdict"]["figures"] == {"cosine": 1.0}
    assert text.count("\n") > 30
