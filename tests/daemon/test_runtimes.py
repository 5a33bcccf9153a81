"""An engine that is asked for a GPU and cannot have it: it stops, or serves and says so.

The real engine in a process of its own, with the real onnxruntime-gpu, on a GPU of paper that
lacks one thing at a time.
"""

from __future__ import annotations

import pytest
from device_kit import device as device_text
from paper_gpu import ask, doubled, environment, without

from edged.builtin.pack import write_pack

ENGINE = """
import json, logging, sys, tempfile
from pathlib import Path
import msgspec
from edged.config import load
from edged.daemon.engine import Engine
from edged.errors import EdgedError

lines = []
class Keep(logging.Handler):
    def emit(self, record):
        lines.append(record.getMessage())
logging.getLogger("edged").addHandler(Keep())
logging.getLogger("edged").setLevel(logging.INFO)
with tempfile.TemporaryDirectory() as run:
    engine = Engine(load(Path(sys.argv[1])), Path(run))
    try:
        engine.start()
    except EdgedError as error:
        print(json.dumps({"stopped": f"{type(error).__name__}: {error}"}))
    else:
        said = engine.overview()
        info = said["info"]
        runs = {name: one["runtime"] for name, one in info["models"].items() if "runtime" in one}
        print(json.dumps({
            "state": said["state"], "reason": said["reason"], "runtime": info["runtime"],
            "models": runs, "log": [line for line in lines if line.startswith("runtime:")],
        }))
        engine.close()
"""

BUILDS = """
import json, sys, tempfile, threading
from pathlib import Path
from edged.config import load
from edged.daemon.engine import Engine

told, failed = [], threading.Event()
def listen(document):
    event = json.loads(document)
    told.append([event["event"], event["data"]])
    if event["event"] == "engine-build-failed":
        failed.set()
with tempfile.TemporaryDirectory() as run:
    engine = Engine(load(Path(sys.argv[1])), Path(run))
    engine.event.begin(listen)
    engine.start()
    engine.event.begin(listen)
    assert failed.wait(90), told
    said = engine.overview()
    print(json.dumps({"told": told, "state": [said["state"], said["reason"]]}))
    engine.close()
"""

MORE = """
[guard]
sizes_px = [640, 128]
rotations_deg = [0]
[isolation]
mode = "off"
[runtime]
threads = 1
{runtime}
[engines]
background = {background}
retries = 0
"""

CASES = {
    "no-driver": ("libcuda.so.1", {}, "", "no CUDA driver", "apt install nvidia-driver"),
    "no-gpu": ("", {"PAPER_GPUS": "0"}, "", "sees no GPU", "edged doctor"),
    "no-cudnn": ("libcudnn.so.9", {}, "", "cuDNN", "pip install nvidia-cudnn-cu13"),
    "no-cublas": ("libcublas.so.13", {}, "", "cuBLAS", "pip install nvidia-cublas"),
    "double-onnxruntime": (
        "", {}, "", "on top of each other",
        "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
    ),
    "unknown-option": (
        "", {}, 'cuda_options = {fp16_enable = "1"}', "no such option", "remove it",
    ),
    "wrong-sm": ("", {"PAPER_SM": "100"}, "", "none for this GPU", "use runtime tensorrt"),
}  # fmt: skip
"""What is wrong -> library that is absent, device, configuration, words of the reason, cure."""


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack") / "models"
    write_pack(folder)
    return folder


@pytest.fixture
def start(gpu_packages, paper_gpu, pack, tmp_path):
    """`start("no-cudnn", "require")`: what the engine says in that case."""

    def started(case, wish, runtime="cuda", script=ENGINE):
        absent, device, extra, *_ = CASES[case] if case else ("", {}, "")
        folder = without(paper_gpu, absent) if absent else paper_gpu
        packages = gpu_packages
        if case == "double-onnxruntime":
            packages = doubled(gpu_packages, tmp_path / "packages")
        path = tmp_path / "edged.toml"
        lines = f'{wish} = "{runtime}"\n{extra}' if wish else extra
        background = "true" if script is BUILDS else "false"
        path.write_text(device_text(pack, MORE.format(runtime=lines, background=background)))
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        return ask(script, environment(folder, [packages], **device, **state), str(path))

    return started


@pytest.mark.parametrize("case", CASES)
def test_a_required_runtime_that_cannot_be_had_stops_the_start(start, case):
    """With what is wrong and the cure."""
    *_, words, cure = CASES[case]
    said = start(case, "require")["stopped"]
    assert said.startswith("EngineError: runtime cuda is required and cannot be had: ")
    assert words in said
    assert cure in said


@pytest.mark.parametrize("case", CASES)
def test_a_preferred_runtime_that_cannot_be_had_degrades_the_device(start, case):
    """The CPU serves; the reason is in status, info and the log."""
    *_, words, cure = CASES[case]
    said = start(case, "prefer")
    slug = "no-driver" if case == "no-gpu" else case
    assert (said["state"], said["reason"]) == ("degraded", f"cuda-{slug}")
    assert (said["runtime"]["name"], said["runtime"]["wished"]) == ("cpu", False)
    assert said["runtime"]["precision"] == "fp32"
    for text in (said["runtime"]["reason"], said["log"][0]):
        assert words in text
        assert cure in text
    assert {one["name"] for one in said["models"].values()} == {"cpu"}


def test_a_gpu_that_works_is_used_as_soon_as_there_are_engines(start):
    """Preferred and without engines: every model is named with what to do."""
    said = start("", "prefer")
    assert (said["state"], said["reason"]) == ("degraded", "cuda-engine-absent")
    assert said["runtime"]["name"] == "cpu"
    for name, one in said["models"].items():
        assert one["name"] == "cpu"
        assert f"edged engines build {name}" in one["reason"]


def test_a_required_runtime_without_engines_stops_the_start(start):
    """The first model is named, with the command."""
    said = start("", "require")["stopped"]
    assert "edged engines build builtin_" in said


@pytest.mark.parametrize("runtime", ["tensorrt", "tensorrt-rtx"])
def test_tensorrt_without_its_parts_is_named_and_cured(start, runtime):
    """Neither NVIDIA's libraries nor the plugin are in that environment."""
    said = start("", "require", runtime)["stopped"]
    assert f"runtime {runtime} is required" in said
    degraded = start("", "prefer", runtime)
    assert degraded["state"] == "degraded"
    assert degraded["reason"].startswith(f"{runtime}-")
    assert degraded["runtime"]["name"] != runtime


@pytest.mark.parametrize("runtime", ["cuda", "tensorrt", "tensorrt-rtx"])
def test_without_a_driver_every_gpu_runtime_says_so(start, runtime):
    """And no process ends with a signal."""
    said = start("no-driver", "require", runtime)["stopped"]
    assert "no CUDA driver" in said


def test_without_a_wish_a_machine_without_a_gpu_is_in_order(start):
    """The CPU is the best that works there."""
    said = start("no-driver", "")
    assert said["reason"] not in {"runtime-not-wished", "cuda-no-driver"}
    assert (said["runtime"]["name"], said["runtime"]["wished"]) == ("cpu", True)
    assert "not tensorrt, tensorrt-rtx, cuda: no CUDA driver" in said["runtime"]["reason"]


def test_a_gpu_that_kills_the_process_kills_a_trial_and_not_the_daemon(start):
    """The paper GPU's cuDNN crashes at the first convolution; the CPU goes on serving."""
    said = start("", "prefer", script=BUILDS)
    (failed, *_) = [data for name, data in said["told"] if name == "engine-build-failed"]
    assert failed["model"].startswith("builtin_")
    assert "SIGSEGV" in failed["error"]
    assert said["state"] == ["degraded", "cuda-engine-absent"]
