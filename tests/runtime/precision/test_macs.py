"""Multiply-adds against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto
from precision_kit import model, node

from edged.errors import ModelError
from edged.runtime.precision.macs import macs

FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize(
    ("kind", "attributes", "shapes", "count"),
    [
        # out extents x inputs of one output
        ("Conv", {}, ([2, 3, 8, 8], [5, 3, 3, 3], [2, 5, 6, 6]), 2 * 5 * 36 * 27),
        ("Conv", {"group": 4}, ([1, 8, 8, 8], [8, 2, 3, 3], [1, 8, 6, 6]), 8 * 36 * 18),
        ("Conv", {"strides": [2, 2]}, ([1, 3, 9, 9], [5, 3, 3, 3], [1, 5, 4, 4]), 5 * 16 * 27),
        # in extents x outputs of one input
        ("ConvTranspose", {}, ([1, 6, 4, 4], [6, 5, 3, 3], [1, 5, 6, 6]), 6 * 16 * 45),
        ("Gemm", {}, ([3, 7], [7, 5], [3, 5]), 3 * 5 * 7),
        ("Gemm", {"transA": 1, "transB": 1}, ([7, 3], [5, 7], [3, 5]), 3 * 5 * 7),
        ("MatMul", {}, ([2, 4, 7], [7, 5], [2, 4, 5]), 2 * 4 * 5 * 7),
    ],
)
def test_counts(kind: str, attributes: dict, shapes: tuple, count: int) -> None:
    """Strides, groups, transposes and batches."""
    x, w, y = shapes
    source = model(
        [node(kind, ["x", "w"], ["a"], **attributes), node("Relu", ["a"], ["y"])],
        {"x": (FLOAT, x)}, {"y": (FLOAT, y)}, {"w": np.ones(w, np.float32)},
    )  # fmt: skip
    assert macs(source, {"x": x}) == {"n_a": count}


def test_open_extents_are_those_of_the_feeds() -> None:
    """A batch of four costs four times as much."""
    source = model(
        [node("Conv", ["x", "w"], ["y"])],
        {"x": (FLOAT, ["n", 3, "h", "w"])}, {"y": (FLOAT, ["n", 5, "h", "w"])},
        {"w": np.ones((5, 3, 1, 1), np.float32)},
    )  # fmt: skip
    assert macs(source, {"x": (4, 3, 2, 2)}) == {"n_y": 4 * 5 * 4 * 3}


def test_a_shape_that_nobody_knows_is_named() -> None:
    """A share of unknown costs would be no share."""
    nodes = [node("Reshape", ["x", "shape"], ["a"]), node("MatMul", ["a", "w"], ["y"])]
    source = model(
        nodes,
        {"x": (FLOAT, [8, 8]), "shape": (TensorProto.INT64, [2])}, {"y": (FLOAT, ["n", 4])},
        {"w": np.ones((8, 4), np.float32)},
    )  # fmt: skip
    with pytest.raises(ModelError, match="n_y"):
        macs(source, {"x": (8, 8), "shape": (2,)})
