"""Computes once what depends on shapes alone.

Exports work out shapes at run time (Shape, Gather, Concat, Reshape) although every extent
but the number of faces is fixed.  Here they become constants, for one face; `batch` then
finds the one extent in each that must stay open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edged.faces import Tensor
from edged.runtime.graph import tools

ROUNDS = 8
"""Each lets inference see the shapes that the last one made constant; exports need 2 or 3."""

_NEVER = frozenset({"RandomNormal", "RandomUniform", "Bernoulli", "Multinomial"})


def fold_shapes(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Replace small constant computations by their results, in place.

    Args:
        model: its nodes in order.
        shapes: concrete extents of the inputs.
    """
    for _ in range(ROUNDS):
        if not _fold_once(model, tools.static_shapes(model, shapes)):
            return


def _fold_once(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """One round; whether anything was found."""
    known = {
        tensor.name: tensor
        for tensor in model.graph.initializer
        if tools.nbytes(tensor) <= tools.SMALL_BYTES
    }
    values: dict[str, Tensor] = {}

    def value(name: str) -> Tensor:
        if name not in values:
            values[name] = tools.array(known[name])
        return values[name]

    version, rest = tools.opset(model), list[onnx.NodeProto]()
    for node in model.graph.node:
        results = None
        if node.op_type == "Shape" and node.input[0] in shapes:
            whole = np.array(shapes[node.input[0]], np.int64)
            first, end = tools.attribute(node, "start", 0), tools.attribute(node, "end", None)
            results = [whole[first:end]]
        elif _constant(node, known, values):
            inputs = [value(name) if name else None for name in node.input]
            results = _evaluate(node, inputs, version)
        if results is None or sum(result.nbytes for result in results) > tools.SMALL_BYTES:
            rest.append(node)
            continue
        for name, result in zip(node.output, results, strict=False):
            values[name] = result
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(result), name))
    changed = len(rest) != len(model.graph.node)
    if changed:
        tools.replace_nodes(model, rest)
    return changed


def _constant(
    node: onnx.NodeProto,
    known: Mapping[str, onnx.TensorProto],
    values: Mapping[str, Tensor],
) -> bool:
    """Whether a node's inputs are all known and it gives the same each time."""
    if node.domain not in ("", "ai.onnx") or node.op_type in _NEVER or any(tools.subgraphs(node)):
        return False
    return all(not name or name in known or name in values for name in node.input)


def _evaluate(
    node: onnx.NodeProto, inputs: Sequence[Tensor | None], version: int
) -> list[Tensor] | None:
    """A node's outputs by ONNX's reference, None where it does not know the operator."""
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - slow to import

    feeds = {n: v for n, v in zip(node.input, inputs, strict=True) if v is not None}
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for n, v in feeds.items()
    ]
    outs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "one", infos, outs)
    try:
        alone = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
        return list(ReferenceEvaluator(alone).run(None, feeds))
    except Exception:  # noqa: BLE001 - what it cannot compute stays as it is
        return None
