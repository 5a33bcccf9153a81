"""Makes the mixed-precision graph: FP16 everywhere but where the plan or FP16 itself says no.

Inputs and outputs of the model keep their types.
The graph comes out strictly typed (each operator's floats are of one precision), with one
Cast a tensor at most, in topological order.  Knows graphs; knows no measured ranges.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.errors import EngineError
from edged.runtime.graph.tools import initializers, structure_digest
from edged.runtime.precision.halves import BOUNDS, Typing
from edged.runtime.precision.lift import lifted
from edged.runtime.precision.nodes import captured, fresh, keys, names
from edged.runtime.precision.plan import PrecisionPlan
from edged.runtime.precision.rescale import rescaled


def to_mixed(model: onnx.ModelProto, plan: PrecisionPlan) -> onnx.ModelProto:
    """The graph that the plan describes.

    Args:
        model: prepared FP32 graph, not changed.
        plan: measured on this very graph.

    Returns:
        A checked graph with the inputs and outputs of `model`.

    Raises:
        EngineError: the plan is for another graph, or names nodes that this one lacks.
        ModelError: the graph cannot be converted.
    """
    plan.require(structure_digest=structure_digest(model))
    out = mixed(rescaled(lifted(model), plan.rescale), plan.fp32_nodes)
    onnx.checker.check_model(out, full_check=True)
    return out


def mixed(model: onnx.ModelProto, fp32_nodes: Collection[str]) -> onnx.ModelProto:
    """The mixed graph of a lifted model, unchecked.

    Args:
        model: as :func:`edged.runtime.precision.lift.lifted` gives it, not changed.
        fp32_nodes: keys of nodes that stay in FP32.

    Raises:
        EngineError: a key is no node's.
    """
    known = set(keys(model.graph.node))
    if missing := sorted(set(fp32_nodes) - known):
        raise EngineError(
            f"a precision plan names {len(missing)} nodes that the graph lacks, such as "
            f"{missing[0]}; measure again: edged calibrate precision"
        )
    return _Writer(Typing.of(model, fp32_nodes)).model()


@dataclass
class _Writer:
    """Writes the nodes of the mixed graph one after the other."""

    typing: Typing
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    _now: dict[str, str] = field(default_factory=dict)
    """FP32 tensor -> its FP16 name, for tensors that exist in FP16."""
    _full: set[str] = field(default_factory=set)
    """Float tensors that exist in FP32 under their own name."""
    _constants: dict[str, onnx.TensorProto] = field(default_factory=dict)
    _halved: dict[str, onnx.TensorProto] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _floats: set[str] = field(default_factory=set)

    def model(self) -> onnx.ModelProto:
        """The whole model."""
        source = self.typing.source
        graph = source.graph
        self._taken = names(source)
        self._constants = initializers(source)
        self._full = {one.name for one in graph.input} | set(self._constants)
        self._floats = {
            name for name, kind in self.typing.types.items() if kind == TensorProto.FLOAT
        }
        # Outputs, and what subgraphs read by name, must exist in FP32 under their name.
        anchored = {one.name for one in graph.output}
        for node in graph.node:
            anchored |= captured(node)
        for i, node in enumerate(graph.node):
            self._write(i, node, anchored)
        out = onnx.ModelProto()
        out.CopyFrom(_shell(source))
        out.graph.node.extend(self.nodes)
        read = {name for node in self.nodes for name in node.input} | anchored
        was_read = {name for node in graph.node for name in node.input}
        out.graph.initializer.extend(
            one for one in graph.initializer if one.name in read or one.name not in was_read
        )
        out.graph.initializer.extend(self._halved.values())
        return out

    def _write(self, i: int, source: onnx.NodeProto, anchored: Collection[str]) -> None:
        reads, makes = self.typing.halves(i)
        node = onnx.NodeProto()
        node.CopyFrom(source)
        self._read(source, node, reads)
        halves = [name for name, half in zip(source.output, makes, strict=True) if half]
        for j, name in enumerate(source.output):
            if name in halves:
                self._now[name] = fresh(f"{name}__half", self._taken) if name in anchored else name
                node.output[j] = self._now[name]
            elif name:
                self._full.add(name)
        if halves:
            _retype(node)
        self.nodes.append(node)
        for name in halves:
            if name in anchored:
                self._cast(self._now[name], name, TensorProto.FLOAT)
                self._full.add(name)

    def _read(self, source: onnx.NodeProto, node: onnx.NodeProto, reads: Sequence[bool]) -> None:
        """Names of the inputs in the precision that the node wants."""
        for j, name in enumerate(source.input):
            if name in self._floats:
                bound = j in BOUNDS.get(source.op_type, ())
                node.input[j] = self._half(name, bound=bound) if reads[j] else self._single(name)
        for name in sorted(captured(source) & self._floats):
            self._single(name)

    def _half(self, name: str, *, bound: bool = False) -> str:
        """The FP16 name of a float tensor, cast or converted at its first use."""
        if name not in self._now:
            inner = fresh(f"{name}__half", self._taken)
            if name in self._constants:
                self._halved[inner] = halved(self._constants[name], inner, bound=bound)
            else:
                self._cast(name, inner, TensorProto.FLOAT16)
            self._now[name] = inner
        return self._now[name]

    def _single(self, name: str) -> str:
        """The FP32 name of a float tensor, likewise."""
        if name in self._full:
            return name
        inner = f"{name}__single"
        if inner not in self._full:
            inner = fresh(inner, self._taken)
            self._cast(self._now[name], inner, TensorProto.FLOAT)
            self._full.add(inner)
        return inner

    def _cast(self, source: str, target: str, to: int) -> None:
        name = fresh(f"cast_{target}", self._taken)
        self.nodes.append(helper.make_node("Cast", [source], [target], name=name, to=to))


def halved(constant: onnx.TensorProto, name: str, *, bound: bool = False) -> onnx.TensorProto:
    """A float constant in FP16, rounded as IEEE 754 says; a bound may become infinite.

    Values beyond FP16's range do not come here (see `halves`) but as bounds.
    """
    value = numpy_helper.to_array(constant)
    with np.errstate(over="ignore"):
        small = value.astype(np.float16)
    assert bound or np.array_equal(np.isfinite(small), np.isfinite(value))
    return numpy_helper.from_array(small, name)


def _retype(node: onnx.NodeProto) -> None:
    """Types that stand in attributes of nodes whose outputs become FP16."""
    for one in node.attribute:
        if node.op_type == "Cast" and one.name == "to":
            one.i = TensorProto.FLOAT16
        elif node.op_type == "ConstantOfShape" and one.name == "value":
            one.t.CopyFrom(halved(one.t, one.t.name))
            return
    if node.op_type == "ConstantOfShape":  # without the attribute it fills with FP32 zeros
        zero = numpy_helper.from_array(np.zeros(1, np.float16))
        node.attribute.append(helper.make_attribute("value", zero))


def _shell(source: onnx.ModelProto) -> onnx.ModelProto:
    """The model without nodes and constants: what it is called and its ends."""
    out = onnx.ModelProto()
    out.ir_version = source.ir_version
    out.producer_name = source.producer_name
    out.opset_import.extend(source.opset_import)
    out.metadata_props.extend(source.metadata_props)
    out.graph.name = source.graph.name
    out.graph.input.extend(source.graph.input)
    out.graph.output.extend(source.graph.output)
    return out
