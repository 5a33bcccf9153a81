"""The builder's own work: what it checks, what it says, what it passes on.

Parser and builder are TensorRT-RTX's behind the 11.4 bindings (see `native_kit`), in a process
of their own; what those never do (lose a type, run out of memory) is done by small fakes.
"""

import enum
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import native_kit
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edged.errors import EngineError, ModelError
from edged.onnx_writer import Graph
from edged.runtime.backend import Profile, Shapes
from edged.runtime.settings import BuildSettings
from edged.runtime.trt import builder

VEHICLE = Path(__file__).parent / "vehicle.py"
ONE = Profile({"x": Shapes((1, 3, 8, 8), (2, 3, 8, 8), (4, 3, 8, 8))})


def small(*, half=True):
    """A convolution in half precision between casts, or in full."""
    graph = Graph()
    kind = np.float16 if half else np.float32
    weights = graph.exact(np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(kind))
    value = graph.cast("x", TensorProto.FLOAT16) if half else "x"
    made = graph.op("Conv", value, weights, pads=[1] * 4)
    graph.cast(graph.op("Relu", made), TensorProto.FLOAT, to="y")
    return graph.model("small", {"x": ["n", 3, 8, 8]}, {"y": ["n", 4, 8, 8]})


@pytest.fixture
def build(native_tree, tmp_path):
    """`build(model, profile)`: what our builder says over TensorRT-RTX, in its own process."""

    def run(model, profile=ONE, version="11.4", *, rtx=True, cache=b"", stop=""):
        file = tmp_path / "model.onnx"
        file.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        (tmp_path / "cache").write_bytes(cache)
        told = (msgspec.json.encode(profile).decode(), str(tmp_path / "cache"), stop)
        words = [sys.executable, str(VEHICLE), str(file), *told]
        done = subprocess.run(
            words,
            env=native_kit.environment(native_tree(version, rtx=rtx)),
            capture_output=True, text=True, check=False, timeout=100,
        )  # fmt: skip
        assert done.returncode == 0, (done.returncode, done.stderr[-500:])
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("half", [False, True])
def test_a_graph_becomes_a_plan(build, half):
    """What it has in half precision is counted; a full-precision graph has none."""
    said = build(small(half=half))
    assert said["plan_bytes"] > 1000
    assert (said["half_tensors"] > 0) is half
    assert said["layers"] > 2


def test_progress_goes_from_parsing_to_the_end(build):
    """Phases come with shares from 0 to 1, and the last one says that all is done."""
    told = build(small())["progress"]
    assert told[0] == ["parse", 0.0]
    assert told[-1] == ["build", 1.0]
    assert len({phase for phase, _ in told}) >= 3, "the library's own phases are missing"
    assert all(0 <= share <= 1 for _, share in told)


def test_a_listener_that_raises_stops_the_build_in_the_middle(build):
    """Its own error comes out, from below the library's C++."""
    said = build(small(), stop="Building engine")
    assert (said["error"], said["text"]) == ("EngineError", "stopped in Building engine")


def test_an_unknown_operator_is_named_with_its_node(build):
    """A graph that cannot be built is the model's fault, not the builder's."""
    model = small()
    node = helper.make_node("Nonsense", ["t1"], ["dead"], name="odd_one", domain="nowhere")
    model.graph.node.append(node)
    model.graph.output.append(helper.make_tensor_value_info("dead", TensorProto.FLOAT, None))
    model.opset_import.append(helper.make_opsetid("nowhere", 1))
    said = build(model)
    assert said["error"] == "ModelError"
    assert "node odd_one (Nonsense)" in said["text"]


def test_mixed_types_are_refused_by_the_parser(build):
    """An operator between half and full precision is no network: strong types see it."""
    model = small()
    graph = model.graph
    graph.node.append(helper.make_node("Add", ["t2", "x2"], ["z"], name="mixes"))
    graph.initializer.append(onnx.numpy_helper.from_array(np.ones((1, 4, 8, 8), np.float32), "x2"))
    graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 4, 8, 8]))
    said = build(model)
    assert said["error"] == "ModelError"
    assert "mixes (Add)" in said["text"]


def test_a_file_that_is_no_onnx_is_a_model_error(build):
    """Nothing of TensorRT is asked about it."""
    assert build(b"\xff\xfe no graph")["error"] == "ModelError"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"y": ONE.inputs["x"]}, "the profile is for inputs"),
        ({"x": Shapes((1, 3, 9, 8), (1, 3, 9, 8), (1, 3, 9, 8))}, "in the profile"),
        ({"x": Shapes((1, 3, 8), (1, 3, 8), (1, 3, 8))}, "in the profile"),
    ],
)
def test_a_profile_for_another_graph_is_refused(build, inputs, words):
    """Names, ranks and fixed extents must be the file's."""
    said = build(small(), Profile(inputs))
    assert said["error"] == "ModelError"
    assert words in said["text"]


def test_a_timing_cache_of_something_else_is_left(build):
    """A damaged or foreign one costs time, never a build."""
    assert build(small(), cache=b"not a timing cache" * 20)["plan_bytes"] > 1000


@pytest.mark.parametrize("version", list(native_kit.VERSIONS))
def test_without_a_driver_the_builder_is_an_error_with_a_cure(build, version):
    """NVIDIA's factory gives a null pointer then; no crash, no TypeError."""
    said = build(small(), version=version, rtx=False)
    assert said["error"] == "EngineError"
    assert "edged doctor" in said["text"]


class Tensor:
    """One tensor of a fake network."""

    def __init__(self, name, dtype, shape=(-1, 3, 8, 8)):
        self.name, self.dtype, self.shape = name, dtype, shape


class Fake:
    """A TensorRT that takes any file and answers as it is told."""

    __version__ = "0.0"
    NetworkDefinitionCreationFlag = enum.Enum("Flag", "STRONGLY_TYPED")

    def __init__(self, kinds, plan=b"plan", error=""):
        self.DataType = kinds
        self.plan, self.error = plan, error

    def network(self, **changed):
        """Tensors of `small()`, some changed."""
        kinds = self.DataType
        types = {"x": kinds.FLOAT, "t1": kinds.HALF, "t2": kinds.HALF, "y": kinds.FLOAT} | changed
        return [Tensor(name, kind) for name, kind in types.items()]


@pytest.fixture
def network(told_types):
    """`network(t1="FLOAT")`: a parsed network of `small()` with a type changed."""
    fake = Fake(told_types)

    class Layer:
        """A layer with one output."""

        num_outputs = 1

        def __init__(self, tensor):
            self.get_output = lambda _: tensor

    class Network:
        """Layers, an input, an output."""

        num_inputs = num_outputs = 1

        def __init__(self, changed):
            tensors = fake.network(**{k: getattr(told_types, v) for k, v in changed.items()})
            self.layers = [Layer(tensor) for tensor in tensors[1:]]
            self.num_layers = len(self.layers)
            self.get_layer = self.layers.__getitem__
            self.get_input = lambda _: tensors[0]
            self.get_output = lambda _: tensors[-1]

    return fake, lambda **changed: Network(changed)


@pytest.fixture
def told_types():
    """The types by name."""
    return enum.Enum("DataType", "FLOAT HALF INT8 UINT8 INT32 INT64 BOOL")


def test_a_tensor_that_lost_its_type_is_an_error(network):
    """An engine in another precision than planned is never taken, and never unseen."""
    fake, make = network
    types = builder._types(fake, small())
    assert builder._check_types(fake, make(), types, 0) == 2
    with pytest.raises(EngineError, match=r"makes FLOAT of tensor t2.*as HALF"):
        builder._check_types(fake, make(t2="FLOAT"), types, 0)


def test_a_network_without_half_where_the_file_has_it_is_an_error(network):
    """Also when the parser renamed every tensor, so that none can be compared."""
    fake, make = network
    types = {f"renamed {name}": kind for name, kind in builder._types(fake, small()).items()}
    full = make(t1="FLOAT", t2="FLOAT")
    with pytest.raises(EngineError, match="in full precision"):
        builder._check_types(fake, full, types, 0)


def test_a_weakly_typed_network_is_counted_by_what_it_was_held_to(network):
    """Its inner tensors have no types of their own, its inputs and outputs do."""
    fake, make = network
    fake.NetworkDefinitionCreationFlag = enum.Enum("Flag", "EXPLICIT_BATCH")
    types = builder._types(fake, small())
    plain = make(t1="FLOAT", t2="FLOAT")
    assert builder._check_types(fake, plain, types, 2) == 2
    with pytest.raises(EngineError, match="in full precision"):
        builder._check_types(fake, plain, types, 0)
    with pytest.raises(EngineError, match="makes HALF of tensor y"):
        builder._check_types(fake, make(y="HALF"), types, 2)


def test_int64_becomes_int32_only_where_there_is_no_int64(told_types):
    """8.6 narrows it; later versions must not."""
    graph = Graph()
    graph.cast("x", TensorProto.INT64, to="y")
    model = graph.model("ints", {"x": [1]}, {"y": [1]}, {"y": TensorProto.INT64})
    old = Fake(enum.Enum("DataType", "FLOAT HALF INT8 UINT8 INT32 BOOL"))
    assert builder._types(old, model)["y"].name == "INT32"
    assert builder._types(Fake(told_types), model)["y"].name == "INT64"


class Logger:
    """Keeps errors, as ours does."""

    def __init__(self, *errors):
        self.errors = errors


def test_a_build_without_memory_is_told_from_one_that_failed():
    """The cure is another one."""
    short = str(builder._failed(Logger("autotuning", "CUDA error: out of memory")))
    assert "engines.workspace_mb" in short
    other = str(builder._failed(Logger("no implementation for node conv_1")))
    assert "conv_1" in other
    assert "workspace" not in other


def test_a_model_file_that_is_gone_is_the_disks_fault(tmp_path):
    """As the engine store wants it: an OSError."""
    with pytest.raises(OSError, match="none"):
        builder.build_plan(None, tmp_path / "none.onnx", ONE, BuildSettings(), lambda *_: None)


def test_what_the_listener_raises_ends_the_build(tmp_path):
    """Before TensorRT is asked for anything, too."""
    file = tmp_path / "small.onnx"
    onnx.save(small(), file)

    def stop(_phase, _share):
        raise ModelError("enough")

    with pytest.raises(ModelError, match="enough"):
        builder.build_plan(None, file, ONE, BuildSettings(), stop)
