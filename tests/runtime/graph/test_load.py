"""Reading a public file: what is refused, and what memory it takes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph_kit import prepared
from onnx import TensorProto

from edged.bench.standins import recogniser, swapper
from edged.errors import ModelError
from edged.recipe import load_recipe
from edged.runtime.emap import read_emap
from edged.runtime.graph import tools
from edged.runtime.graph.load import load_prepared, prepared_bytes, read_model, serialised

RECIPE = load_recipe("inswapper_128")


@pytest.fixture(scope="module")
def model():
    return swapper.build()


@pytest.fixture
def path(tmp_path, model):
    file = tmp_path / "inswapper_128.onnx"
    onnx.save(model, str(file))
    return file


def test_a_file_is_prepared_by_its_recipe(path, model):
    """As its graph in memory is."""
    of_file = load_prepared(path, RECIPE)
    in_memory = prepared(model, "inswapper_128")
    assert tools.structure_digest(of_file.model) == tools.structure_digest(in_memory.model)
    assert of_file.batched


def test_bytes_that_are_written_weight_by_weight_are_the_model(path):
    """What a runtime parses is what was prepared."""
    model = load_prepared(path, RECIPE).model
    again = onnx.ModelProto.FromString(serialised(model))
    assert tools.structure_digest(again) == tools.structure_digest(model)
    assert onnx.ModelProto.FromString(prepared_bytes(path, RECIPE)) == again


def test_the_embedding_map_stays_in_the_public_file_alone(path):
    """No node of the prepared graph reads it, so the graph does not carry it; the host does."""
    names = set(tools.initializers(load_prepared(path, RECIPE).model))
    assert "buff2fs" not in names
    np.testing.assert_array_equal(read_emap(path, "m"), swapper.emap())


def test_absent_files_and_files_that_are_no_onnx_are_refused(tmp_path):
    """Each with the command that helps."""
    with pytest.raises(ModelError, match=r"gone\.onnx is not in the model folder.*models pull m"):
        read_model(tmp_path / "gone.onnx", "m")
    for content in (b"", b"\x00" * 64, b"no model at all"):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(ModelError, match=r"bad\.onnx .*edged models verify"):
            read_model(tmp_path / "bad.onnx", "m")


def test_a_file_beyond_what_onnx_can_hold_is_refused_unread(tmp_path):
    """Two gigabytes are the end of the format; nothing of it is read."""
    with (tmp_path / "huge.onnx").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(ModelError, match="larger than 2 GiB"):
        read_model(tmp_path / "huge.onnx", "m")


def test_weights_in_a_second_file_are_refused(path):
    """A hash of the first file would say nothing of them."""
    model = onnx.load(str(path))
    tensor = max(model.graph.initializer, key=tools.nbytes)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="second file"):
        load_prepared(path, RECIPE)


def test_an_old_file_that_lists_its_constants_as_inputs_is_read(tmp_path):
    """As exporters wrote them before 2019: operators of opset 9, constants among the inputs."""
    model = recogniser.build()
    model.opset_import[0].version, model.ir_version = 9, 3
    for tensor in model.graph.initializer:
        model.graph.input.add().CopyFrom(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        )
    onnx.checker.check_model(model)
    (tmp_path / "old.onnx").write_bytes(model.SerializeToString())
    ready = load_prepared(tmp_path / "old.onnx", load_recipe("w600k_r50"))
    assert [info.name for info in ready.model.graph.input] == ["crops"]
    assert ready.notes == ("operators converted from opset 9 to 11",)
