"""Brings a model into the form that the precision rewrites work on.

Functions are inlined, Constant nodes become initializers and initializers are no longer
inputs, so that "a constant" has one meaning.  Values and names of tensors stay.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import inliner, numpy_helper

from edged.runtime.graph.tools import attribute, replace_nodes

_FLOATS = ("value_float", "value_floats")
_INTS = ("value_int", "value_ints")


def lifted(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in that form."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    out = onnx.ModelProto()
    out.CopyFrom(model)
    graph = out.graph
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        constant = _constant(node)
        if constant is None:
            kept.append(node)
        else:
            graph.initializer.append(constant)
    if len(kept) < len(graph.node):
        replace_nodes(out, kept)
    constants = {one.name for one in graph.initializer}
    for i in reversed(range(len(graph.input))):
        if graph.input[i].name in constants:
            del graph.input[i]
    return out


def _constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant node; None for other nodes, strings and sparse ones."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    name = node.output[0]
    value = attribute(node, "value")
    if isinstance(value, onnx.TensorProto):
        out = onnx.TensorProto()
        out.CopyFrom(value)
        out.name = name
        return out
    for wanted, kind in ((_FLOATS, np.float32), (_INTS, np.int64)):
        for key in wanted:
            number = attribute(node, key)
            if number is not None:
                return numpy_helper.from_array(np.asarray(number, kind), name)
    return None
