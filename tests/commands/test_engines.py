"""`edged engines` as a person and as a script meet it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from engines_kit import obedient
from typer.testing import CliRunner

from edged.commands import engine_desk, engines
from edged.commands.engines import app
from edged.errors import ConfigError, EngineError, ModelError
from edged.runtime.machine import Machine

USED = ["builtin_recogniser", "builtin_swapper", "builtin_restorer"]
ONE = "builtin_recogniser"

INTERRUPTED = """
import sys
from fakes.engines import FakeEngines
from edged.commands import engine_desk, engines
from edged.runtime.machine import Machine
engine_desk.machine_of = lambda _runtime: Machine({"cuda": FakeEngines})
from edged.cli import main
main(sys.argv[1:])
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A state folder of its own, and no configuration anywhere."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "none.toml"))
    return tmp_path / "edged"


@pytest.fixture
def fake(home, tmp_path, monkeypatch):  # noqa: ARG001 - the state folder comes first
    """The fake runtime takes the place of `cuda`; no other works."""
    tell = obedient(tmp_path / "fake", monkeypatch)
    made = type(tell())
    monkeypatch.setattr(engine_desk, "machine_of", lambda _runtime: Machine({"cuda": made}))
    return tell


def run(*words):
    """Outcome of one command."""
    return CliRunner().invoke(app, list(words))


def said(*words):
    """The JSON that a command prints."""
    done = run(*words, "--json")
    return json.loads(done.stdout)


@pytest.mark.usefixtures("fake")
def test_build_makes_engines_of_every_configured_model():
    """Each ends accepted, and a second build has nothing to do."""
    first = said("build")
    assert [paper["model"] for paper in first] == USED
    assert {paper["status"] for paper in first} == {"accepted"}
    assert said("build") == first


@pytest.mark.usefixtures("fake")
def test_check_is_for_machines():
    """70 and a reason a model before the build, 0 after it."""
    done = run("check", ONE)
    assert isinstance(done.exception, EngineError)
    assert f"{ONE}: absent: " in done.stdout
    assert f"edged engines build {ONE}" in done.stdout
    run("build", ONE)
    done = run("check", ONE)
    assert done.exit_code == 0
    assert said("check", ONE) == {
        "runtime": "cuda", "ok": True, "models": [{"id": ONE, "state": "fresh", "reason": ""}],
    }  # fmt: skip


def test_a_box_without_a_gpu_needs_no_engines(home, monkeypatch):
    """Where the CPU serves, there is nothing to check; building says why it cannot."""
    monkeypatch.setattr(engine_desk, "machine_of", lambda _runtime: Machine({}))
    assert run("check").exit_code == 0
    assert said("check")["runtime"] == "cpu"
    assert said("list") == []
    assert "no engines to build" in run("list").stdout
    assert said("build", "--runtime", "cpu") == []
    done = run("build")
    assert isinstance(done.exception, EngineError)
    assert "no runtime here runs built engines" in str(done.exception)
    assert not (home / "engines").exists()


def test_list_tells_what_differs(fake):
    """After an update: stale, with both versions, in the table and in JSON."""
    run("build", ONE)
    assert [row["state"] for row in said("list", ONE)] == ["fresh"]
    fake(identity={"onnxruntime": "2.0"})
    (row,) = said("list", ONE)
    assert (row["state"], row["status"]) == ("stale", "accepted")
    assert row["detail"] == "built for onnxruntime 1.0, here is 2.0"
    assert "built for onnxruntime 1.0, here is 2.0" in run("list", ONE).stdout


def test_list_can_prune_what_is_stale(fake, home):
    """Old engines go once there is a new one."""
    run("build", ONE)
    fake(identity={"onnxruntime": "2.0"})
    run("build", ONE)
    assert [row["state"] for row in said("list", ONE)] == ["fresh", "stale"]
    assert [row["state"] for row in said("list", ONE, "--prune")] == ["fresh"]
    assert len([one for one in (home / "engines" / ONE).iterdir() if one.is_dir()]) == 1


def test_a_rejected_engine_fails_the_build_and_is_listed(fake):
    """Figures and bound are in the error; the engine is not fresh."""
    fake(build="spoil")
    done = run("build", ONE)
    assert isinstance(done.exception, EngineError)
    assert "rejected, not accepted: cosine" in str(done.exception)
    assert [row["state"] for row in said("list", ONE)] == ["rejected"]
    assert isinstance(run("bench", ONE).exception, EngineError)


def test_the_problems_of_several_models_are_told_together(fake):
    """The class, and so the exit code, is that of the first."""
    fake()
    done = run("build", "det_10g", ONE, "scrfd_2.5g_bnkps")
    assert isinstance(done.exception, ModelError)
    assert "2 models have no accepted engine" in str(done.exception)
    assert "edged models pull det_10g" in str(done.exception)
    assert f"{ONE}: accepted" in done.stdout
    data = said("build", "det_10g", ONE)
    assert [(one["model"], one["status"]) for one in data] == [
        (ONE, "accepted"), ("det_10g", "failed"),
    ]  # fmt: skip


@pytest.mark.usefixtures("fake")
def test_show_has_the_whole_manifest():
    """Every part of it in words, and the same as data."""
    run("build", ONE)
    done = run("show", ONE)
    for word in ("precision", "built", "ran", "accepted", "depends on", "extents", "files"):
        assert f"\n{word}" in done.stdout
    paper = said("show", ONE)["manifest"]
    assert paper["depends"]["model_sha256"] in done.stdout
    assert paper["files"]["model.onnx"]["sha256"] in done.stdout
    assert "cosine            1 (at least 0.9995)" in done.stdout


@pytest.mark.usefixtures("fake")
def test_bench_measures_accepted_engines_alone():
    """No engine, no figures; with one, a line a batch size."""
    done = run("bench", ONE)
    assert isinstance(done.exception, EngineError)
    assert "edged engines build" in str(done.exception)
    run("build", ONE)
    found = said("bench", ONE, "--runs", "3", "--batches", "1,4,99")
    assert [one["batch"] for one in found["timings"]] == [1, 4]
    assert all(0 < one["p50_ms"] <= one["p95_ms"] for one in found["timings"])
    assert "ms a face" in run("bench", ONE, "--runs", "3").stdout


@pytest.mark.usefixtures("fake")
def test_requiring_half_never_gives_fp32():
    """Without a plan the build fails and names the cure."""
    done = run("build", ONE, "--require-half")
    assert isinstance(done.exception, EngineError)
    assert "half precision" in str(done.exception)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "words", [("build", "--runtime", "tensorflow"), ("bench", ONE, "--batches", "1,x")]
)
def test_a_mistyped_option_is_told(fake, words):
    """With what it may be."""
    fake()
    run("build", ONE)
    assert isinstance(run(*words).exception, ConfigError)


def test_ctrl_c_ends_the_builder_and_leaves_nothing(fake, home, tmp_path):
    """Exit code 130, no worker, no partial folder."""
    fake(build="hang")
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, "engines", "build", ONE],
        stderr=subprocess.PIPE,
        text=True,
    )
    noted = tmp_path / "fake" / "builds"
    while not (noted.is_file() and noted.read_text().endswith("\n")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    words = process.communicate()[1]
    assert process.returncode == 130
    assert "Traceback" not in words
    assert not Path(f"/proc/{int(noted.read_text())}").exists()
    assert not list((home / "engines" / ONE).glob(".partial-*"))


def test_progress_goes_to_stderr_a_line_a_phase(fake):
    """A log of a build shows what took the time, and stdout holds results alone."""
    fake(build="slow")
    done = run("build", ONE)
    assert f"{ONE}: look at the model (0 s)" in done.stderr
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith(f"{ONE}: accepted, fp32, cosine 1.00000")


def test_the_folder_of_the_configuration_is_used(fake, tmp_path, monkeypatch):
    """`[engines] folder` says where they lie."""
    fake()
    file = tmp_path / "edged.toml"
    file.write_text(
        '[device]\nname = "a"\n[cameras.c]\nscene = "s"\n[scenes.s]\nmode = "disguise"\n'
        'identities = ["i"]\n[identities.i]\nphotos = ["builtin:character"]\n'
        '[engines]\nfolder = "here"\nretries = 0\n[runtime]\nrequire = "cuda"\n'
    )
    monkeypatch.setenv("EDGED_CONFIG", str(file))
    run("build", ONE)
    assert (tmp_path / "here" / ONE).is_dir()
    assert [path.name for path in (tmp_path / "here").iterdir()] == [ONE]


def test_the_graphs_that_work_on_frames_are_built_with_the_engines(fake, home, monkeypatch):
    """For runtimes that need it, where no single model was named; once, or when forced."""
    fake()
    monkeypatch.setattr(engines, "HOLDS_FRAMES", {"cuda"})
    monkeypatch.setattr(engine_desk.Desk, "ids", lambda _desk, named: list(named or ()))

    def folders():
        return sorted((home / "engines" / ".pictures").glob("*"))

    assert run("build").exit_code == 0
    (first,) = folders()
    made_ns = first.stat().st_mtime_ns
    assert run("build").exit_code == 0
    assert folders()[0].stat().st_mtime_ns == made_ns
    assert run("build", "--force").exit_code == 0
    assert folders()[0].stat().st_mtime_ns > made_ns
    fake(build="refuse")
    done = run("build", "--force")
    assert "there is no GPU" in str(done.exception)
