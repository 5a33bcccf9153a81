"""The mixed graph: what becomes FP16, what keeps its type, and how few casts there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from precision_kit import SIZE, crops, half, kinds, model, node, norm_net, run

from edged.errors import EngineError, ModelError
from edged.runtime.graph.tools import structure_digest
from edged.runtime.precision.convert import mixed, to_mixed
from edged.runtime.precision.lift import lifted
from edged.runtime.precision.nodes import keys
from edged.runtime.precision.plan import PrecisionPlan

FLOAT, HALF, INT64, UINT8 = (
    TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.UINT8,
)  # fmt: skip
X = {"x": (FLOAT, [1, 4])}
Y = {"y": (FLOAT, [1, 4])}
FEED = {"x": np.array([[0.5, 1.0, -2.0, 3.0]], np.float32)}


def casts(made: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [one for one in made.graph.node if one.op_type == "Cast"]


def test_everything_between_the_ends_is_half() -> None:
    """Weights and activations are FP16; inputs and outputs keep their types."""
    made = half(norm_net(epsilon=1e-3))
    types = kinds(made)
    assert types["crops"] == types["swapped"] == UINT8
    assert types["checks"] == FLOAT
    kept = [one.name for one in made.graph.initializer if one.data_type == FLOAT]
    assert not kept
    ends = {(one.input[0], one.output[0]) for one in casts(made)}
    assert ends >= {("crops", "pixels"), ("checks__half", "checks")}
    assert len(ends) == 3  # and the one to uint8


def test_a_node_of_the_plan_stays_in_fp32_between_two_casts() -> None:
    """One cast in, one out, and its weights in FP32."""
    made = half(norm_net(epsilon=1e-3), "conv_5")
    plain = half(norm_net(epsilon=1e-3))
    assert len(casts(made)) == len(casts(plain)) + 2
    conv = next(one for one in made.graph.node if one.name == "conv_5")
    assert {kinds(made)[name] for name in (*conv.input, *conv.output)} == {FLOAT}


def test_fp32_neighbours_have_no_cast_between_them() -> None:
    """Two FP32 nodes and the Reshape between them are one island."""
    nodes = [
        node("Exp", ["x"], ["a"]),
        node("Exp", ["a"], ["b"]),
        node("Reshape", ["b", "shape"], ["c"]),
        node("Exp", ["c"], ["d"]),
        node("Tanh", ["d"], ["y"]),
    ]
    source = model(nodes, X, Y, {"shape": np.array([1, 4])})
    made = half(source, "n_b", "n_d")
    assert [one.op_type for one in made.graph.node] == [
        "Cast", "Exp", "Cast", "Exp", "Reshape", "Exp", "Cast", "Tanh", "Cast",
    ]  # fmt: skip


def test_a_tensor_is_cast_once_for_all_its_readers() -> None:
    """Three FP32 readers share one cast."""
    nodes = [node("Tanh", ["x"], ["a"])]
    nodes += [node("Exp", ["a"], [f"e{i}"]) for i in range(3)]
    nodes += [node("Sum", ["e0", "e1", "e2"], ["y"])]
    made = half(model(nodes, X, Y, {}), "n_e0", "n_e1", "n_e2")
    assert sum(one.input[0] == "a" for one in casts(made)) == 1


def test_a_plan_for_a_node_that_is_not_there_is_refused() -> None:
    """It was made for another graph."""
    with pytest.raises(EngineError, match="no_such_node"):
        mixed(lifted(norm_net()), ["no_such_node"])


def test_a_plan_for_another_graph_is_refused() -> None:
    """The digest of the structure is compared before anything is made."""
    source = norm_net()
    plan = PrecisionPlan(
        recipe="small", model_sha256="0" * 64, structure_digest=structure_digest(source)
    )
    to_mixed(source, plan)
    with pytest.raises(EngineError, match="another graph"):
        to_mixed(norm_net(gain=2.0), plan)


def test_the_argument_is_left_as_it_was() -> None:
    """A model may be converted twice."""
    source = lifted(norm_net())
    before = source.SerializeToString(deterministic=True)
    mixed(source, ["conv_5"])
    assert source.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("value", [1e5, -7e4, 1e-6])
def test_a_constant_out_of_range_keeps_its_node_in_fp32(value: float) -> None:
    """65504 is the end; a lone epsilon below 2**-14 would lose its bits."""
    source = model(
        [node("Add", ["x", "c"], ["a"]), node("Tanh", ["a"], ["y"])],
        X, Y, {"c": np.array(value, np.float32)},
    )  # fmt: skip
    made = half(source)
    types = kinds(made)
    assert types["a"] == FLOAT
    assert types[made.graph.node[-1].input[0]] == HALF
    assert np.allclose(run(made, FEED)["y"], run(source, FEED)["y"], atol=1e-3)


def test_an_infinite_bound_of_clip_stays_one() -> None:
    """Exporters write clamp(min=0) as Clip(0, 3.4e38): no reason for FP32."""
    constants = {"low": np.array(0, np.float32), "high": np.array(3.4e38, np.float32)}
    source = model([node("Clip", ["x", "low", "high"], ["y"])], X, Y, constants)
    made = half(source)
    bounds = [one for one in made.graph.initializer if one.data_type == HALF]
    assert sorted(float(numpy_helper.to_array(one)) for one in bounds) == [0.0, np.inf]
    assert np.array_equal(run(made, FEED)["y"], run(source, FEED)["y"])


def test_single_small_weights_do_not_keep_a_convolution_in_fp32() -> None:
    """They are rounded as IEEE 754 says, some to zero, beside others of normal size."""
    weight = np.array([[[[1.0]], [[1e-9]], [[3e-8]]]], np.float32)
    source = model(
        [node("Conv", ["x", "w"], ["y"])],
        {"x": (FLOAT, [1, 3, 2, 2])}, {"y": (FLOAT, [1, 1, 2, 2])}, {"w": weight},
    )  # fmt: skip
    made = half(source)
    stored = next(one for one in made.graph.initializer if one.data_type == HALF)
    assert np.array_equal(numpy_helper.to_array(stored), weight.astype(np.float16))


def traps(opset: int) -> onnx.ModelProto:
    """Own casts, constants of all kinds, index arithmetic, Resize, ConstantOfShape, Clip."""
    cast_like, none = opset >= 15, "" if opset >= 13 else "none"
    nodes = [
        node("Cast", ["x"], ["own"], to=FLOAT),
        node("Shape", ["own"], ["shape"]),
        # Sizes computed in floats, as torch exports interpolate().
        node("Gather", ["shape", "two"], ["side"], axis=0),
        node("Cast", ["side"], ["side_f"], to=FLOAT),
        node("Mul", ["side_f", "twice"], ["doubled"]),
        node("Floor", ["doubled"], ["floored"]),
        node("Cast", ["floored"], ["wide"], to=INT64),
        node("Unsqueeze", ["wide"], ["wide_1"], axes=[0])
        if opset < 13
        else node("Unsqueeze", ["wide", "zero"], ["wide_1"]),
        node("Slice", ["shape", "zero", "two_1"], ["head"]),
        node("Concat", ["head", "wide_1", "wide_1"], ["sizes"], axis=0),
        node("Resize", ["own", "roi", none, "sizes"], ["large"], mode="linear"),
        node("Constant", [], ["gain"], value=numpy_helper.from_array(np.array(0.5, np.float32)))
        if opset < 12
        else node("Constant", [], ["gain"], value_float=0.5),
        node("Mul", ["large", "gain"], ["soft"]),
        node("Clip", ["soft", "low", "high"], ["clipped"]),
        node("Shape", ["clipped"], ["shape2"]),
        node("ConstantOfShape", ["shape2"], ["ones"],
             value=numpy_helper.from_array(np.array([1], np.float32))),
        node("Range", ["start", "stop", "step"], ["ramp"]),
        node("Add", ["clipped", "ones"], ["raised"]),
        node("CastLike", ["flag", "raised"], ["flag_f"])
        if cast_like
        else node("Cast", ["flag"], ["flag_f"], to=FLOAT),
        node("Mul", ["raised", "flag_f"], ["kept"]),
        node("Greater", ["kept", "gain"], ["mask"]),
        node("Where", ["mask", "kept", "ramp"], ["y"]),
    ]  # fmt: skip
    constants: dict[str, Any] = {
        "two": np.array(2),
        "twice": np.array(2.0, np.float32),
        "zero": np.array([0]),
        "two_1": np.array([2]),
        "roi": np.array([], np.float32),
        "none": np.array([], np.float32),
        "low": np.array(-1, np.float32),
        "high": np.array(1, np.float32),
        "start": np.array(0, np.float32),
        "stop": np.array(8, np.float32),
        "step": np.array(1, np.float32),
    }
    return model(
        nodes,
        {"x": (FLOAT, [1, 3, 4, 4]), "flag": (TensorProto.BOOL, [1])},
        {"y": (FLOAT, [1, 3, 8, 8]), "wide": (INT64, [])},
        constants,
        opset,
    )


@pytest.mark.parametrize("opset", range(11, 18))
def test_a_models_own_casts_constants_and_sizes_survive(opset: int) -> None:
    """Opset 11 to 17: checked, loaded, strictly typed, the same sizes and nearly the numbers."""
    source = traps(opset)
    made = half(source)
    rng = np.random.default_rng(opset)
    feeds = {"x": rng.standard_normal((1, 3, 4, 4)).astype(np.float32), "flag": np.array([True])}
    exact, given_ = run(source, feeds), run(made, feeds)
    assert given_["wide"] == exact["wide"] == 8
    assert np.allclose(given_["y"], exact["y"], atol=5e-3)
    types = kinds(made)
    assert types["soft"] == types["clipped"] == types["kept"] == HALF
    assert types["doubled"] == types["ramp"] == FLOAT


def test_sizes_above_2048_are_exact() -> None:
    """Index arithmetic in floats stays in FP32: FP16 would make 2049 into 2048."""
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Cast", ["shape"], ["f"], to=FLOAT),
        node("Mul", ["f", "one"], ["g"]),
        node("Cast", ["g"], ["y"], to=INT64),
    ]
    source = model(
        nodes, {"x": (FLOAT, ["n"])}, {"y": (INT64, [1])}, {"one": np.ones(1, np.float32)}
    )
    assert run(half(source), {"x": np.zeros(2049, np.float32)})["y"] == [2049]


def test_subgraphs_stay_in_fp32_and_see_what_they_capture() -> None:
    """If and Loop read outer tensors by name; these must be there in FP32."""
    then = helper.make_graph(
        [helper.make_node("Mul", ["a", "scale"], ["t"])], "then", [],
        [helper.make_tensor_value_info("t", FLOAT, None)],
    )  # fmt: skip
    other = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["e"])], "else", [],
        [helper.make_tensor_value_info("e", FLOAT, None)],
    )  # fmt: skip
    nodes = [
        node("Tanh", ["x"], ["a"]),
        node("Exp", ["a"], ["b"]),
        node("If", ["flag"], ["c"], then_branch=then, else_branch=other),
        node("Add", ["b", "c"], ["y"]),
    ]
    inputs = {**X, "flag": (TensorProto.BOOL, [])}
    source = model(nodes, inputs, Y, {"scale": np.array(3, np.float32)})
    made = half(source)
    for flag in (True, False):
        feeds = {**FEED, "flag": np.array(flag)}
        assert np.allclose(run(made, feeds)["y"], run(source, feeds)["y"], rtol=2e-3)
    assert kinds(made)["a"] == FLOAT
    assert kinds(made)["b"] == HALF


def test_an_output_that_is_read_further_on_is_there_in_both_precisions() -> None:
    """Its name belongs to the FP32 output."""
    nodes = [node("Tanh", ["x"], ["y"]), node("Exp", ["y"], ["z"])]
    source = model(nodes, X, {**Y, "z": (FLOAT, [1, 4])}, {})
    made = half(source)
    exact, given_ = run(source, FEED), run(made, FEED)
    assert all(np.allclose(exact[name], given_[name], rtol=2e-3) for name in exact)


def test_functions_of_the_model_are_inlined() -> None:
    """A local function would hide its floats from the conversion."""
    made = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    call = helper.make_node("Twice", ["x"], ["t"], domain="own", name="call")
    graph = model([node("Tanh", ["x"], ["y"])], X, Y, {}).graph
    graph.node.insert(0, call)
    graph.node[1].input[0] = "t"
    source = helper.make_model(
        graph, functions=[made],
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("own", 1)],
    )  # fmt: skip
    source.ir_version = 8
    result = half(source)
    assert [one.op_type for one in result.graph.node] == ["Cast", "Add", "Tanh", "Cast"]


def test_an_operator_that_is_not_onnxs_is_named() -> None:
    """An optimised copy of a model has a runtime's own operators; types are lost there."""
    nodes = [
        helper.make_node("FusedThing", ["x"], ["a"], domain="com.example", name="fused"),
        node("Tanh", ["a"], ["y"]),
    ]
    graph = model([node("Tanh", ["x"], ["y"])], X, Y, {}).graph
    del graph.node[:]
    graph.node.extend(nodes)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.example", 1)]
    source = helper.make_model(graph, opset_imports=opsets)
    with pytest.raises(ModelError, match="fused"):
        mixed(lifted(source), [])


def test_an_array_that_no_node_reads_is_kept() -> None:
    """Inswapper's embedding map is one."""
    source = norm_net()
    source.graph.initializer.append(numpy_helper.from_array(np.ones((4, 4), np.float32), "buff2fs"))
    kept = {one.name: one for one in half(source).graph.initializer}
    assert kept["buff2fs"].data_type == FLOAT


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_set_of_nodes_can_stay_in_fp32(data: st.DataObject) -> None:
    """Whatever the plan: checker-clean, sorted, strictly typed, and near FP32's answer."""
    source = norm_net(epsilon=1e-3)
    labels = keys(source.graph.node)
    chosen = data.draw(st.sets(st.sampled_from(labels)))
    made = half(source, *chosen)
    for first in casts(made):
        readers = [one for one in made.graph.node if first.output[0] in one.input]
        assert readers or first.output[0] in {"swapped", "checks"}
        assert not any(one.op_type == "Cast" and one.output[0] == first.input[0] and
                       kinds(made)[one.input[0]] == FLOAT for one in casts(made))  # fmt: skip
    exact, given_ = run(source, crops(1)), run(made, crops(1))
    assert exact["swapped"].shape == (2, SIZE, SIZE, 3)
    assert np.max(np.abs(exact["swapped"].astype(int) - given_["swapped"])) <= 2
