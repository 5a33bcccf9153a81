"""InstanceNormalization in plain operators, for a parser that has none of its own (8.6).

The mean and the variance are taken in float32 whatever the graph's type: a sum over a
picture is beyond half precision.  Knows the ONNX format alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.errors import ModelError
from edged.runtime.graph import tools

_DEFAULT_EPSILON = 1e-5
"""Of the operator, by its specification."""


def without_instance_norm(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with each InstanceNormalization written out; itself when there is none.

    Raises:
        ModelError: one has an input of unknown rank, or opset 18 or later, whose
            reductions such an old parser does not read.
    """
    if all(node.op_type != "InstanceNormalization" for node in model.graph.node):
        return model
    if tools.opset(model) >= 18:
        msg = "InstanceNormalization above opset 17 needs TensorRT 10 or later; update TensorRT"
        raise ModelError(msg)
    copy = tools.clone(model)
    known = tools.infer(copy)
    nodes: list[onnx.NodeProto] = []
    for node in copy.graph.node:
        if node.op_type != "InstanceNormalization":
            nodes.append(node)
            continue
        info = known.get(node.input[0])
        if info is None or info.shape is None:
            msg = f"node {node.name}: the rank of its input is not known; prepare the model again"
            raise ModelError(msg)
        nodes.extend(_written_out(copy, node, len(info.shape), info.elem_type))
    tools.replace_nodes(copy, nodes)
    return copy


def _written_out(
    model: onnx.ModelProto, node: onnx.NodeProto, rank: int, elem_type: int
) -> Iterator[onnx.NodeProto]:
    """(x - mean) / sqrt(var + epsilon) * scale + bias over all but the first two axes."""
    label = f"{node.name or node.output[0]}/norm"
    half = elem_type == TensorProto.FLOAT16
    axes = list(range(2, rank))
    epsilon = np.asarray(tools.attribute(node, "epsilon", _DEFAULT_EPSILON), np.float32)
    column = np.asarray([-1] + [1] * (rank - 2), np.int64)  # (c,) to (c, 1, 1)
    for name, value in (("epsilon", epsilon), ("column", column)):
        model.graph.initializer.append(numpy_helper.from_array(value, f"{label}/{name}"))

    def op(kind: str, inputs: list[str], made: str, **attributes: Any) -> onnx.NodeProto:
        output = node.output[0] if made == "out" else f"{label}/{made}"
        return helper.make_node(kind, inputs, [output], name=f"{label}/{made}", **attributes)

    source, scale, bias = node.input
    if half:
        yield op("Cast", [source], "x", to=TensorProto.FLOAT)
        yield op("Cast", [scale], "scale", to=TensorProto.FLOAT)
        yield op("Cast", [bias], "bias", to=TensorProto.FLOAT)
        source, scale, bias = f"{label}/x", f"{label}/scale", f"{label}/bias"
    yield op("ReduceMean", [source], "mean", axes=axes, keepdims=1)
    yield op("Sub", [source, f"{label}/mean"], "centred")
    yield op("Mul", [f"{label}/centred", f"{label}/centred"], "square")
    yield op("ReduceMean", [f"{label}/square"], "variance", axes=axes, keepdims=1)
    yield op("Add", [f"{label}/variance", f"{label}/epsilon"], "moved")
    yield op("Sqrt", [f"{label}/moved"], "deviation")
    yield op("Div", [f"{label}/centred", f"{label}/deviation"], "normal")
    yield op("Reshape", [scale, f"{label}/column"], "scales")
    yield op("Reshape", [bias, f"{label}/column"], "biases")
    yield op("Mul", [f"{label}/normal", f"{label}/scales"], "scaled")
    yield op("Add", [f"{label}/scaled", f"{label}/biases"], "full" if half else "out")
    if half:
        yield op("Cast", [f"{label}/full"], "out", to=TensorProto.FLOAT16)
