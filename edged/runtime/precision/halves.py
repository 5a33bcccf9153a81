"""Which nodes of a graph compute in FP16, and which of their inputs and outputs are.

What may be FP16 is read from the operator set's own schemas, so every operator's integer,
scale and size inputs keep their types.  FP16 itself keeps some nodes in FP32: constants out
of its range, operators without it, arithmetic with indices.  Knows graphs; knows no
measured ranges and writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edged.runtime.graph.tools import attribute, initializers, opset, subgraphs
from edged.runtime.precision.nodes import (
    MAC_OPS,
    MOVES,
    Slots,
    element_types,
    keys,
    readers,
    slots,
    writers,
)

FP16_MAX = 65504.0
"""Largest finite number of IEEE 754 binary16."""

FP16_TINY = 2.0**-14
"""Smallest number with all 11 bits; smaller ones lose bits down to 2**-24."""

_WEIGHT_TINY = 2.0**-20
"""A whole weight below this keeps less than 5 bits in FP16."""

_NEVER = frozenset({
    "Bernoulli", "EyeLike", "GridSample", "Multinomial", "RandomNormal", "RandomNormalLike",
    "RandomUniform", "RandomUniformLike",
})  # fmt: skip
"""Stay in FP32: types in attributes, or coordinates that need more than 11 bits."""

_FIXED_INPUTS = {"Resize": (1, 2)}
"""Inputs that keep their type although the schema would allow FP16: roi and scales."""

BOUNDS = {"Clip": (1, 2)}
"""Inputs that are bounds: beyond FP16's range they bound nothing, so infinity says it."""


@dataclass(frozen=True)
class Typing:
    """Which nodes of a lifted model compute in FP16.

    Attributes:
        source: the lifted model.
        types: element type of every tensor in FP32.
        slots: per node, what its schema says.
        half: per node, whether its floats are FP16.
        forced: keys of the nodes that FP16 itself keeps in FP32 (constants out of its
            range, operators without it, index arithmetic).
    """

    source: onnx.ModelProto
    types: Mapping[str, int]
    slots: Sequence[Slots | None]
    half: Sequence[bool]
    forced: frozenset[str]

    @staticmethod
    def of(model: onnx.ModelProto, fp32_nodes: Collection[str]) -> Typing:
        """Decides for every node."""
        nodes = list(model.graph.node)
        types = element_types(model)
        version = opset(model)
        found = [slots(node, version) for node in nodes]
        constants = initializers(model)
        indices = _index_nodes(nodes, types, constants)
        names_ = keys(nodes)
        forced = [
            slot is None
            or i in indices
            or not _may_be_half(node, slot, types)
            or _needs_range(node, constants)
            for i, (node, slot) in enumerate(zip(nodes, found, strict=True))
        ]
        wanted = set(fp32_nodes)
        half = [not no and key not in wanted for no, key in zip(forced, names_, strict=True)]
        _settle(model, types, half)
        return Typing(
            model,
            types,
            found,
            half,
            frozenset(key for key, no in zip(names_, forced, strict=True) if no),
        )

    def halves(self, i: int) -> tuple[list[bool], list[bool]]:
        """Which inputs and outputs of node i are FP16."""
        node, slot = self.source.graph.node[i], self.slots[i]
        if slot is None or not self.half[i]:
            return [False] * len(node.input), [False] * len(node.output)
        fixed = _FIXED_INPUTS.get(node.op_type, ())
        reads = [
            self.types.get(name) == TensorProto.FLOAT and slot.inputs[j] in slot.half
            and j not in fixed
            for j, name in enumerate(node.input)
        ]  # fmt: skip
        makes = [
            self.types.get(name) == TensorProto.FLOAT and slot.outputs[j] in slot.half
            for j, name in enumerate(node.output)
        ]
        return reads, makes


def _may_be_half(node: onnx.NodeProto, slot: Slots, types: Mapping[str, int]) -> bool:
    """Whether the node has a float that the schema lets be FP16."""
    if node.op_type in _NEVER or any(True for _ in subgraphs(node)):
        return False
    pairs = [
        *zip(node.input, slot.inputs, strict=True),
        *zip(node.output, slot.outputs, strict=True),
    ]
    return any(types.get(name) == TensorProto.FLOAT and var in slot.half for name, var in pairs)


def _needs_range(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a constant of the node does not fit FP16: too large, or lost to zero.

    A weight loses single small entries without harm; a lone epsilon does not.
    """
    fill = attribute(node, "value") if node.op_type == "ConstantOfShape" else None
    read = [constants[name] for name in node.input if name in constants]
    bounds = {node.input[j] for j in BOUNDS.get(node.op_type, ()) if j < len(node.input)}
    for one in [*read, *([fill] if isinstance(fill, onnx.TensorProto) else [])]:
        if one.data_type != TensorProto.FLOAT or (one.name and one.name in bounds):
            continue
        value = np.abs(numpy_helper.to_array(one))
        largest = float(np.max(value, initial=0.0, where=np.isfinite(value)))
        tiny = _WEIGHT_TINY if node.op_type in MAC_OPS else FP16_TINY
        if largest > FP16_MAX or 0.0 < largest < tiny:
            return True
    return False


def _index_nodes(
    nodes: Sequence[onnx.NodeProto],
    types: Mapping[str, int],
    constants: Mapping[str, onnx.TensorProto],
) -> set[int]:
    """Nodes that compute sizes or indices in floats: whole numbers above 2048 need FP32.

    Such numbers begin as integers of 32 or 64 bits (a shape, a position) and meet no
    activation on their way; uint8 pixels are none.
    """
    wide = {TensorProto.INT32, TensorProto.INT64}
    index: set[str] = set()
    found: set[int] = set()
    for i, node in enumerate(nodes):
        floats = [
            name
            for name in node.input
            if types.get(name) == TensorProto.FLOAT and name not in constants
        ]
        begins = node.op_type in {"Cast", "CastLike"} and types.get(node.input[0]) in wide
        begins |= node.op_type == "Range"
        if begins or (floats and all(name in index for name in floats)):
            found.add(i)
            index |= {name for name in node.output if types.get(name) == TensorProto.FLOAT}
    return found


def _settle(model: onnx.ModelProto, types: Mapping[str, int], half: list[bool]) -> None:
    """Nodes that only move numbers stay in FP32 between FP32 nodes: fewer casts, same numbers.

    So does a model's own Cast from an integer type whose readers are all FP32.
    """
    nodes = model.graph.node
    made, read = writers(nodes), readers(nodes)
    ends = {one.name for one in model.graph.output}
    changed = True
    while changed:
        changed = False
        for i in reversed(range(len(nodes))):
            node = nodes[i]
            if not half[i] or node.op_type not in MOVES | {"Cast"}:
                continue
            sources = [
                made.get(name) for name in node.input if types.get(name) == TensorProto.FLOAT
            ]
            before = all(j is None or not half[j] for j in sources)
            after = all(
                name in ends or not half[j] for name in node.output for j in read.get(name, [])
            )
            if before and after:
                half[i] = False
                changed = True
