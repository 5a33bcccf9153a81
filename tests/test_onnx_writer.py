"""What `edged.onnx_writer` promises."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto

from edged.onnx_writer import IR_VERSION, OPSET, Graph


def _run(model, **inputs):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def test_what_is_written_runs():
    """A graph of two nodes computes what it says."""
    g = Graph()
    g.op("Identity", g.moved(g.scaled("x", 2.0), 1.0), to="y")
    model = g.model("small", {"x": ["n", 3]}, {"y": ["n", 3]})
    x = np.ones((2, 3), np.float32)
    assert np.array_equal(_run(model, x=x), np.full((2, 3), 3.0, np.float32))


def test_a_mix_is_a_matrix_over_channels():
    """A 1x1 convolution multiplies the channels with the matrix."""
    g = Graph()
    matrix = np.array([[1, 2, 3], [0, 1, 0]], np.float32)
    g.mix("x", matrix, to="y")
    model = g.model("mix", {"x": ["n", 3, 2, 2]}, {"y": ["n", 2, 2, 2]})
    x = np.random.default_rng(0).standard_normal((1, 3, 2, 2)).astype(np.float32)
    assert np.allclose(_run(model, x=x), np.einsum("kc,nchw->nkhw", matrix, x), atol=1e-6)


def test_constants_keep_their_order_and_kinds():
    """The last constant made is the last initialiser; floats are float32, ints int64."""
    g = Graph()
    g.op("Mul", "x", g.constant(0.5), to="y")
    g.constant([1, 2])
    g.constant(np.zeros((2, 2)), "last")
    found = g.model("order", {"x": ["n"]}, {"y": ["n"]}).graph.initializer
    assert [one.data_type for one in found] == [1, 7, 1]
    assert found[-1].name == "last"
    assert list(found[0].dims) == []


def test_exact_constants_and_casts_keep_their_types():
    """A constant of bytes stays one, and a cast makes the type that it names."""
    g = Graph()
    g.cast(g.op("Add", "x", g.cast(g.exact(np.uint8(200)), TensorProto.FLOAT)), 6, to="y")
    model = g.model("types", {"x": ["n"]}, {"y": ["n"]}, {"y": TensorProto.INT32})
    assert [one.data_type for one in model.graph.initializer] == [TensorProto.UINT8]
    assert _run(model, x=np.ones(2, np.float32)).tolist() == [201, 201]


def test_old_runtimes_can_read_it():
    """Opset 17 and an IR of at most 9 are declared."""
    g = Graph()
    g.op("Identity", "x", to="y")
    model = g.model("old", {"x": ["n"]}, {"y": ["n"]})
    assert model.opset_import[0].version == OPSET == 17
    assert model.ir_version == IR_VERSION <= 9


def test_a_wrong_graph_is_refused_when_it_is_made():
    """A node that reads what nobody writes does not pass the checker."""
    g = Graph()
    g.op("Identity", "nothing", to="y")
    with pytest.raises(Exception, match="nothing"):
        g.model("bad", {"x": ["n"]}, {"y": ["n"]})
