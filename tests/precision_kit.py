"""Small networks with the traps of half precision, and how tests run them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edged.onnx_writer import Graph
from edged.runtime.precision.convert import mixed
from edged.runtime.precision.cpu import CpuRun
from edged.runtime.precision.lift import lifted

SIZE = 16


def norm_net(gain: float = 1.0, epsilon: float = 1e-8) -> onnx.ModelProto:
    """Picture in and out: convolution (times gain), instance norm taken apart, convolution."""
    rng = np.random.default_rng(0)
    graph = Graph()
    value = picture_in(graph)
    kernel = rng.standard_normal((8, 3, 3, 3)) * gain / 5
    value = graph.op("Conv", value, graph.constant(kernel), to="conv", pads=[1] * 4)
    value = graph.op("Relu", instance_norm(graph, value, epsilon))
    kernel = rng.standard_normal((3, 8, 3, 3)) / 9
    value = graph.op("Conv", value, graph.constant(kernel), to="last", pads=[1] * 4)
    return picture_out(graph, value)


def instance_norm(graph: Graph, value: str, epsilon: float = 1e-8) -> str:
    """As exporters write it."""
    centred = graph.op("Sub", value, graph.op("ReduceMean", value, axes=[2, 3], keepdims=1))
    squares = graph.op("Mul", centred, centred, to="squares")
    power = graph.op("ReduceMean", squares, axes=[2, 3], keepdims=1)
    spread = graph.op("Sqrt", graph.moved(power, epsilon))
    return graph.op("Div", centred, spread)


def picture_in(graph: Graph) -> str:
    """`crops` uint8 (n, s, s, 3) to planes of -1..1, as prepared graphs do."""
    pixels = graph.cast("crops", TensorProto.FLOAT, to="pixels")
    planes = graph.op("Transpose", pixels, perm=[0, 3, 1, 2])
    return graph.moved(graph.scaled(planes, 1 / 127.5), -1.0)


def picture_out(graph: Graph, value: str) -> onnx.ModelProto:
    """Planes of -1..1 to `swapped` uint8 and `checks`."""
    graph.op("ReduceMean", value, to="checks", axes=[1, 2, 3], keepdims=0)
    levels = graph.moved(graph.scaled(value, 127.5), 127.5)
    bounded = graph.op(
        "Clip", graph.op("Round", levels), graph.constant(0.0), graph.constant(255.0)
    )
    rows = graph.op("Transpose", bounded, perm=[0, 2, 3, 1])
    graph.cast(rows, TensorProto.UINT8, to="swapped")
    return graph.model(
        "small",
        {"crops": ("n", SIZE, SIZE, 3)},
        {"swapped": ("n", SIZE, SIZE, 3), "checks": ("n",)},
        types={"crops": TensorProto.UINT8, "swapped": TensorProto.UINT8},
    )


def crops(seed: int, count: int = 2, size: int = SIZE) -> dict[str, np.ndarray[Any, Any]]:
    """Feeds: smooth noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, size // 4, size // 4, 3))
    return {"crops": np.kron(coarse, np.ones((1, 4, 4, 1))).astype(np.uint8)}


def model(
    nodes: list[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, list[int | str]]],
    outputs: Mapping[str, tuple[int, list[int | str]]],
    constants: Mapping[str, np.ndarray[Any, Any]],
    opset: int = 17,
) -> onnx.ModelProto:
    """A checked model of any opset."""

    def infos(ends: Mapping[str, tuple[int, list[int | str]]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in ends.items()]

    graph = helper.make_graph(
        nodes,
        "small",
        infos(inputs),
        infos(outputs),
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    onnx.checker.check_model(made, full_check=True)
    return made


def node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> onnx.NodeProto:
    """A node called as its first output."""
    return helper.make_node(kind, inputs, outputs, name=f"n_{outputs[0]}", **attributes)


def half(source: onnx.ModelProto, *fp32_nodes: str) -> onnx.ModelProto:
    """The mixed graph, checked, loaded by onnxruntime."""
    made = mixed(lifted(source), fp32_nodes)
    onnx.checker.check_model(made, full_check=True)
    CpuRun(made, threads=1)
    return made


def kinds(source: onnx.ModelProto) -> dict[str, int]:
    """Element types by tensor."""
    inferred = onnx.shape_inference.infer_shapes(source, strict_mode=True).graph
    found = {one.name: one.data_type for one in inferred.initializer}
    for info in (*inferred.input, *inferred.value_info, *inferred.output):
        found[info.name] = info.type.tensor_type.elem_type
    return found


def run(source: onnx.ModelProto, feeds: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs by name."""
    return CpuRun(source, threads=1)(feeds)
