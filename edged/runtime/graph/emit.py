"""Adds nodes to a graph that is there, valid for whatever operator version it has.

Knows where opsets 11 to 18 and later differ for the few operators that edged adds; knows
nothing of what they are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edged.faces import Tensor
from edged.runtime.graph.tools import opset

FLOAT, UINT8 = int(TensorProto.FLOAT), int(TensorProto.UINT8)
INT32, INT64 = int(TensorProto.INT32), int(TensorProto.INT64)

REDUCE_AXES_ARE_INPUTS = 18
"""Opset from which ReduceMean takes its axes as an input, not as an attribute."""

SUM_AXES_ARE_INPUTS = 13
"""Likewise of ReduceSum, which was ahead of the others."""


class Emitter:
    """Appends nodes and constants; every method returns the name of the new tensor.

    The order of nodes is mended afterwards (`tools.toposort`).

    Args:
        model: changed in place.
        prefix: of the names of all nodes and tensors that are added, such as "pre/".
    """

    def __init__(self, model: onnx.ModelProto, prefix: str) -> None:
        self._graph = model.graph
        self._prefix = prefix
        self._opset = opset(model)

    def constant(self, name: str, value: Tensor | Sequence[int] | np.generic | float) -> str:
        """A constant: float32 for floats, int64 for integers and for lists."""
        listed = isinstance(value, Sequence)
        array = np.asarray(value, np.int64) if listed else np.asarray(value)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        label = self._prefix + name
        self._graph.initializer.append(numpy_helper.from_array(np.array(array, order="C"), label))
        return label

    def op(self, kind: str, *inputs: str, name: str, out: str = "", **attributes: Any) -> str:
        """One node called `name`; its output is called the same, or `out`."""
        return self.ops(
            kind, *inputs, name=name, outputs=(out or self._prefix + name,), **attributes
        )[0]

    def ops(
        self, kind: str, *inputs: str, name: str, outputs: Sequence[str], **attributes: Any
    ) -> tuple[str, ...]:
        """One node of several outputs, whose names are given in full."""
        node = helper.make_node(
            kind, list(inputs), list(outputs), name=self._prefix + name, **attributes
        )
        self._graph.node.append(node)
        return tuple(outputs)

    def cast(self, value: str, elem_type: int, *, name: str, out: str = "") -> str:
        """The value as another type."""
        return self.op("Cast", value, name=name, out=out, to=elem_type)

    def mean(
        self, value: str, axes: Sequence[int], *, name: str, out: str = "", keep: bool = False
    ) -> str:
        """Mean over axes."""
        keepdims = int(keep)
        if self._opset < REDUCE_AXES_ARE_INPUTS:
            return self.op(
                "ReduceMean", value, name=name, out=out, axes=list(axes), keepdims=keepdims
            )
        which = self.constant(f"{name}/axes", list(axes))
        return self.op("ReduceMean", value, which, name=name, out=out, keepdims=keepdims)

    def total(self, value: str, axes: Sequence[int], *, name: str) -> str:
        """Sum over axes, which are kept with extent 1."""
        if self._opset < SUM_AXES_ARE_INPUTS:
            return self.op("ReduceSum", value, name=name, axes=list(axes), keepdims=1)
        which = self.constant(f"{name}/axes", list(axes))
        return self.op("ReduceSum", value, which, name=name, keepdims=1)

    def reshaped(self, value: str, shape: Sequence[int], *, name: str, out: str = "") -> str:
        """The value in another shape; one extent may be -1."""
        return self.op(
            "Reshape", value, self.constant(f"{name}/shape", list(shape)), name=name, out=out
        )

    def part(self, value: str, first: int, end: int, *, axis: int, name: str) -> str:
        """Slices first..end - 1 along an axis."""
        bounds = (
            self.constant(f"{name}/first", [first]),
            self.constant(f"{name}/end", [end]),
            self.constant(f"{name}/axis", [axis]),
        )
        return self.op("Slice", value, *bounds, name=name)

    def concat(self, values: Sequence[str], axis: int, *, name: str, out: str = "") -> str:
        """Values one after another."""
        return self.op("Concat", *values, name=name, out=out, axis=axis)

    def scaled(self, value: str, factor: NDArray[Any] | float, *, name: str) -> str:
        """The value times a constant; nothing is added for 1."""
        if np.all(np.asarray(factor) == 1):
            return value
        return self.op("Mul", value, self.constant(f"{name}/by", factor), name=name)

    def moved(self, value: str, offset: NDArray[Any] | float, *, name: str) -> str:
        """The value plus a constant; nothing is added for 0."""
        if not np.any(np.asarray(offset)):
            return value
        return self.op("Add", value, self.constant(f"{name}/by", offset), name=name)
