"""What the other files ask about nodes: keys, element types, schemas, who reads what.

Knows ONNX graphs; knows no precision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx

from edged.errors import ModelError
from edged.runtime.graph import tools

MAC_OPS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators whose multiply-adds count."""

MOVES = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND",
    "Identity", "Pad", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile",
    "Transpose", "Unsqueeze",
})  # fmt: skip
"""Operators that move numbers and compute none."""


def keys(nodes: Sequence[onnx.NodeProto]) -> list[str]:
    """A name for every node: its own where no other has it, else its first output's.

    Outputs are unique in a graph, so a name that is empty or used twice gives way to one.
    """
    count = Counter(node.name for node in nodes)
    outputs = {name for node in nodes for name in node.output}
    return [
        node.name
        if node.name and count[node.name] == 1 and node.name not in outputs
        else next(name for name in node.output if name)
        for node in nodes
    ]


def readers(nodes: Sequence[onnx.NodeProto]) -> dict[str, list[int]]:
    """Tensor name -> positions of the nodes that read it, once each; subgraphs count."""
    found: dict[str, list[int]] = {}
    for i, node in enumerate(nodes):
        for name in {*node.input, *captured(node)}:
            if name:
                found.setdefault(name, []).append(i)
    return found


def writers(nodes: Sequence[onnx.NodeProto]) -> dict[str, int]:
    """Tensor name -> position of the node that makes it."""
    return {name: i for i, node in enumerate(nodes) for name in node.output if name}


def captured(node: onnx.NodeProto) -> set[str]:
    """Names of outer tensors that a control-flow node's subgraphs read."""
    found: set[str] = set()
    for graph in tools.subgraphs(node):
        own = {one.name for one in (*graph.input, *graph.initializer)}
        own |= {name for inner in graph.node for name in inner.output}
        read = {name for inner in graph.node for name in (*inner.input, *captured(inner))}
        read |= {one.name for one in graph.output}
        found |= read - own - {""}
    return found


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """Tensor name -> `TensorProto` type, of every tensor of the outer graph.

    Raises:
        ModelError: onnx cannot infer a type, such as behind an operator that is not ONNX's.
    """
    try:
        found = {name: info.elem_type for name, info in tools.infer(model).items()}
    except Exception as error:  # onnx raises its own classes from C++
        raise ModelError(
            f"the graph's types do not fit one another ({type(error).__name__}); "
            "onnx.checker says where: take the original model file"
        ) from error
    for key, node in zip(keys(model.graph.node), model.graph.node, strict=True):
        for name in node.output:
            if name and name not in found:
                raise ModelError(
                    f"node {key} ({node.op_type}): the type of its output is not known to onnx; "
                    "an optimised copy with a runtime's own operators? take the original"
                )
    return found


@dataclass(frozen=True)
class Slots:
    """The type variables of a node's inputs and outputs, and which may be FP16.

    Attributes:
        inputs, outputs: variable of each slot; "" where the schema names a fixed type.
        half: variables that the operator set allows to be float16.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    half: frozenset[str]


def slots(node: onnx.NodeProto, version: int) -> Slots | None:
    """What the schema says; None for operators that are not ONNX's."""
    if node.domain not in ("", "ai.onnx"):
        return None
    try:
        schema = onnx.defs.get_schema(node.op_type, version, "")
    except onnx.defs.SchemaError:
        return None
    variables = {one.type_param_str: one.allowed_type_strs for one in schema.type_constraints}

    def bound(formals: Sequence[onnx.defs.OpSchema.FormalParameter], count: int) -> Iterator[str]:
        for i in range(count):
            name = formals[min(i, len(formals) - 1)].type_str  # the last one may be variadic
            yield name if name in variables else ""

    return Slots(
        tuple(bound(schema.inputs, len(node.input))),
        tuple(bound(schema.outputs, len(node.output))),
        frozenset(name for name, kinds in variables.items() if "tensor(float16)" in kinds),
    )


def fresh(wish: str, taken: set[str]) -> str:
    """`wish`, or it with a number where that name is taken; the name is taken then."""
    name, count = wish, 1
    while name in taken:
        count += 1
        name = f"{wish}_{count}"
    taken.add(name)
    return name


def names(model: onnx.ModelProto) -> set[str]:
    """Every tensor and node name of the outer graph."""
    graph = model.graph
    found = {name for node in graph.node for name in (*node.input, *node.output, node.name)}
    found |= {one.name for one in (*graph.input, *graph.output, *graph.initializer)}
    return found


def put_behind(model: onnx.ModelProto, added: Mapping[str, Sequence[onnx.NodeProto]]) -> None:
    """Put nodes right behind those that make what they read.

    A probe at the end of the graph would keep every tensor alive until then.

    Args:
        model: changed in place.
        added: by tensor, the nodes that read it, in order.
    """
    graph = model.graph
    order = [node for info in graph.input for node in added.get(info.name, ())]
    for node in graph.node:
        order.append(node)
        for name in node.output:
            order += added.get(name, ())
    tools.replace_nodes(model, order)
