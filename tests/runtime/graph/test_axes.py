"""Every rule about where an operator puts the faces, against what the operator does.

A graph of few operators is opened; then three faces at once must come out as one by one.
What mixes faces must be refused.
"""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
import pytest
from graph_kit import at_opset, session_of

from edged.onnx_writer import Graph
from edged.runtime.graph import tools
from edged.runtime.graph.batch import open_batch
from edged.runtime.graph.fold import fold_shapes

SHAPE = (1, 2, 3, 4)


def draw(*shape):
    return np.random.default_rng(11).standard_normal(shape).astype(np.float32)


def made(write):
    """The model of y = write(graph, "x"), with however many extents y has."""
    for rank in (4, 3, 2, 5, 1, 7):
        graph = Graph()
        graph.op("Identity", write(graph, "x"), to="y")
        with contextlib.suppress(onnx.shape_inference.InferenceError):
            return graph.model("m", {"x": SHAPE}, {"y": tuple("nbcdefg"[:rank])})
    raise AssertionError("no rank suits")


def opened(model):
    """What stands in the way of opening a model, "" where it was opened."""
    fold_shapes(model, {"x": SHAPE})
    stuck = open_batch(model, tools.static_shapes(model, {"x": SHAPE}), ["x"], "x")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    return stuck


def floats(g, value):
    return g.op("CastLike", value, g.constant(0.0))


def swapped(g, value):
    """Faces on the last axis."""
    return g.op("Transpose", value, perm=[3, 1, 2, 0])


KEEP = {
    "transpose": lambda g, x: g.op(
        "Transpose", g.op("Transpose", x, perm=[2, 0, 1, 3]), perm=[1, 2, 0, 3]
    ),
    "unsqueeze, squeeze": lambda g, x: g.op(
        "Squeeze", g.op("Unsqueeze", x, g.constant([0, 3])), g.constant([0, 3])
    ),
    "flatten": lambda g, x: g.op("Flatten", x, axis=1),
    "concat a constant": lambda g, x: g.op("Concat", x, g.constant(draw(1, 1, 3, 4)), axis=1),
    "concat whole numbers": lambda g, x: floats(
        g, g.op("Concat", g.op("ArgMax", x, axis=1), g.constant(np.ones((1, 2, 3, 4), int)), axis=1)
    ),
    "slice the whole": lambda g, x: g.op(
        "Slice", x, g.constant([0]), g.constant([1]), g.constant([0])
    ),
    "slice a row": lambda g, x: g.op("Slice", x, g.constant([1]), g.constant([3]), g.constant([2])),
    "gather a row": lambda g, x: g.op("Gather", x, g.constant(1), axis=2),
    "gather rows": lambda g, x: g.op("Gather", x, g.constant(np.ones((2, 2), int)), axis=1),
    "gather by faces": lambda g, x: g.op(
        "Gather", g.constant(draw(3, 5)), g.op("ArgMax", x, axis=2), axis=0
    ),
    "gather elements": lambda g, x: g.op("GatherElements", x, g.op("ArgMax", x, axis=2), axis=2),
    "scatter into zeros": lambda g, x: g.op(
        "ScatterElements",
        g.constant(np.zeros((1, 2, 3, 4), np.float32)),
        g.op("ArgMax", x, axis=2),
        g.constant(np.ones((1, 2, 1, 4), np.float32)),
        axis=2,
    ),
    "one-hot last": lambda g, x: g.op(
        "OneHot",
        g.op("ArgMax", x, axis=2, keepdims=0),
        g.constant(np.int64(3)),
        g.constant(np.array([0.0, 1.0])),
    ),
    "one-hot second": lambda g, x: g.op(
        "OneHot",
        g.op("ArgMax", x, axis=2, keepdims=0),
        g.constant(np.int64(3)),
        g.constant(np.array([0.0, 1.0])),
        axis=1,
    ),
    "expand": lambda g, x: g.op(
        "Transpose", g.op("Expand", x, g.constant([5, 1, 2, 3, 4])), perm=[1, 0, 2, 3, 4]
    ),
    "tile": lambda g, x: g.op("Tile", x, g.constant([1, 2, 1, 3])),
    "trilu": lambda g, x: g.op("Trilu", x),
    "pad": lambda g, x: g.op("Pad", x, g.constant([0, 0, 1, 1, 0, 0, 1, 1])),
    "mean": lambda g, x: g.op("ReduceMean", x, axes=[2, -1], keepdims=0),
    "sum": lambda g, x: g.op("ReduceSum", x, g.constant([1])),
    "best kept": lambda g, x: floats(g, g.op("ArgMin", x, axis=-1)),
    "best dropped": lambda g, x: floats(g, g.op("ArgMax", x, axis=1, keepdims=0)),
    "running sum": lambda g, x: g.op("CumSum", x, g.constant(np.int64(2))),
    "softmax": lambda g, x: g.op("Softmax", x, axis=1),
    "layer norm": lambda g, x: g.op(
        "LayerNormalization", x, g.constant(draw(4)), g.constant(draw(4))
    ),
    "unit length": lambda g, x: g.op("LpNormalization", x, axis=1),
    "instance norm": lambda g, x: g.op(
        "InstanceNormalization", x, g.constant(draw(2)), g.constant(draw(2))
    ),
    "depth to space": lambda g, x: g.op("DepthToSpace", g.op("Concat", x, x, axis=1), blocksize=2),
    "resize to sizes": lambda g, x: g.op(
        "Resize", x, "", "", g.constant([1, 2, 6, 8]), mode="nearest"
    ),
    "sample a grid": lambda g, x: g.op(
        "GridSample",
        x,
        g.op("Tanh", g.op("Reshape", x, g.constant([1, 3, 4, 2]))),
        padding_mode="border",
    ),
    "matrix right": lambda g, x: g.op("MatMul", x, g.constant(draw(4, 5))),
    "matrix left": lambda g, x: g.op("MatMul", g.constant(draw(5, 3)), x),
    "stacks": lambda g, x: g.op("MatMul", x, g.op("Transpose", x, perm=[0, 1, 3, 2])),
    "gemm": lambda g, x: g.op(
        "Gemm", g.op("Flatten", x), g.constant(draw(24, 3)), g.constant(draw(3))
    ),
    "gemm turned": lambda g, x: g.op(
        "Gemm",
        g.op("Transpose", g.op("Flatten", x), perm=[1, 0]),
        g.constant(draw(24, 3)),
        transA=1,
    ),
    "gemm of weights": lambda g, x: g.op(
        "Transpose",
        g.op(
            "Gemm",
            g.constant(draw(3, 24)),
            g.op("Flatten", x),
            g.constant(draw(3, 1)),
            transB=1,
        ),
        perm=[1, 0],
    ),
    "einsum": lambda g, x: g.op("Einsum", x, g.constant(draw(2, 5)), equation="nchw,cd->ndhw"),
    "choose": lambda g, x: g.op(
        "Where", g.op("Less", x, g.constant(0.0)), x, g.constant(draw(3, 4))
    ),
    "attention over places": lambda g, x: g.op(
        "Transpose",
        g.op("Softmax", g.op("Transpose", x, perm=[2, 3, 0, 1]), axis=0),
        perm=[2, 3, 0, 1],
    ),
}
"""y = f(x) whose faces stay apart."""

MIX = {
    "squeeze": lambda g, x: g.op("Squeeze", x, g.constant([0])),
    "flatten": lambda g, x: g.op("Flatten", x, axis=2),
    "concat": lambda g, x: g.op("Concat", x, x, axis=0),
    "sum of two layouts": lambda g, x: g.op("Add", g.op("Transpose", x, perm=[1, 0, 2, 3]), x),
    "split": lambda g, x: g.op("Split", x, g.constant([1]), axis=0),
    "slice": lambda g, x: g.op("Slice", x, g.constant([-1]), g.constant([9]), g.constant([0])),
    "gather": lambda g, x: g.op("Gather", x, g.constant([0]), axis=0),
    "gather of gathered": lambda g, x: g.op("Gather", x, g.op("ArgMax", x, axis=2), axis=1),
    "expand": lambda g, x: g.op("Expand", x, g.constant([3, 2, 3, 4])),
    "tile": lambda g, x: g.op("Tile", x, g.constant([2, 1, 1, 1])),
    "trilu": lambda g, x: g.op("Trilu", swapped(g, x)),
    "pad": lambda g, x: g.op("Pad", x, g.constant([1, 0, 0, 0, 0, 0, 0, 0])),
    "mean": lambda g, x: g.op("ReduceMean", x, axes=[0]),
    "mean of everything": lambda g, x: g.op("ReduceMean", x),
    "best": lambda g, x: floats(g, g.op("ArgMax", x, axis=0)),
    "running sum": lambda g, x: g.op("CumSum", x, g.constant(np.int64(0))),
    "softmax": lambda g, x: g.op("Softmax", x, axis=0),
    "layer norm": lambda g, x: g.op(
        "LayerNormalization", x, g.constant(draw(*SHAPE)), g.constant(draw(*SHAPE)), axis=0
    ),
    "instance norm of turned": lambda g, x: g.op(
        "InstanceNormalization", swapped(g, x), g.constant(draw(2)), g.constant(draw(2))
    ),
    "resize": lambda g, x: g.op(
        "Resize", x, "", g.constant(np.array([2, 1, 1, 1], np.float32)), mode="nearest"
    ),
    "matrix": lambda g, x: g.op("MatMul", swapped(g, x), g.constant(draw(1, 2))),
    "matrix of rows and columns": lambda g, x: g.op(
        "MatMul", g.op("Transpose", x, perm=[1, 2, 0, 3]), g.op("Transpose", x, perm=[1, 2, 3, 0])
    ),
    "gemm": lambda g, x: g.op("Gemm", g.op("Flatten", x), g.constant(draw(1, 3)), transA=1),
    "gemm plus a row a face": lambda g, x: g.op(
        "Gemm",
        g.constant(draw(3, 24)),
        g.op("Flatten", x),
        g.op("ReduceMean", x, axes=[1, 2, 3], keepdims=0),
        transB=1,
    ),
    "einsum": lambda g, x: g.op("Einsum", x, x, equation="nchw,nchw->chw"),
    "constant a face": lambda g, x: g.op("Add", x, g.constant(draw(3, 2, 3, 4))),
    "weights of a face": lambda g, x: g.op(
        "Conv", g.constant(draw(1, 3, 8, 8)), g.op("Reshape", x, g.constant([2, 3, 2, 2]))
    ),
    "unknown operator": lambda g, x: floats(g, g.op("NonZero", x)),
}
"""y = f(x) that mixes faces, or may."""


@pytest.mark.parametrize("name", KEEP)
def test_an_operator_that_keeps_faces_apart_is_opened(name):
    """Three faces at once come out as one by one, whatever else the operator does."""
    model = made(KEEP[name])
    assert opened(model) == ""
    faces = draw(3, *SHAPE[1:])
    with session_of(tools.checked(model)) as session:
        (together,) = session.run({"x": faces})
        for face in range(3):
            (alone,) = session.run({"x": faces[face : face + 1]})
            assert together.shape[0] == 3
            np.testing.assert_allclose(together[face], alone[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MIX)
def test_an_operator_that_mixes_faces_is_refused(name):
    """The graph stays as it was, and the reason names an operator or an output."""
    model = made(MIX[name])
    before = [node.SerializeToString() for node in model.graph.node]
    assert opened(model)
    assert [node.SerializeToString() for node in model.graph.node] == before


@pytest.mark.parametrize(("axis", "reason"), [(1, ""), (0, "compares the faces")])
def test_an_old_softmax_goes_over_its_axis_and_all_after_it(axis, reason):
    """Before opset 13 it laid the tensor out as a matrix."""
    model = at_opset(made(lambda g, x: g.op("Softmax", x, axis=axis)), 11)
    assert reason in opened(model)


def test_a_graph_of_many_choices_is_given_up_in_time():
    """Reshapes that leave several places open, and an operator that none of them suits."""

    def write(g, x):
        for _ in range(40):
            x = g.op("Reshape", x, g.constant([2, 1, 3, 4]))
            x = g.op("Reshape", x, g.constant([1, 2, 3, 4]))
        return g.op("CumSum", x, g.constant(np.int64(0)))

    assert opened(made(write))
