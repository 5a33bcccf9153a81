"""What every change of an ONNX graph needs: names, order, checks, shapes, a digest.

Knows the ONNX format; knows nothing of faces, recipes or runtimes.  Functions change the
model that they are given unless they say otherwise; weights are never copied needlessly,
because a swapper's are half a gigabyte.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.errors import ModelError
from edged.faces import Tensor

SMALL_BYTES = 16384
"""Constants up to this size take part in shape inference with their values; larger ones
are weights, of which only type and shape count."""


class TensorInfo(NamedTuple):
    """What shape inference knows of a tensor.

    Attributes:
        elem_type: of `onnx.TensorProto`, 0 where unknown.
        shape: extents, None where unknown; None as a whole where not even the rank is.
    """

    elem_type: int
    shape: tuple[int | None, ...] | None


def clone(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy, weights included."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def opset(model: onnx.ModelProto) -> int:
    """Version of the standard operators.

    Raises:
        ModelError: the file names none.
    """
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if not versions:
        raise ModelError("the ONNX file names no version of the standard operators")
    return int(versions[0])


def initializers(model: onnx.ModelProto) -> dict[str, TensorProto]:
    """Constants by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def array(tensor: TensorProto) -> Tensor:
    """A constant's values."""
    return numpy_helper.to_array(tensor)


def nbytes(tensor: TensorProto) -> int:
    """Size of a constant, without reading its values."""
    count = 1
    for extent in tensor.dims:
        count *= extent
    return int(count * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def free_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs that a caller feeds: old files list their constants among the inputs, too."""
    constant = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in constant]


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """The node that makes each tensor."""
    return {name: node for node in model.graph.node for name in node.output if name}


def consumers(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each tensor, subgraphs counted as their owner."""
    read: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in dict.fromkeys(_reads(node)):
            read.setdefault(name, []).append(node)
    return read


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """An attribute's value; strings come as bytes."""
    for entry in node.attribute:
        if entry.name == name:
            value: object = helper.get_attribute_value(entry)
            return value
    return default


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Bodies of If, Loop and Scan."""
    for entry in node.attribute:
        if entry.type == onnx.AttributeProto.GRAPH:
            yield entry.g
        elif entry.type == onnx.AttributeProto.GRAPHS:
            yield from entry.graphs


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node reads, those that its subgraphs take from outside included."""
    yield from (name for name in node.input if name)
    for graph in subgraphs(node):
        own = {tensor.name for tensor in graph.initializer} | {info.name for info in graph.input}
        for inner in graph.node:
            yield from (name for name in _reads(inner) if name not in own)
            own.update(inner.output)
        yield from (info.name for info in graph.output if info.name not in own)


def replace_nodes(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Put these nodes in the place of all."""
    kept = [_node_copy(node) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _node_copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def rename(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Rename tensors wherever they are named.

    Args:
        model: changed in place.
        names: new name by old one; a chain is not followed.
    """
    if names:
        _rename_graph(model.graph, names)


def _rename_graph(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    for field in (graph.input, graph.output, graph.value_info, graph.initializer):
        for entry in field:
            entry.name = names.get(entry.name, entry.name)
    for node in graph.node:
        for ends in (node.input, node.output):
            for index, name in enumerate(ends):
                if name in names:
                    ends[index] = names[name]
        for inner in subgraphs(node):
            _rename_graph(inner, names)


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own: its own, or else its first output's."""
    seen: set[str] = set()
    for node in model.graph.node:
        wanted = node.name or next((name for name in node.output if name), node.op_type)
        name, count = wanted, 1
        while name in seen:
            count += 1
            name = f"{wanted}#{count}"
        seen.add(name)
        node.name = name


def constants_to_initializers(model: onnx.ModelProto) -> None:
    """Move what `Constant` nodes hold to where all other constants are."""
    rest: list[onnx.NodeProto] = []
    for node in model.graph.node:
        value = attribute(node, "value") if node.op_type == "Constant" else None
        if isinstance(value, TensorProto):
            model.graph.initializer.add().CopyFrom(value)
            model.graph.initializer[-1].name = node.output[0]
        else:
            rest.append(node)
    if len(rest) != len(model.graph.node):
        replace_nodes(model, rest)


def prune(model: onnx.ModelProto) -> None:
    """Drop nodes, constants and value infos that no output depends on."""
    made = producers(model)
    wanted: set[str] = set()
    todo = [info.name for info in model.graph.output]
    while todo:
        name = todo.pop()
        if name in wanted:
            continue
        wanted.add(name)
        if name in made:
            todo.extend(made[name].output)
            todo.extend(_reads(made[name]))
    live = [node for node in model.graph.node if any(name in wanted for name in node.output)]
    if len(live) != len(model.graph.node):
        replace_nodes(model, live)
    for index in reversed(range(len(model.graph.initializer))):
        if model.graph.initializer[index].name not in wanted:
            del model.graph.initializer[index]
    del model.graph.value_info[:]


def toposort(model: onnx.ModelProto) -> None:
    """Order the nodes so that each comes after what it reads, else as they were.

    Raises:
        ModelError: the graph runs in a circle.
    """
    nodes = list(model.graph.node)
    maker = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = [{maker[name] for name in _reads(node) if name in maker} for node in nodes]
    feeds: list[list[int]] = [[] for _ in nodes]
    for index, before in enumerate(needs):
        for other in before:
            feeds[other].append(index)
    waiting = [len(before) for before in needs]
    ready = [index for index, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for later in feeds[index]:
            waiting[later] -= 1
            if not waiting[later]:
                heapq.heappush(ready, later)
    if len(order) != len(nodes):
        raise ModelError("the ONNX graph runs in a circle")
    if order != sorted(order):
        replace_nodes(model, [nodes[index] for index in order])


def checked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model, after ONNX's full check of everything but its weights' values.

    Raises:
        ModelError: what the checker says, in one line.
    """
    try:
        onnx.checker.check_model(skeleton(model), full_check=True)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else "no reason"
        msg = f"the rewritten graph is no valid ONNX ({reason}); report this as an error of edged"
        raise ModelError(msg) from error
    return model


def skeleton(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose weights are inputs of the same type and shape: small, and sound."""
    graph = onnx.GraphProto(name=model.graph.name or "graph")
    graph.node.extend(model.graph.node)
    graph.output.extend(model.graph.output)
    listed = {info.name for info in model.graph.input}
    graph.input.extend(model.graph.input)
    for tensor in model.graph.initializer:
        if nbytes(tensor) <= SMALL_BYTES:
            graph.initializer.append(tensor)
        elif tensor.name not in listed:
            graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
    copy = onnx.ModelProto(ir_version=max(model.ir_version, 4), graph=graph)
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    return copy


def infer(
    model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]] | None = None
) -> dict[str, TensorInfo]:
    """Types and shapes of all tensors by ONNX's own inference.

    Args:
        model: left as it is.
        shapes: concrete extents of inputs, by name; others are as the file says.

    Returns:
        By name, inputs and constants included.
    """
    bare = skeleton(model)
    for info in bare.graph.output:
        if info.type.tensor_type.HasField("shape"):
            info.type.tensor_type.ClearField("shape")
    for info in bare.graph.input:
        if shapes and info.name in shapes:
            info.CopyFrom(
                helper.make_tensor_value_info(
                    info.name, info.type.tensor_type.elem_type, list(shapes[info.name])
                )
            )
    done = onnx.shape_inference.infer_shapes(bare, data_prop=True)
    found = {t.name: TensorInfo(t.data_type, tuple(t.dims)) for t in model.graph.initializer}
    for field in (done.graph.value_info, done.graph.output, done.graph.input):
        for info in field:
            found.setdefault(info.name, _info(info))
    return found


def _info(info: onnx.ValueInfoProto) -> TensorInfo:
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return TensorInfo(kind.elem_type, None)
    extents = tuple(int(d.dim_value) if d.HasField("dim_value") else None for d in kind.shape.dim)
    return TensorInfo(kind.elem_type, extents)


def static_shapes(
    model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]
) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors that are fully known under these input shapes."""
    known: dict[str, tuple[int, ...]] = {}
    for name, info in infer(model, shapes).items():
        if info.shape is not None and all(extent is not None for extent in info.shape):
            known[name] = tuple(extent for extent in info.shape if extent is not None)
    return known


def structure_digest(model: onnx.ModelProto) -> str:
    """SHA-256, hex, over nodes, attributes, names, inputs, outputs and weights.

    Equal for equal graphs whatever way a file stores its weights; not over producer names,
    comments and value infos, which change nothing.
    """
    digest = hashlib.sha256()
    for entry in sorted(model.opset_import, key=lambda e: str(e.domain)):
        digest.update(f"{entry.domain}:{entry.version};".encode())
    for field in (model.graph.input, model.graph.output, model.graph.node):
        for item in field:
            part = item.SerializeToString(deterministic=True)
            digest.update(len(part).to_bytes(8, "little") + part)
    for tensor in sorted(model.graph.initializer, key=lambda t: str(t.name)):
        values = array(tensor)
        digest.update(f"{tensor.name}|{values.dtype.str}|{values.shape};".encode())
        digest.update(values.data if values.flags.c_contiguous else values.tobytes())
    return digest.hexdigest()
