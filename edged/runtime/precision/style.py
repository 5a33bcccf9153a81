"""Divides a StyleGAN2 style vector by its largest entry, sample by sample.

A modulated convolution computes conv(x * s) / sqrt(sum((W * s)**2) + eps): with s / m in
the place of s, and eps / m**2 in the place of eps, the result is the same for any m > 0.
With m = max|s| the modulated values, the convolution and the squares stay small however
large the style is.  Both forms are known, the one that scales the input and the one that
scales the weights: the walk only counts in which power of m each value stands, and a style
is rewritten when every way from it ends in power 0.

Knows graphs; knows no ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edged.errors import EngineError
from edged.runtime.graph.tools import TensorInfo, infer, initializers, opset, toposort
from edged.runtime.precision.nodes import fresh, keys, names, readers

PREFIX = "style_norm"
"""Names of the nodes that are added begin so; they stay in FP32 (a vector a sample)."""

_CARRY = frozenset({
    "Expand", "Flatten", "Identity", "ReduceL2", "ReduceSum", "Reshape", "Resize", "Slice",
    "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip
_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_ARITHMETIC: dict[str, Callable[[list[float]], float]] = {
    **dict.fromkeys(_CARRY, lambda degrees: degrees[0]),
    **dict.fromkeys((*_PRODUCTS, "Mul"), sum),
    "Div": lambda degrees: degrees[0] - degrees[1],
    "Sqrt": lambda degrees: degrees[0] / 2,
    "Reciprocal": lambda degrees: -degrees[0],
    "ReduceSumSquare": lambda degrees: 2 * degrees[0],
}
"""Power of m in which an operator's output stands, from those of its inputs."""
_REDUCE_AXES_ARE_INPUTS = 18
_FLOOR = 2.0**-60
"""Least divisor: a style of zeros stays one."""


@dataclass(frozen=True)
class _Way:
    """What the walk found: the sums that an epsilon is added to, and all nodes met."""

    epsilons: tuple[int, ...]
    nodes: frozenset[int]


def style_candidates(model: onnx.ModelProto) -> dict[str, frozenset[str]]:
    """Keys of nodes whose output is such a style -> keys of the nodes that use it.

    Args:
        model: lifted FP32 graph, in topological order.
    """
    labels = keys(model.graph.node)
    infos, read, constants = infer(model), readers(model.graph.node), initializers(model)
    found: dict[str, frozenset[str]] = {}
    for i, node in enumerate(model.graph.node):
        if node.op_type not in {"Gemm", "MatMul", "Add"} or len(node.output) != 1:
            continue
        shape = infos[node.output[0]].shape if node.output[0] in infos else None
        if shape is None or len(shape) != 2:
            continue
        way = _Degrees(model, infos, read, constants).walk(i)
        if way is not None:
            found[labels[i]] = frozenset(labels[j] for j in way.nodes)
    return found


def styled(model: onnx.ModelProto, nodes: Iterable[str]) -> onnx.ModelProto:
    """A copy in which the named nodes' styles are divided by their largest entries.

    Args:
        model: lifted FP32 graph, in topological order; not changed.
        nodes: keys of nodes that make a style (samples, channels).

    Raises:
        EngineError: a node is absent, or its output is no such style.
    """
    out = onnx.ModelProto()
    out.CopyFrom(model)
    for key in nodes:
        labels = keys(out.graph.node)
        walk = _Degrees(out, infer(out), readers(out.graph.node), initializers(out))
        way = walk.walk(labels.index(key)) if key in labels else None
        if way is None:
            raise EngineError(
                f"a precision plan rescales the style of node {key}, which is none in this graph; "
                "measure again: edged calibrate precision"
            )
        _rewrite(walk, labels.index(key), key, way)
    toposort(out)
    return out


@dataclass
class _Degrees:
    """Counts, for every value that depends on a style, in which power of m it stands."""

    model: onnx.ModelProto
    infos: dict[str, TensorInfo]
    read: dict[str, list[int]]
    constants: Mapping[str, onnx.TensorProto]
    _degrees: dict[str, float] = field(default_factory=dict)

    def walk(self, start: int) -> _Way | None:
        """The way from the style that node `start` makes; None if it does not end."""
        nodes = self.model.graph.node
        ends = {one.name for one in self.model.graph.output}
        style = nodes[start].output[0]
        self._degrees = {style: 1}
        waiting = set(self.read.get(style, []))
        met: set[int] = set()
        epsilons: list[int] = []
        while waiting:
            i = min(waiting)  # in topological order: what it reads is settled
            waiting.discard(i)
            met.add(i)
            node = nodes[i]
            degree = self._through(node, epsilons, i)
            if degree is None or (degree and node.output[0] in ends):
                return None
            if degree:
                self._degrees[node.output[0]] = degree
                waiting |= set(self.read.get(node.output[0], []))
        return _Way(tuple(epsilons), frozenset(met)) if epsilons and style not in ends else None

    def _through(self, node: onnx.NodeProto, epsilons: list[int], i: int) -> float | None:
        """Degree of a node's output; None where the walk cannot go on."""
        degrees = [self._degrees.get(name, 0.0) for name in node.input]
        kind = node.op_type if node.domain in ("", "ai.onnx") and len(node.output) == 1 else ""
        if kind == "Pow" or (kind in _CARRY and any(degrees[1:])):
            value = self._constant(node.input[1]) if kind == "Pow" else None
            return None if value is None else value * degrees[0]
        if kind == "Add":
            if sorted(degrees) != [0, 2] or self._constant(node.input[degrees.index(0)]) is None:
                return None
            epsilons.append(i)
            return 2
        if kind in _PRODUCTS and len(node.input) > 2 and node.input[2]:
            return None  # a bias stands in power 0
        return _ARITHMETIC[kind](degrees) if kind in _ARITHMETIC else None

    def _constant(self, name: str) -> float | None:
        """The value of a constant with one element."""
        one = self.constants.get(name)
        if one is None or int(np.prod(one.dims)) != 1:
            return None
        return float(numpy_helper.to_array(one).reshape(()))


def _rewrite(walk: _Degrees, start: int, key: str, way: _Way) -> None:
    """Put s / m and eps / m**2 in; new nodes go to the end, the caller sorts."""
    model = walk.model
    graph = model.graph
    nodes = list(graph.node)
    taken = names(model)
    style = nodes[start].output[0]

    def constant(value: object, kind: type[np.generic]) -> str:
        name = fresh(f"{PREFIX}.{key}.constant", taken)
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def op(kind: str, *inputs: str, to: str, **attributes: Any) -> str:
        name = fresh(f"{PREFIX}.{key}.{to}", taken)
        made = fresh(f"{name}.value", taken)
        graph.node.append(helper.make_node(kind, list(inputs), [made], name=name, **attributes))
        return made

    size = op("Abs", style, to="size")
    if opset(model) >= _REDUCE_AXES_ARE_INPUTS:
        largest = op("ReduceMax", size, constant([1], np.int64), to="largest", keepdims=1)
    else:
        largest = op("ReduceMax", size, to="largest", axes=[1], keepdims=1)
    divisor = op("Max", largest, constant(_FLOOR, np.float32), to="divisor")  # (n, 1)
    normed = op("Div", style, divisor, to="normed")
    for i in walk.read[style]:
        _replace(nodes[i], style, normed)
    square = op("Mul", divisor, divisor, to="square")
    for i in way.epsilons:
        small = next(name for name in nodes[i].input if name in walk.constants)
        other = next(name for name in nodes[i].input if name != small)
        shape = walk.infos[other].shape if other in walk.infos else None
        rank = len(shape) if shape else 2
        per_sample = op("Div", small, square, to="epsilon")
        if rank != 2:
            extents = constant([-1, *([1] * (rank - 1))], np.int64)
            per_sample = op("Reshape", per_sample, extents, to="epsilon_shaped")
        _replace(nodes[i], small, per_sample)


def _replace(node: onnx.NodeProto, old: str, new: str) -> None:
    for j, name in enumerate(node.input):
        if name == old:
            node.input[j] = new
