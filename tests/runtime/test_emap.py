"""The embedding map: by name, by shape, absent, ambiguous."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edged.errors import ModelError
from edged.runtime.emap import NAME, read_emap


def model(path, **arrays):
    """A file with the arrays as initializers; `used` is the only one that a node reads."""
    stored = [numpy_helper.from_array(a, name) for name, a in arrays.items()]
    nodes = [helper.make_node("Add", ["x", "used" if "used" in arrays else "x"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4])],
        stored,
    )
    onnx.save(helper.make_model(graph), str(path))
    return path


def square(value, dtype=np.float32):
    return np.full((4, 4), value, dtype)


def test_the_map_is_found_by_its_name(tmp_path):
    """Other unread squares beside it do not matter, nor does the order."""
    path = model(tmp_path / "m.onnx", **{NAME: square(3), "other": square(4)})
    assert read_emap(path, "m", 4).tolist() == square(3).tolist()


def test_a_renamed_map_is_found_by_its_shape(tmp_path):
    """The only square that no node reads is it, wherever it stands."""
    path = model(tmp_path / "m.onnx", renamed=square(3), used=square(1), bias=np.zeros(4))
    assert read_emap(path, "m", 4).tolist() == square(3).tolist()


def test_half_precision_is_widened(tmp_path):
    """The host multiplies in float32."""
    path = model(tmp_path / "m.onnx", renamed=square(0.5, np.float16))
    assert read_emap(path, "m", 4).dtype == np.float32


def test_a_file_without_the_map_is_refused(tmp_path):
    """An array that a node reads is not the map: every face would come out wrong."""
    path = model(tmp_path / "m.onnx", used=square(1))
    with pytest.raises(ModelError, match="holds 0 embedding maps"):
        read_emap(path, "m", 4)


def test_two_that_could_be_it_are_refused(tmp_path):
    """Guessing would make wrong faces without an error."""
    path = model(tmp_path / "m.onnx", one=square(1), two=square(2))
    with pytest.raises(ModelError, match="holds 2 embedding maps"):
        read_emap(path, "m", 4)


@pytest.mark.parametrize("data", [b"", b"no model", None], ids=["empty", "text", "absent"])
def test_what_is_no_model_is_named(tmp_path, data):
    """The file's name and the remedy are in the message."""
    path = tmp_path / "m.onnx"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelError, match=r"m\.onnx"):
        read_emap(path, "m", 4)
