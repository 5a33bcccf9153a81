"""Makes onnxruntime's CPU round and overflow where FP16 hardware would.

On a CPU onnxruntime computes FP16 graphs in FP32 between casts, so that nothing overflows.
Here the mixed graph becomes an FP32 graph in which every FP16 node's output is cast to FP16
and back: the value is rounded to 11 bits, and becomes infinite beyond 65504.

What is assumed of the hardware:

- A convolution or matrix product adds up in FP32 and rounds once, as tensor cores do; so do
  ReduceSum, pools with a window and Softmax (which subtracts the largest value first).
- ReduceMean and GlobalAveragePool round their sum before they divide it: pessimistic, since
  most kernels keep it in FP32; onnx.reference does as much.
- InstanceNormalization and LayerNormalization are taken apart, and their mean, difference,
  square and quotient are rounded one by one: pessimistic, since kernels differ here and
  NVIDIA's builder warns of overflow.
- Numbers that are only moved, compared or chosen (Reshape, MaxPool, Relu ...) need no cast.

Knows graphs; knows no search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.runtime.graph.tools import attribute, infer, initializers, opset
from edged.runtime.precision.nodes import MOVES, fresh, names

_EXACT = MOVES | {
    "Abs", "Cast", "CastLike", "Ceil", "Clip", "ConstantOfShape", "Dropout", "Floor",
    "GlobalMaxPool", "Max", "MaxPool", "Min", "Neg", "ReduceMax", "ReduceMin", "Relu", "Round",
    "Sign", "TopK", "Where",
}  # fmt: skip
"""Operators whose results are among their FP16 inputs or constants, or are rounded as Cast."""

_AXES_ARE_INPUTS = 18
"""Opset from which ReduceMean takes its axes as an input."""


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The FP32 graph that computes what the mixed graph would on FP16 hardware.

    Args:
        model: as :func:`edged.runtime.precision.convert.mixed` gives it; not changed.

    Returns:
        A graph with the same inputs and outputs.  FP16 that the model file itself had is
        treated alike.
    """
    return _Rounder(model).model()


class _Rounder:
    """Writes the nodes one after the other."""

    def __init__(self, source: onnx.ModelProto) -> None:
        self._source = source
        infos = infer(source)
        self._types = {name: info.elem_type for name, info in infos.items()}
        self._shapes = {name: info.shape for name, info in infos.items()}
        self._taken = names(source)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._opset = opset(source)

    def model(self) -> onnx.ModelProto:
        """The whole model."""
        graph = self._source.graph
        for node in graph.node:
            halves = [name for name in node.output if self._types.get(name) == TensorProto.FLOAT16]
            if not halves:
                self._plain(node)
            else:
                self._by_kind(node, halves)
        out = onnx.ModelProto()
        out.ir_version = self._source.ir_version
        out.opset_import.extend(self._source.opset_import)
        out.graph.name = graph.name
        out.graph.input.extend(graph.input)
        out.graph.output.extend(graph.output)
        out.graph.node.extend(self._nodes)
        for constant in initializers(self._source).values():
            if constant.data_type == TensorProto.FLOAT16:
                value = numpy_helper.to_array(constant).astype(np.float32)
                out.graph.initializer.append(numpy_helper.from_array(value, constant.name))
            else:
                out.graph.initializer.append(constant)
        out.graph.initializer.extend(self._constants)
        return out

    def _by_kind(self, node: onnx.NodeProto, halves: Sequence[str]) -> None:
        apart = {
            "InstanceNormalization": self._instance_norm,
            "LayerNormalization": self._layer_norm,
            "ReduceMean": self._average,
            "GlobalAveragePool": self._average,
        }
        if node.op_type in apart and node.domain in ("", "ai.onnx"):
            apart[node.op_type](node)
        else:
            self._rounding(node, halves)

    def _plain(self, node: onnx.NodeProto) -> None:
        """A node without FP16 outputs; its FP16 inputs are FP32 here, which a Cast ignores."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        self._nodes.append(copy)

    def _rounding(self, node: onnx.NodeProto, halves: Sequence[str]) -> None:
        """The node in FP32; its FP16 outputs rounded unless they are exact."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        single_from_half = False
        for one in copy.attribute:
            if node.op_type == "Cast" and one.name == "to":
                one.i = TensorProto.FLOAT
                single_from_half = self._types.get(node.input[0]) == TensorProto.FLOAT16
            elif node.op_type == "ConstantOfShape" and one.name == "value":
                value = numpy_helper.to_array(one.t).astype(np.float32)
                one.t.CopyFrom(numpy_helper.from_array(value))
        casts = node.op_type in {"Cast", "CastLike"} and not single_from_half
        if node.op_type in _EXACT and not casts:
            self._nodes.append(copy)
            return
        for j, name in enumerate(node.output):
            if name in halves:
                copy.output[j] = fresh(f"{name}__exact", self._taken)
        self._nodes.append(copy)
        for before, name in zip(copy.output, node.output, strict=True):
            if name in halves:
                self._round(before, name)

    def _round(self, source: str, target: str) -> str:
        small = fresh(f"{target}__rounded", self._taken)
        for value, result, to in (
            (source, small, TensorProto.FLOAT16),
            (small, target, TensorProto.FLOAT),
        ):
            name = fresh(f"round_{result}", self._taken)
            self._nodes.append(helper.make_node("Cast", [value], [result], name=name, to=to))
        return target

    def _op(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """One node in FP32 whose result is rounded."""
        exact = fresh(f"{to or kind}__exact", self._taken)
        name = fresh(f"{kind}_apart", self._taken)
        self._nodes.append(helper.make_node(kind, list(inputs), [exact], name=name, **attributes))
        return self._round(exact, to or fresh(f"{kind}_apart_value", self._taken))

    def _constant(self, value: float | Sequence[int]) -> str:
        kind = np.float32 if isinstance(value, float) else np.int64
        name = fresh("apart_constant", self._taken)
        self._constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def _average(self, node: onnx.NodeProto) -> None:
        """A mean whose sum is rounded on the way."""
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.output[0] = fresh(f"{node.output[0]}__exact", self._taken)
        self._nodes.append(copy)
        self._summed(node.input[0], copy.output[0], node.output[0])

    def _summed(self, value: str, mean: str, to: str) -> str:
        """The mean times and divided by its number of terms, rounded at each step."""
        sizes = [fresh("apart_size", self._taken) for _ in range(4)]
        for source, size, count in ((value, *sizes[:2]), (mean, *sizes[2:])):
            self._nodes.append(helper.make_node("Size", [source], [size]))
            self._nodes.append(helper.make_node("Cast", [size], [count], to=TensorProto.FLOAT))
        terms = fresh("apart_terms", self._taken)
        self._nodes.append(helper.make_node("Div", [sizes[1], sizes[3]], [terms]))
        return self._op("Div", self._op("Mul", mean, terms), terms, to=to)

    def _mean(self, value: str, axes: Sequence[int]) -> str:
        mean = fresh("apart_mean", self._taken)
        if self._opset >= _AXES_ARE_INPUTS:
            node = helper.make_node("ReduceMean", [value, self._constant(axes)], [mean])
        else:
            node = helper.make_node("ReduceMean", [value], [mean], axes=list(axes))
        self._nodes.append(node)
        return self._summed(value, mean, "")

    def _normed(self, value: str, axes: Sequence[int], epsilon: float) -> str:
        """(value - mean) / sqrt(variance + epsilon), rounded at each step but the epsilon's."""
        centred = self._op("Sub", value, self._mean(value, axes))
        power = self._mean(self._op("Mul", centred, centred), axes)
        exact = fresh("apart_sum", self._taken)
        self._nodes.append(helper.make_node("Add", [power, self._constant(epsilon)], [exact]))
        root = fresh("apart_root", self._taken)
        self._nodes.append(helper.make_node("Sqrt", [exact], [root]))
        return self._op("Div", centred, root)

    def _instance_norm(self, node: onnx.NodeProto) -> None:
        """(n, c, ...) normed over all but n and c, times scale (c,), plus bias (c,)."""
        value, scale, bias = node.input
        rank = self._rank(value)
        epsilon = attribute(node, "epsilon", 1e-5)
        normed = self._normed(value, range(2, rank), float(epsilon))  # type: ignore[arg-type]
        shape = self._constant([1, -1, *([1] * (rank - 2))])
        wide = [fresh("apart_wide", self._taken) for _ in range(2)]
        for source, target in zip((scale, bias), wide, strict=True):
            self._nodes.append(helper.make_node("Reshape", [source, shape], [target]))
        self._op("Add", self._op("Mul", normed, wide[0]), wide[1], to=node.output[0])

    def _layer_norm(self, node: onnx.NodeProto) -> None:
        """Normed over the axes from `axis` on, times scale, plus bias."""
        rank = self._rank(node.input[0])
        axis = int(attribute(node, "axis", -1)) % rank  # type: ignore[call-overload]
        epsilon = float(attribute(node, "epsilon", 1e-5))  # type: ignore[arg-type]
        result = self._normed(node.input[0], range(axis, rank), epsilon)
        has_bias = len(node.input) > 2 and node.input[2]
        to = node.output[0]
        result = self._op("Mul", result, node.input[1], to="" if has_bias else to)
        if has_bias:
            self._op("Add", result, node.input[2], to=to)

    def _rank(self, name: str) -> int:
        shape = self._shapes[name]
        assert shape is not None, name
        return len(shape)
