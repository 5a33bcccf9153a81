"""TensorRT-RTX's real plugin on a machine without a card: findings and errors, no traceback.

Each case is a process of its own.  No card was seen: how a session runs on one is unproven.
"""

from __future__ import annotations

import json

import pytest
from native_kit import AbsentError
from paper_gpu import add_driver, ask, environment, unpacked, without

from edged.errors import EngineError
from edged.runtime.backend import Profile, Shapes
from edged.runtime.libraries.rtx import LIBRARY, PACKAGE, takes, too_old
from edged.runtime.libraries.wheels import ort_install
from edged.runtime.rtx import provider_options
from edged.runtime.rtx_backend import PROFILE, RtxBackend
from edged.runtime.session import Meter
from edged.runtime.settings import BuildSettings

FACES = Profile({"crops": Shapes((1, 4, 4, 3), (2, 4, 4, 3), (8, 4, 4, 3))})

LOOK = """
import json, sys
from edged.errors import EdgedError
from edged.onnx_writer import Graph
from edged.runtime.driver import probe
from edged.runtime.libraries import rtx_findings
from edged.runtime.rtx import RtxSession
from pathlib import Path
import tempfile
found = [[one.slug, str(one)] for one in rtx_findings(probe())]
graph = Graph()
graph.op("Mul", "x", graph.constant(2.0), to="y")
model = graph.model("m", {"x": ["n", 3]}, {"y": ["n", 3]})
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "m.onnx"
    path.write_bytes(model.SerializeToString())
    try:
        with RtxSession(path, model_id="m"):
            said = "open"
    except EdgedError as error:
        said = f"{type(error).__name__}: {error}"
print(json.dumps({"findings": found, "session": said}))
"""


@pytest.fixture(scope="module")
def plugin():
    """The wheel's packages."""
    if too_old(ort_install()):
        pytest.skip("onnxruntime's last build for this Python is older than TensorRT-RTX needs")
    try:
        return unpacked("rtx")
    except AbsentError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def driver(plugin, program, tmp_path_factory):
    """The driver's own libraries, of paper."""
    program("gcc")
    return add_driver(plugin / PACKAGE / LIBRARY, tmp_path_factory.mktemp("rtx") / "driver")


def test_without_a_driver_it_is_a_finding_and_an_error_with_the_cure(plugin):
    """The plugin cannot even be loaded then."""
    said = ask(LOOK, environment(None, [plugin]))
    assert [slug for slug, _ in said["findings"]] == ["no-driver"]
    assert said["session"].startswith("EngineError: TensorRT-RTX's plugin cannot be loaded")
    assert "libcuda.so.1" in said["session"]


def test_a_library_of_the_driver_that_is_absent_is_named(plugin, driver):
    """A container that was given the compute libraries alone."""
    folder = without(driver, "libnvidia-ml.so.1")
    said = ask(LOOK, environment(folder, [plugin], PAPER_SM="89"))
    assert [slug for slug, _ in said["findings"]] == ["rtx-unloadable"]
    assert "libnvidia-ml.so.1" in said["findings"][0][1]


def test_a_card_that_it_does_not_take_is_named(plugin, driver):
    """A data-centre card, or a Jetson."""
    for sm in ("90", "87"):
        said = ask(LOOK, environment(driver, [plugin], PAPER_SM=sm))
        assert [slug for slug, _ in said["findings"]] == ["wrong-sm"]
        assert f"sm_{sm}" in said["findings"][0][1]


def test_the_plugin_loads_over_the_driver_and_finds_no_card_of_paper(plugin, driver):
    """All of its libraries are there; onnxruntime looks for the card on the bus."""
    said = ask(LOOK, environment(driver, [plugin], PAPER_SM="89"))
    assert said["findings"] == []
    assert said["session"].startswith("EngineError: model m: TensorRT-RTX sees no card")


@pytest.mark.parametrize(
    ("sm", "taken"), [(75, False), (80, False), (86, True), (87, False), (89, True), (90, False),
                      (100, False), (120, True), (121, True)],
)  # fmt: skip
def test_the_cards_are_those_of_the_plugin_s_header(sm, taken):
    """Ampere, Ada and Blackwell cards for PCs."""
    assert takes(sm) is taken


def test_extents_are_told_in_the_plugin_s_form(tmp_path):
    """Each input with its extents, and a folder for what it compiles."""
    told = provider_options(FACES, tmp_path / "cache")
    assert told["nv_profile_min_shapes"] == "crops:1x4x4x3"
    assert told["nv_profile_max_shapes"] == "crops:8x4x4x3"
    assert (tmp_path / "cache").is_dir()
    assert provider_options(None, None) == {}


def test_an_engine_keeps_its_extents_beside_it(tmp_path):
    """They belong to the engine, and one without them is not opened."""
    (tmp_path / "in.onnx").write_bytes(b"graph")
    backend = RtxBackend()
    out = tmp_path / "engine" / backend.artifact
    out.parent.mkdir()
    backend.build(tmp_path / "in.onnx", FACES, out, BuildSettings(), lambda *_: None)
    assert out.read_bytes() == b"graph"
    assert json.loads((out.parent / PROFILE).read_text())["inputs"]["crops"]["opt"] == [2, 4, 4, 3]
    (out.parent / PROFILE).unlink()
    with pytest.raises(EngineError, match="no extents; build it again"):
        backend.open(out.parent, model_id="m", meter=Meter())
