"""Order, names, pruning, inference and digests of ONNX graphs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edged.errors import ModelError
from edged.onnx_writer import Graph
from edged.runtime.graph import tools


@pytest.fixture
def model():
    """Y = relu(x * k) + k, and an unread constant."""
    graph = Graph()
    k = graph.constant(np.array([2.0, 3.0], np.float32), "k")
    graph.op("Add", graph.op("Relu", graph.op("Mul", "x", k)), k, to="y")
    graph.constant(np.ones((64, 64), np.float32), "unread")
    return graph.model("m", {"x": ("n", 2)}, {"y": ("n", 2)})


def shuffled(model):
    """The same with its nodes backwards."""
    copy = tools.clone(model)
    tools.replace_nodes(copy, list(reversed(copy.graph.node)))
    return copy


def test_sorting_puts_every_node_after_what_it_reads(model):
    """A graph whose nodes are backwards is no valid ONNX until it is sorted."""
    wrong = shuffled(model)
    with pytest.raises(ModelError, match="no valid ONNX"):
        tools.checked(wrong)
    tools.toposort(wrong)
    assert tools.checked(wrong).graph.node == model.graph.node


def test_a_sorted_graph_stays_as_it_was(model):
    """Sorting moves only what stands wrong."""
    before = model.SerializeToString()
    tools.toposort(model)
    assert model.SerializeToString() == before


def test_a_circle_is_refused(model):
    """A graph that feeds itself cannot be sorted."""
    model.graph.node[0].input[0] = "y"
    with pytest.raises(ModelError, match="circle"):
        tools.toposort(model)


def test_pruning_drops_what_no_output_needs(model):
    """Nodes and constants that feed nothing go, the others stay."""
    model.graph.node.append(helper.make_node("Neg", ["x"], ["lost"], name="lost"))
    tools.prune(model)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Relu", "Add"]
    assert [tensor.name for tensor in model.graph.initializer] == ["k"]


def test_renaming_reaches_every_place(model):
    """Inputs, outputs, constants and nodes name the tensor alike afterwards."""
    tools.rename(model, {"x": "net/x", "k": "net/k", "y": "out"})
    tools.checked(model)
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("net/x", "out")


def test_nodes_get_names_of_their_own(model):
    """Unnamed nodes are called as their output, double names are told apart."""
    for node in model.graph.node:
        node.name = ""
    model.graph.node[0].name = "y"
    tools.name_nodes(model)
    assert [node.name for node in model.graph.node] == ["y", model.graph.node[1].output[0], "y#2"]


def test_shapes_follow_concrete_inputs(model):
    """Extents that the file leaves open are known once the input's are."""
    assert tools.static_shapes(model, {"x": (5, 2)})["y"] == (5, 2)
    assert "y" not in tools.static_shapes(model, {})


def test_a_digest_knows_nodes_names_and_weights(model):
    """Equal graphs agree, also when weights are stored another way; changes show."""
    digest = tools.structure_digest(model)
    same = tools.clone(model)
    tensor = same.graph.initializer[0]
    values = numpy_helper.to_array(tensor)
    tensor.ClearField("raw_data")
    tensor.float_data.extend(values.tolist())
    assert tools.structure_digest(same) == digest
    for change in (_other_weight, _other_name, _other_attribute):
        other = tools.clone(model)
        change(other)
        assert tools.structure_digest(other) != digest


def _other_weight(model):
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([2, 4], np.float32), "k"))


def _other_name(model):
    tools.rename(model, {"x": "z"})


def _other_attribute(model):
    model.graph.node[1].CopyFrom(
        helper.make_node("LeakyRelu", list(model.graph.node[1].input),
                         list(model.graph.node[1].output), alpha=0.1)
    )  # fmt: skip


def test_constant_nodes_become_constants(model):
    """What a Constant node holds lies with the others afterwards."""
    node = helper.make_node(
        "Constant", [], ["k"], value=numpy_helper.from_array(np.ones(2, np.float32))
    )
    del model.graph.initializer[:]
    model.graph.node.insert(0, node)
    tools.constants_to_initializers(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["k"]
    onnx.checker.check_model(model, full_check=True)
