"""Multiply-adds of every node: what a plan's share of FP16 is counted in.

Counted from shapes alone: convolutions (grouped and transposed ones, too), Gemm, MatMul.
Knows ONNX; knows no runtime.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import onnx

from edged.errors import ModelError
from edged.runtime.graph.tools import attribute, static_shapes
from edged.runtime.precision.nodes import MAC_OPS, keys

Shape = Sequence[int]


def macs(model: onnx.ModelProto, feeds: Mapping[str, Shape]) -> dict[str, int]:
    """Multiply-adds by node key; nodes without any are left out.

    Args:
        model: with constants as initializers; not changed.
        feeds: shape of every input.

    Raises:
        ModelError: the shapes that a count needs cannot be inferred.
    """
    shapes = static_shapes(model, feeds)
    found: dict[str, int] = {}
    for key, node in zip(keys(model.graph.node), model.graph.node, strict=True):
        if node.op_type not in MAC_OPS or node.domain not in ("", "ai.onnx"):
            continue
        needed = (*node.input[:2], node.output[0])
        missing = [name for name in needed if name not in shapes]
        if missing:
            raise ModelError(
                f"node {key} ({node.op_type}): the shape of {missing[0]} cannot be inferred, so "
                "its cost is not known; simplify the model file (onnxslim does)"
            )
        value, weight, out = (shapes[name] for name in needed)
        found[key] = _count(node, value, weight, out)
    return found


def _count(node: onnx.NodeProto, value: Shape, weight: Shape, out: Shape) -> int:
    """For one node, from the shapes of its two factors and its output."""
    if node.op_type == "Conv":  # weight: (out, in / group, *kernel)
        return math.prod(out) * math.prod(weight[1:])
    if node.op_type == "ConvTranspose":  # weight: (in, out / group, *kernel)
        return math.prod(value) * math.prod(weight[1:])
    if node.op_type == "Gemm":
        inner = value[0] if attribute(node, "transA", 0) else value[1]
        return math.prod(out) * inner
    # MatMul: the last axis of the first factor is summed over; vectors have one only.
    return math.prod(out) * value[-1]
