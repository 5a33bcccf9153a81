"""Powers of two: the FP32 graph computes what it did, and the values on the way are small."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from precision_kit import crops, model, node, norm_net, picture_in, picture_out, run

from edged.errors import EngineError
from edged.onnx_writer import Graph
from edged.runtime.graph.tools import clone
from edged.runtime.precision.lift import lifted
from edged.runtime.precision.nodes import keys
from edged.runtime.precision.power import powered
from edged.runtime.precision.ranges import measure

FLOAT = TensorProto.FLOAT
CONV = "conv_5"
"""The first convolution of `norm_net`."""


@settings(max_examples=20, deadline=None)
@given(exponent=st.integers(-6, 16), gain=st.sampled_from([1.0, 1e3, 1e5]))
def test_a_norm_takes_the_power_out_exactly(exponent: int, gain: float) -> None:
    """Scaled convolution, scaled squares, scaled epsilon: the same bits at the end."""
    source = lifted(norm_net(gain=gain, epsilon=1e-5))
    made = powered(source, {CONV: exponent})
    onnx.checker.check_model(made, full_check=True)
    exact, given_ = run(source, crops(1)), run(made, crops(1))
    assert np.array_equal(exact["swapped"], given_["swapped"])
    assert not any(one.name.startswith("rescale") for one in made.graph.node)
    before, after = measure(source, [crops(1)]).peaks, measure(made, [crops(1)]).peaks
    assert after["conv"] == pytest.approx(before["conv"] / 2**exponent)
    assert after["squares"] == pytest.approx(before["squares"] / 4**exponent)


def chain() -> onnx.ModelProto:
    """Conv, bias, LeakyReLU, Resize, Clip with bounds, Add of another branch, Conv, Sigmoid."""
    rng = np.random.default_rng(1)
    graph = Graph()
    value = picture_in(graph)
    kernel = graph.constant(rng.standard_normal((4, 3, 3, 3)) * 2e4)
    offset = graph.constant(rng.standard_normal(4) * 1e4)
    value = graph.op("Conv", value, kernel, offset, to="large", pads=[1] * 4)
    value = graph.op("LeakyRelu", value, alpha=0.2)
    value = graph.op("Clip", value, graph.constant(-5e4), graph.constant(9e4))
    scales = graph.constant(np.array([1, 1, 1, 1], np.float32))
    value = graph.op("Resize", value, "", scales, mode="linear")
    other = graph.op("Conv", "t2", graph.constant(rng.standard_normal((4, 3, 1, 1))))
    value = graph.op("Concat", graph.op("Add", value, other), other, axis=1)
    last = graph.constant(rng.standard_normal((3, 8, 3, 3)) / 2e6)
    value = graph.op("Conv", value, last, graph.constant(np.ones(3) * 0.1), pads=[1] * 4)
    return picture_out(graph, graph.op("Tanh", value))


def test_the_next_convolution_takes_the_power_into_its_weights() -> None:
    """Through ReLU, bounds, Resize, Add and Concat; the other branch is scaled alike."""
    source = lifted(chain())
    source.graph.node[2].output[0]
    made = powered(source, {"conv_5": 12})
    onnx.checker.check_model(made, full_check=True)
    exact, given_ = run(source, crops(2)), run(made, crops(2))
    assert np.max(np.abs(exact["swapped"].astype(int) - given_["swapped"])) <= 1
    assert measure(made, [crops(2)]).peaks["large"] < 1e5 / 2**10
    added = [one for one in made.graph.node if one.name.startswith("rescale")]
    assert len(added) == 1  # the other branch, scaled once for both its readers


def test_a_node_that_is_not_homogeneous_gets_the_value_itself() -> None:
    """Before Sigmoid the power is taken back."""
    nodes = [node("Conv", ["x", "w"], ["a"]), node("Sigmoid", ["a"], ["y"])]
    ends = {"x": (FLOAT, [1, 2, 4, 4])}, {"y": (FLOAT, [1, 2, 4, 4])}
    weight = np.random.default_rng(2).standard_normal((2, 2, 1, 1)).astype(np.float32)
    source = model(nodes, *ends, {"w": weight})
    made = powered(source, {"n_a": 5})
    feeds = {"x": np.random.default_rng(3).standard_normal((1, 2, 4, 4)).astype(np.float32)}
    assert np.array_equal(run(source, feeds)["y"], run(made, feeds)["y"])
    assert [one.op_type for one in made.graph.node] == ["Conv", "Mul", "Sigmoid"]


@pytest.mark.parametrize("kind", ["InstanceNormalization", "LayerNormalization"])
def test_a_norm_operator_takes_the_power_into_its_epsilon(kind: str) -> None:
    """Epsilon / 4**exponent; with a large epsilon a forgotten one would show."""
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node(kind, ["a", "s", "b"], ["y"], epsilon=0.5),
    ]
    ends = {"x": (FLOAT, [1, 2, 4, 4])}, {"y": (FLOAT, [1, 2, 4, 4])}
    rng = np.random.default_rng(4)
    size = 2 if kind == "InstanceNormalization" else 4
    constants = {
        "w": rng.standard_normal((2, 2, 1, 1)).astype(np.float32),
        "s": np.ones(size, np.float32),
        "b": np.zeros(size, np.float32),
    }
    source = model(nodes, *ends, constants)
    feeds = {"x": rng.standard_normal((1, 2, 4, 4)).astype(np.float32)}
    given_ = run(powered(source, {"n_a": 6}), feeds)["y"]
    assert np.allclose(given_, run(source, feeds)["y"], rtol=1e-5, atol=1e-6)


def test_outputs_keep_their_values() -> None:
    """A scaled tensor that the graph gives out is scaled back under its name."""
    nodes = [node("Conv", ["x", "w"], ["y"]), node("Relu", ["y"], ["z"])]
    ends = {"x": (FLOAT, [1, 1, 2, 2])}, {name: (FLOAT, [1, 1, 2, 2]) for name in "yz"}
    source = model(nodes, *ends, {"w": np.full((1, 1, 1, 1), 3, np.float32)})
    feeds = {"x": np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)}
    exact, given_ = run(source, feeds), run(powered(source, {"n_y": 4}), feeds)
    assert all(np.array_equal(exact[name], given_[name]) for name in exact)


def test_a_shared_weight_is_scaled_for_one_reader_alone() -> None:
    """The other convolution of the same weight keeps it."""
    nodes = [
        node("Conv", ["x", "w"], ["a"]),
        node("Conv", ["x", "w"], ["b"]),
        node("Tanh", ["a"], ["c"]),
        node("Add", ["b", "c"], ["y"]),
    ]
    ends = {"x": (FLOAT, [1, 1, 2, 2])}, {"y": (FLOAT, [1, 1, 2, 2])}
    source = model(nodes, *ends, {"w": np.full((1, 1, 1, 1), 0.3, np.float32)})
    before = clone(source)
    feeds = {"x": np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)}
    assert np.array_equal(run(powered(source, {"n_a": 3}), feeds)["y"], run(source, feeds)["y"])
    assert source == before


def test_what_cannot_be_rescaled_is_refused() -> None:
    """A node that is absent, or that has no weights."""
    source = lifted(norm_net())
    with pytest.raises(EngineError, match="gone"):
        powered(source, {"gone": 3})
    with pytest.raises(EngineError, match="no convolution"):
        powered(source, {next(k for k in keys(source.graph.node) if k.startswith("relu")): 3})
