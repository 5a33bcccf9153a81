"""The stand-in networks see what is drawn, at every size and stride that they promise."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph_kit import of_file

from edged.bench.standins import restorers
from edged.bench.standins.detector import SCRFD_OUTPUTS, scrfd
from edged.bench.standins.faces import draw_face, landmarks
from edged.bench.standins.pack import write_standins
from edged.runtime.emap import read_emap
from edged.stages.scrfd import Scrfd
from edged.stages.yunet import YuNet

RECIPES = {"scrfd": "det_10g", "yunet": "yunet"}


@pytest.fixture(scope="module")
def standins(tmp_path_factory):
    return write_standins(tmp_path_factory.mktemp("standins"))


@pytest.mark.parametrize("side_px", [30, 40, 90, 150, 190])
@pytest.mark.parametrize("family", ["scrfd", "yunet"])
def test_detectors_find_a_drawn_face_where_it_is(standins, family, side_px):
    """Box within 2 px and landmarks within 2 px, from the smallest to the largest face."""
    picture = np.full((640, 640, 3), 90, np.uint8)
    draw_face(picture, (310.0, 333.0), side_px, 5)
    path = standins.detector if family == "scrfd" else standins.second_detector
    with of_file(path, RECIPES[family]) as session:
        seen = (Scrfd if family == "scrfd" else YuNet)(session)(picture, 640)
    assert len(seen) == 1
    half = side_px / 2
    assert np.abs(seen.boxes[0] - [310 - half, 333 - half, 310 + half, 333 + half]).max() < 2
    assert np.abs(seen.landmarks[0] - landmarks((310.0, 333.0), side_px)).max() < 2


@pytest.mark.parametrize("family", ["scrfd", "yunet"])
def test_detectors_see_nothing_between_two_faces(standins, family):
    """Two faces side by side are two at most, never a third in the gap."""
    picture = np.full((128, 128, 3), 90, np.uint8)
    for y in (30.0, 66.0):
        draw_face(picture, (60.0, y), 30, 5)
    path = standins.detector if family == "scrfd" else standins.second_detector
    with of_file(path, RECIPES[family]) as session:
        seen = (Scrfd if family == "scrfd" else YuNet)(session)(picture, 128)
    assert all(min(abs(y - 30), abs(y - 66)) < 6 for y in seen.boxes[:, 1::2].mean(axis=1))


def test_detectors_see_nothing_in_noise(standins):
    """A picture without a drawn face has none."""
    picture = np.random.default_rng(1).integers(0, 256, (640, 640, 3), np.uint8)
    for path, stage in ((standins.detector, Scrfd), (standins.second_detector, YuNet)):
        with of_file(path, RECIPES[stage.family]) as session:
            assert len(stage(session)(picture, 640)) == 0


def test_files_are_the_same_each_time(tmp_path):
    """Two builds are equal byte for byte, so that figures of two runs can be compared."""
    one, two = write_standins(tmp_path / "one"), write_standins(tmp_path / "two")
    for path in (one.detector, one.second_detector, one.recogniser, one.swapper):
        assert path.read_bytes() == (two.folder / path.relative_to(one.folder)).read_bytes()


@pytest.mark.parametrize("name", list(SCRFD_OUTPUTS))
def test_scrfd_outputs_are_named_as_in_the_public_files(name):
    """Names and order are those that insightface goes by."""
    assert [o.name for o in scrfd(name).graph.output] == list(SCRFD_OUTPUTS[name])


def test_the_embedding_map_is_read_by_no_node(standins):
    """As in the public inswapper: the last initializer, 512 x 512, unread, turn times 3."""
    graph = onnx.load(str(standins.swapper)).graph
    assert graph.initializer[-1].name == "buff2fs"
    assert "buff2fs" not in {name for node in graph.node for name in node.input}
    emap = read_emap(standins.swapper, "stand-in")
    assert np.allclose(emap @ emap.T, 9 * np.eye(512), atol=1e-3)


@pytest.mark.parametrize("name", list(restorers.CONTRACTS))
def test_restorers_carry_their_export_s_tensors(name):
    """Inputs, dtypes, outputs and sides differ between exports and are kept apart."""
    contract = restorers.CONTRACTS[name]
    graph = restorers.build(name).graph
    assert [o.name for o in graph.output] == [contract.output, *contract.taps]
    kinds = {i.name: i.type.tensor_type.elem_type for i in graph.input}
    half = name.endswith("_fp16")
    expected = {contract.source: onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT}
    if contract.fidelity:
        wide = onnx.TensorProto.DOUBLE
        expected[contract.fidelity] = onnx.TensorProto.FLOAT16 if half else wide
    assert kinds == expected
