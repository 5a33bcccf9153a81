"""Keeps a convolution's output at a power of two below its value until a later node undoes it.

The factor goes into the convolution's weights and bias.  From there every node either
carries it on (ReLU, Reshape, Add of values scaled alike ...), multiplies or divides it
(Mul, Sqrt, Div: a norm takes it out), takes it into its own constants (the next
convolution, an epsilon, the bounds of Clip), or gets its input scaled back.  Powers of two
change no digit of a float, so that the FP32 graph computes what it did.

Knows graphs; knows no ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.errors import EngineError
from edged.runtime.graph.tools import attribute, initializers, replace_nodes
from edged.runtime.precision.nodes import MAC_OPS, captured, fresh, keys, names

_CARRY = frozenset({
    "Abs", "AveragePool", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather",
    "GlobalAveragePool", "GlobalMaxPool", "Identity", "LeakyRelu", "MaxPool", "Neg", "PRelu",
    "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu",
    "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
    "Unsqueeze",
})  # fmt: skip
"""f(a * x) = a * f(x) for a > 0 in the first input."""

_ALIKE = frozenset({"Add", "Concat", "Max", "Mean", "Min", "Sub", "Sum"})
"""Inputs must be scaled alike, and the output is."""

_NORMS = frozenset({"GroupNormalization", "InstanceNormalization", "LayerNormalization"})


def powered(model: onnx.ModelProto, exponents: Mapping[str, int]) -> onnx.ModelProto:
    """A copy in which the named nodes' outputs are 2**-exponent of what they were.

    Args:
        model: lifted FP32 graph, not changed.
        exponents: by node key; nodes of :data:`MAC_OPS` with constant weights.

    Raises:
        EngineError: no such node, or its weights are no constants.
    """
    out = onnx.ModelProto()
    out.CopyFrom(model)
    labels = keys(out.graph.node)
    if missing := sorted(set(exponents) - set(labels)):
        raise EngineError(
            f"a precision plan rescales node {missing[0]}, which the graph lacks; "
            "measure again: edged calibrate precision"
        )
    _Walk(out, dict(exponents)).run(labels)
    return out


@dataclass
class _Walk:
    """One walk over the nodes in order, with the exponent of every tensor."""

    model: onnx.ModelProto
    seeds: dict[str, int]
    exponents: dict[str, int] = field(default_factory=dict)
    """Tensor -> e: it holds 2**-e of its value; 0 is left out."""
    _nodes: list[onnx.NodeProto] = field(default_factory=list)
    _restored: dict[tuple[str, int], str] = field(default_factory=dict)
    _constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def run(self, labels: list[str]) -> None:
        """Rewrite the model in place."""
        graph = self.model.graph
        self._taken = names(self.model)
        self._constants = initializers(self.model)
        ends = {one.name for one in graph.output}
        for label, source in zip(labels, list(graph.node), strict=True):
            node = onnx.NodeProto()
            node.CopyFrom(source)
            exponent = self._through(node, label)
            self._nodes.append(node)
            for j, name in enumerate(node.output):
                if not exponent or not name:
                    continue
                if name in ends:  # outputs keep their values
                    node.output[j] = fresh(f"{name}__small", self._taken)
                    self._scale(node.output[j], exponent, name)
                    self.exponents[node.output[j]] = exponent
                else:
                    self.exponents[name] = exponent
        was_read = {name for node in graph.node for name in node.input}
        replace_nodes(self.model, self._nodes)
        read = {name for node in self._nodes for name in (*node.input, *captured(node))} | ends
        for i in reversed(range(len(graph.initializer))):
            if graph.initializer[i].name in was_read - read:
                del graph.initializer[i]

    def _through(self, node: onnx.NodeProto, label: str) -> int:
        """Rewrite one node's inputs; the exponent of its outputs."""
        scaled = [self.exponents.get(name, 0) for name in node.input]
        seed = self.seeds.get(label)
        if any(name in self.exponents for name in captured(node)):
            raise EngineError(f"node {label} ({node.op_type}) reads a rescaled value inside")
        if seed is None and not any(scaled):
            return 0
        if node.op_type in MAC_OPS:
            return self._product(node, scaled, seed)
        if seed is not None:
            raise EngineError(f"node {label} ({node.op_type}) is no convolution to be rescaled")
        kind = node.op_type if node.domain in ("", "ai.onnx") else ""
        if kind in _ALIKE:
            return self._alike(node, scaled, range(len(scaled)))
        exponent = _arithmetic(kind, scaled)
        if exponent is None and not any(scaled[1:]):
            exponent = self._one_input(node, kind, scaled[0])
        if exponent is None:  # not for this operator: it gets the values themselves
            for j, one in enumerate(scaled):
                node.input[j] = self._shift(node.input[j], -one)
        return exponent or 0

    def _one_input(self, node: onnx.NodeProto, kind: str, exponent: int) -> int | None:
        """Operators whose first input alone is scaled; None where they are not known."""
        filled = len(node.input) > 2 and bool(node.input[2])
        if kind in _CARRY or (kind == "Pad" and not filled):
            return exponent
        if kind == "Clip":
            return self._clip(node, exponent)
        if kind in _NORMS:
            return self._norm(node, exponent)
        if kind == "Pow" and node.input[1] in self._constants:
            constant = numpy_helper.to_array(self._constants[node.input[1]])
            power = float(constant.reshape(-1)[0]) * exponent if constant.size == 1 else 0.5
            return int(power) if power.is_integer() else None
        return None

    def _product(self, node: onnx.NodeProto, scaled: list[int], seed: int | None) -> int:
        """Convolutions and products: constant weights take the factors, exponent 0 or the seed."""
        weight = node.input[1]
        if weight not in self._constants:
            # A product of two computed values: factors multiply.  Biases follow.
            if seed is not None:
                raise EngineError("a product of two computed values cannot be rescaled")
            exponent = scaled[0] + scaled[1]
        else:
            exponent = seed or 0
            node.input[1] = self._times(weight, scaled[0] - exponent)
        if len(node.input) > 2 and node.input[2]:
            bias = node.input[2]
            if bias in self._constants:
                node.input[2] = self._times(bias, -exponent)
            else:
                node.input[2] = self._shift(bias, exponent - scaled[2])
        return exponent

    def _alike(self, node: onnx.NodeProto, scaled: list[int], which: range) -> int:
        """Bring the inputs to the largest exponent among them."""
        most = max(scaled[j] for j in which if node.input[j] not in self._constants)
        for j in which:
            name = node.input[j]
            if name in self._constants:
                node.input[j] = self._times(name, -most)
            else:
                node.input[j] = self._shift(name, most - scaled[j])
        return most

    def _clip(self, node: onnx.NodeProto, exponent: int) -> int | None:
        bounds = [name for name in node.input[1:] if name]
        if not all(name in self._constants for name in bounds):
            return None
        for j in range(1, len(node.input)):
            if node.input[j]:
                node.input[j] = self._times(node.input[j], -exponent)
        return exponent

    def _norm(self, node: onnx.NodeProto, exponent: int) -> int:
        epsilon = float(attribute(node, "epsilon", 1e-5))  # type: ignore[arg-type]
        kept = [one for one in node.attribute if one.name != "epsilon"]
        made = helper.make_attribute("epsilon", epsilon * 2.0 ** (-2 * exponent))
        copies = [onnx.AttributeProto.FromString(one.SerializeToString()) for one in kept]
        del node.attribute[:]
        node.attribute.extend([*copies, made])
        return 0

    def _times(self, constant: str, exponent: int) -> str:
        """A constant times 2**exponent, under a name of its own."""
        source = self._constants[constant]
        if not exponent or source.data_type != TensorProto.FLOAT:
            return constant
        name = fresh(f"{constant}__x2e{exponent}", self._taken)
        value = np.ldexp(numpy_helper.to_array(source), exponent).astype(np.float32)
        made = numpy_helper.from_array(value, name)
        self.model.graph.initializer.append(made)
        self._constants[name] = made
        return name

    def _shift(self, name: str, exponent: int) -> str:
        """The tensor as it is, times 2**-exponent, computed once."""
        if not exponent or not name:
            return name
        if (name, exponent) not in self._restored:
            target = fresh(f"{name}__x2e{-exponent}", self._taken)
            self._restored[name, exponent] = self._scale(name, -exponent, target)
        return self._restored[name, exponent]

    def _scale(self, name: str, exponent: int, target: str) -> str:
        factor = fresh(f"power_{exponent}", self._taken)
        value = np.asarray(2.0**exponent, np.float32)
        self.model.graph.initializer.append(numpy_helper.from_array(value, factor))
        node = helper.make_node("Mul", [name, factor], [target], name=fresh("rescale", self._taken))
        self._nodes.append(node)
        return target


def _arithmetic(kind: str, scaled: list[int]) -> int | None:
    """Exponent of the output of operators that multiply and divide; None for others."""
    first = scaled[0]
    found = {
        "Mul": sum(scaled),
        "Div": first - scaled[-1],
        "Reciprocal": -first,
        "ReduceSumSquare": 2 * first,
    }.get(kind)
    return first // 2 if kind == "Sqrt" and first % 2 == 0 else found
