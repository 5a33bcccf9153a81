"""InstanceNormalization written out gives what the operator gives."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto

from edged.errors import ModelError
from edged.onnx_writer import Graph
from edged.runtime.graph import tools
from edged.runtime.trt.norms import without_instance_norm


def normed(*, half=False):
    """A graph whose middle is an InstanceNormalization."""
    graph = Graph()
    random = np.random.default_rng(1)
    kind = np.float16 if half else np.float32
    value = graph.cast("x", TensorProto.FLOAT16) if half else "x"
    scale = graph.exact(random.uniform(0.5, 2, 3).astype(kind))
    bias = graph.exact(random.uniform(-1, 1, 3).astype(kind))
    out = graph.op("InstanceNormalization", value, scale, bias, epsilon=1e-3)
    graph.cast(out, TensorProto.FLOAT, to="y")
    return graph.model("normed", {"x": ["n", 3, 5, 7]}, {"y": ["n", 3, 5, 7]})


def run(model, fed):
    """The model's output on the CPU."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": fed})[0]


@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-5), (True, 4e-3)])
def test_the_written_out_norm_is_the_same_function(half, tolerance):
    """In full precision to rounding; in half to half's rounding, with sums in full."""
    fed = np.random.default_rng(2).normal(0.3, 2, (2, 3, 5, 7)).astype(np.float32)
    model = normed(half=half)
    plain = without_instance_norm(model)
    assert all(node.op_type != "InstanceNormalization" for node in plain.graph.node)
    tools.checked(plain)
    assert np.allclose(run(plain, fed), run(model, fed), atol=tolerance)


def test_the_sums_of_a_half_precision_norm_are_in_full_precision():
    """Values whose squares are beyond half precision come out finite and right."""
    fed = np.random.default_rng(3).normal(0, 900, (1, 3, 5, 7)).astype(np.float32)
    model = normed(half=True)
    plain = without_instance_norm(model)
    types = {node.output[0]: node for node in plain.graph.node}
    assert np.allclose(run(plain, fed), run(normed(), fed), atol=2e-2)
    inferred = tools.infer(plain)
    squares = [name for name in types if name.endswith("/square")]
    assert [inferred[name].elem_type for name in squares] == [TensorProto.FLOAT]


def test_the_argument_is_left_as_it_is():
    """The file's digest must not change under a build."""
    model = normed()
    before = model.SerializeToString(deterministic=True)
    without_instance_norm(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_model_without_norms_is_passed_through():
    """No copy of half a gigabyte for nothing."""
    graph = Graph()
    graph.op("Relu", "x", to="y")
    model = graph.model("plain", {"x": [1]}, {"y": [1]})
    assert without_instance_norm(model) is model


def test_a_newer_opset_is_refused():
    """Its reductions have another form, which so old a parser does not read."""
    model = normed()
    model.opset_import[0].version = 18
    with pytest.raises(ModelError, match="TensorRT 10"):
        without_instance_norm(model)
