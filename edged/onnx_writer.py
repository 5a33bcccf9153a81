"""Writes small ONNX graphs node by node.

Knows ONNX's helper functions and the settings that keep files readable by old runtimes
and equal byte for byte.  Knows nothing of faces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str]

OPSET = 17
IR_VERSION = 8
"""The IR of opset 17's time: onnxruntime 1.12 and TensorRT 8.6 read it."""


class Graph:
    """Collects nodes and constants; every method returns the name of its output.

    The model is written in place: large constants are held once.
    """

    def __init__(self) -> None:
        self._model = onnx.ModelProto()
        self._graph = self._model.graph
        self._count = 0

    def constant(
        self, value: NDArray[Any] | Sequence[int] | np.generic | float, name: str = ""
    ) -> str:
        """A constant; python floats become float32 and sequences of int int64."""
        array = np.asarray(value, order="C")
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        elif array.dtype.kind == "i":
            array = array.astype(np.int64)
        return self.exact(array, name)

    def exact(self, value: NDArray[Any] | np.generic, name: str = "") -> str:
        """A constant of the dtype that it has."""
        label = name or f"c{len(self._graph.initializer)}"
        tensor = self._graph.initializer.add()
        tensor.CopyFrom(numpy_helper.from_array(np.array(value, order="C"), label))
        return label

    def op(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """One node of the given kind; `to` names its output."""
        self._count += 1
        label = to or f"t{self._count}"
        name = f"{kind.lower()}_{self._count}"
        node = helper.make_node(kind, list(inputs), [label], name=name, **attributes)
        self._graph.node.append(node)
        return label

    def cast(self, value: str, elem_type: int, to: str = "") -> str:
        """The value as another of `onnx.TensorProto`'s types; `to` names the output."""
        label = self.op("Cast", value, to=to)
        self._graph.node[-1].attribute.append(helper.make_attribute("to", elem_type))
        return label

    def scaled(self, value: str, factor: NDArray[Any] | float) -> str:
        """The value times a constant."""
        return self.op("Mul", value, self.constant(factor))

    def moved(self, value: str, offset: NDArray[Any] | float) -> str:
        """The value plus a constant."""
        return self.op("Add", value, self.constant(offset))

    def sandwich(self, left: str, value: str, right: str) -> str:
        """Left @ value @ right for a stack of matrices."""
        return self.op("MatMul", self.op("MatMul", left, value), right)

    def mix(self, value: str, matrix: NDArray[np.float32], to: str = "") -> str:
        """A 1x1 convolution: (n, c, h, w) to (n, k, h, w) by a (k, c) matrix."""
        return self.op("Conv", value, self.constant(matrix[:, :, None, None]), to=to)

    def model(
        self,
        name: str,
        inputs: dict[str, Shape],
        outputs: dict[str, Shape],
        types: Mapping[str, int] = MappingProxyType({}),
        *,
        check: bool = True,
    ) -> onnx.ModelProto:
        """The checked model; constants keep the order in which they were made.

        Args:
            name: of the graph.
            inputs: shapes by name; a str is a symbolic extent.
            outputs: likewise.
            types: `onnx.TensorProto` types of those that are not float32.
            check: False leaves the checker out, for a model that lacks its weights.

        Returns:
            The writer's own model, no copy: call this once, at the end.
        """

        def infos(shapes: dict[str, Shape]) -> list[onnx.ValueInfoProto]:
            return [
                helper.make_tensor_value_info(key, types.get(key, TensorProto.FLOAT), list(shape))
                for key, shape in shapes.items()
            ]

        self._graph.name = name
        self._graph.input.extend(infos(inputs))
        self._graph.output.extend(infos(outputs))
        model = self._model
        model.producer_name = "edged"
        model.opset_import.append(helper.make_opsetid("", OPSET))
        model.ir_version = IR_VERSION
        if check:
            onnx.checker.check_model(model, full_check=True)
        return model
