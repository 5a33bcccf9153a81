"""Shapes that are worked out at run time become constants."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import session_of

from edged.onnx_writer import Graph
from edged.runtime.graph import tools
from edged.runtime.graph.fold import fold_shapes

SHAPES = {"x": (1, 4, 6)}


def folded(write):
    """Y by `write(graph)`, before and after, for x of one size."""
    graph = Graph()
    write(graph)
    model = graph.model("m", {"x": ("n", 4, 6)}, {"y": ("a", "b")})
    after = tools.clone(model)
    fold_shapes(after, SHAPES)
    return model, tools.checked(after)


def halves(graph):
    """X as rows of half its last extent, worked out from its shape."""
    shape = graph.op("Shape", "x")
    last = graph.op("Gather", shape, graph.constant(-1), axis=0)
    half = graph.op("Div", last, graph.constant(np.int64(2)))
    wide = graph.op("Unsqueeze", half, graph.constant([0]))
    graph.op("Reshape", "x", graph.op("Concat", graph.constant([-1]), wide, axis=0), to="y")


def table(graph):
    """X times a table that is larger than what is worked out beforehand."""
    size = graph.constant([6, 40_000])
    big = graph.op("Expand", graph.constant(1.0), size)
    rows = graph.op("Reshape", "x", graph.constant([-1, 6]))
    graph.op("MatMul", rows, big, to="y")


def noise(graph):
    """X plus numbers that are drawn at each run."""
    drawn = graph.op("RandomNormal", shape=[4, 6], seed=1.0)
    graph.op("Add", graph.op("Reshape", "x", graph.constant([4, 6])), drawn, to="y")


def test_a_reshape_s_target_becomes_a_constant_and_means_the_same():
    """Nothing of the shape's arithmetic is left."""
    model, after = folded(halves)
    tools.prune(after)
    assert [node.op_type for node in after.graph.node] == ["Reshape"]
    feeds = {"x": np.arange(24, dtype=np.float32).reshape(1, 4, 6)}
    with session_of(model) as one, session_of(after) as other:
        np.testing.assert_array_equal(one.run(feeds)[0], other.run(feeds)[0])


@pytest.mark.parametrize(("write", "kept"), [(table, "Expand"), (noise, "RandomNormal")])
def test_what_is_large_or_drawn_anew_stays(write, kept):
    """A file must not swell, and chance must stay chance."""
    assert kept in {node.op_type for node in folded(write)[1].graph.node}
