"""Native TensorRT as the engine store sees it, on a GPU in host memory and on none."""

import subprocess
import sys

import native_kit
import numpy as np
import pytest

from edged.errors import EngineError
from edged.runtime import driver
from edged.runtime.backend import Profile, Shapes
from edged.runtime.build import jobs
from edged.runtime.build.backends import backend
from edged.runtime.session import Meter
from edged.runtime.settings import BuildSettings
from edged.runtime.trt import backend as module
from edged.runtime.trt.backend import TensorRtBackend
from edged.runtime.trt.builder import Built
from edged.runtime.trt.trial import FILE

PLAN = b'{"do": ""}'
ONE = Profile({"x": Shapes((1,), (1,), (1,))})


def test_the_engine_store_finds_it_by_name():
    """Naming it loads nothing of TensorRT."""
    found = backend("tensorrt")
    assert isinstance(found, TensorRtBackend)
    assert jobs.maker(found).path == "edged.runtime.trt.backend:TensorRtBackend"


@pytest.mark.usefixtures("fake_trt")
def test_a_plan_depends_on_tensorrt_driver_and_gpu():
    """Each is a pair for people, short enough for a list."""
    assert TensorRtBackend().identity() == {
        "TensorRT": "10.3.0",
        "CUDA": "12.6",
        "driver": "unknown",
        "GPU": "Stub 0",
        "SM": "87",
    }


@pytest.fixture
def built(fake_trt, monkeypatch):  # noqa: ARG001 - imported as tensorrt
    """The builder gives a plan of the fake; what it was given is kept."""
    given = []

    def build(_trt, model, _profile, _settings, progress, *, timing_cache):
        given.append(timing_cache)
        progress("build", 1.0)
        return Built(PLAN, timing_cache + model.read_bytes(), 9, 4)

    monkeypatch.setattr(module, "build_plan", build)
    return given


@pytest.fixture
def order(tmp_path):
    """`order("a")`: builds a model of that content, gives the plan's path."""

    def make(content, folder=None):
        model = tmp_path / "source.onnx"
        model.write_bytes(content.encode())
        out = tmp_path / content / "engine.plan"
        out.parent.mkdir()
        settings = BuildSettings(folder=folder or tmp_path / "engines")
        told = []
        TensorRtBackend().build(model, ONE, out, settings, lambda *words: told.append(words))
        assert told[-1] == ("try the engine", 1.0)
        return out

    return make


@pytest.mark.usefixtures("child_gpu", "built")
def test_a_build_leaves_a_plan_that_was_tried(order):
    """The trial's good news lie beside it, so that opening needs no second one."""
    out = order("a")
    assert out.read_bytes() == PLAN
    assert b'"problem":""' in out.with_name(FILE).read_bytes()


@pytest.mark.usefixtures("child_gpu")
def test_the_timing_cache_goes_from_build_to_build(order, built):
    """What one build measured the next one is given."""
    order("a")
    order("b")
    assert built == [b"", b"a"]


@pytest.mark.usefixtures("child_gpu", "built")
def test_a_cache_that_cannot_be_written_costs_no_build(order, tmp_path):
    """The folder is a file: the plan is there all the same."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    assert order("a", blocked).is_file()


@pytest.mark.usefixtures("child_gpu", "fake_trt", "stub")
def test_open_tries_the_plan_and_runs_it(plan):
    """From a file to the answer, with a trial in a process of its own before."""
    meter = Meter()
    session = TensorRtBackend().open(plan().parent, model_id="swapper", meter=meter)
    with session:
        crops = np.full((2, 2, 2, 3), 7, np.uint8)
        swapped, checks = session.run({"crops": crops, "scale": np.float32([2])})
        assert (int(swapped.min()), int(swapped.max())) == (8, 8)
        assert np.allclose(checks, 14)
        del swapped, checks
    assert meter.runs == 1


@pytest.mark.usefixtures("child_gpu", "fake_trt", "stub")
@pytest.mark.parametrize("content", [b'{"do": "crash"}', b"\0damaged"])
def test_a_plan_that_fails_its_trial_is_never_loaded_here(plan, content):
    """This process would have died of it."""
    file = plan()
    file.write_bytes(content)
    session = TensorRtBackend().open(file.parent, model_id="swapper", meter=Meter())
    with pytest.raises(EngineError, match=r"signal 11|Magic tag"):
        session.__enter__()


SCRIPT = """
import sys
from pathlib import Path
from edged.errors import EngineError
from edged.runtime.session import Meter
from edged.runtime.trt.backend import TensorRtBackend
from edged.runtime.trt.session import TrtSession
backend, folder = TensorRtBackend(), Path(sys.argv[1])
for ask in (
    backend.identity,
    backend.open(folder, model_id="swapper", meter=Meter()).__enter__,
    TrtSession(folder / "engine.plan", model_id="swapper", vouched=True).__enter__,
):
    try:
        ask()
    except EngineError as error:
        assert "edged doctor" in str(error), str(error)
    else:
        raise SystemExit("no error")
from edged.runtime.trt import names
names.load_tensorrt()  # it is there, and was not the reason
"""


@pytest.mark.parametrize("version", list(native_kit.VERSIONS))
def test_without_a_driver_everything_is_an_error_and_nothing_crashes(
    native_tree, tmp_path, version
):
    """Over NVIDIA's bindings, in a process whose exit code is not a signal's."""
    if driver.probe().usable:
        pytest.skip("this machine has a GPU")
    (tmp_path / "engine.plan").write_bytes(b"plan")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env=native_kit.environment(native_tree(version)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-800:])


@pytest.mark.usefixtures("fake_trt")
def test_a_gpu_without_tensorrt_is_an_error_with_the_cure(monkeypatch):
    """Where to get it from; without a GPU the driver is what is missed."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(EngineError, match="python3-libnvinfer"):
        TensorRtBackend().identity()


BUILD = """
import sys
from pathlib import Path
from edged.errors import EngineError
from edged.onnx_writer import Graph
from edged.runtime.backend import Profile, Shapes
from edged.runtime.session import Meter
from edged.runtime.settings import BuildSettings
from edged.runtime.trt.backend import TensorRtBackend
folder, backend = Path(sys.argv[1]), TensorRtBackend()
graph = Graph()
graph.op("Relu", "x", to="y")
model = graph.model("small", {"x": ["n", 3]}, {"y": ["n", 3]})
(folder / "source.onnx").write_bytes(model.SerializeToString())
backend.build(
    folder / "source.onnx", Profile({"x": Shapes((1, 3), (2, 3), (4, 3))}),
    folder / "engine.plan", BuildSettings(folder=folder / "engines"), lambda *_: None,
)
try:
    backend.open(folder, model_id="small", meter=Meter()).__enter__()
except EngineError as error:
    print(error)
"""


def test_a_real_plan_that_cannot_run_here_is_built_and_never_loaded(
    native_tree, driver_folder, tmp_path
):
    """NVIDIA's code builds it and finds no CUDA to run it on: only its trial sees that."""
    environment = native_kit.environment(native_tree("11.4", rtx=True))
    environment["LD_LIBRARY_PATH"] += f":{driver_folder}"
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-800:])
    assert (tmp_path / "engine.plan").stat().st_size > 1000
    assert list((tmp_path / "engines").rglob("*.cache")), "no timing cache was kept"
    assert b'"problem":""' not in (tmp_path / FILE).read_bytes()
    assert "model small: " in done.stdout
    assert "edged engines build small --force" in done.stdout
