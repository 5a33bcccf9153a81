"""Sessions on onnxruntime: loading, running, failing without giving anything away."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edged.errors import EngineError, ModelError
from edged.runtime.onnx import OnnxSession
from edged.runtime.session import Meter


def model(path, kind=TensorProto.FLOAT, extents=("n", 3)):
    """Y = x + x for a tensor of this type and these extents."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["x"], ["z"])],
        "g",
        [helper.make_tensor_value_info("x", kind, extents)],
        [helper.make_tensor_value_info(name, kind, extents) for name in ("y", "z")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    onnx.save(made, str(path))
    return path


@pytest.fixture
def path(tmp_path):
    return model(tmp_path / "m.onnx")


def test_a_session_tells_its_tensors(path):
    """Names, dtypes, and None where the file leaves an extent open."""
    with OnnxSession(path, model_id="m", threads=1) as session:
        (spec,) = session.inputs
        assert (spec.name, spec.shape, spec.dtype) == ("x", (None, 3), np.float32)
        assert [s.name for s in session.outputs] == ["y", "z"]


def test_outputs_come_in_the_file_s_order(path):
    """Every output, as many as the file has."""
    with OnnxSession(path, model_id="m", threads=1) as session:
        out = session.run({"x": np.ones((2, 3), np.float32)})
    assert [o.shape for o in out] == [(2, 3), (2, 3)]


def test_runs_are_metered(path):
    """Time inside the runtime is counted."""
    meter = Meter()
    with OnnxSession(path, model_id="m", threads=1, meter=meter) as session:
        session.run({"x": np.ones((2, 3), np.float32)})
    assert meter.runs == 1
    assert meter.total_ns > 0


def test_outputs_of_one_run_outlive_the_next(path):
    """On the CPU every run has memory of its own."""
    with OnnxSession(path, model_id="m", threads=1) as session:
        first = session.run({"x": np.ones((1, 3), np.float32)})[0]
        session.run({"x": np.zeros((1, 3), np.float32)})
    assert first.all()


@pytest.mark.parametrize(
    "feeds",
    [{}, {"x": np.ones((1, 719), np.float32)}, {"x": np.ones((1, 3))}, {"w": np.ones((1, 3))}],
    ids=["nothing", "shape", "dtype", "name"],
)
def test_a_failed_run_says_nothing_of_its_input(path, feeds):
    """The runtime's text holds shapes of a frame; ours does not, nor does a cause."""
    with (
        OnnxSession(path, model_id="m", threads=1) as session,
        pytest.raises(EngineError, match="model m failed") as caught,
    ):
        session.run(feeds)
    assert "719" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_session_runs_only_inside_its_context(path):
    """Before and after, an error says so."""
    session = OnnxSession(path, model_id="m", threads=1)
    with pytest.raises(EngineError, match="not loaded"):
        session.run({})
    with session:
        pass
    with pytest.raises(EngineError, match="not loaded"):
        session.run({})


def test_an_absent_file_names_the_command(tmp_path):
    """The remedy is to pull it."""
    with pytest.raises(ModelError, match="edged models pull m"):
        OnnxSession(tmp_path / "m.onnx", model_id="m").__enter__()


def test_a_damaged_file_is_a_model_error(tmp_path):
    """The remedy is to verify it."""
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="edged models verify"):
        OnnxSession(tmp_path / "m.onnx", model_id="m").__enter__()


def test_a_type_that_no_stage_feeds_is_refused(tmp_path):
    """Strings are no tensors of ours."""
    path = model(tmp_path / "m.onnx", TensorProto.STRING)
    with pytest.raises(ModelError, match="no stage feeds"):
        OnnxSession(path, model_id="m").__enter__()


def test_threads_do_not_keep_cores_busy_between_runs():
    """Those of a model that has run would take the cores of the next one's.

    In a process of its own, whose processor time after a run is its threads' alone.
    """
    program = """
import time
import numpy as np
from onnx import TensorProto as T, helper as h, numpy_helper as n
from edged.runtime.onnx import OnnxSession
size = 512
x, y = (h.make_tensor_value_info(name, T.FLOAT, [size, size]) for name in "xy")
weight = n.from_array(np.ones((size, size), np.float32), "w")
graph = h.make_graph([h.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [weight])
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
with OnnxSession(model.SerializeToString(), model_id="m", threads=3) as session:
    spent = 0.0
    for _ in range(10):
        session.run({"x": np.ones((size, size), np.float32)})
        began = time.process_time()
        time.sleep(0.05)
        spent += time.process_time() - began
print(spent / 0.5)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert float(done.stdout) < 0.2
