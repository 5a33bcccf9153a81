"""`edged calibrate guard` as a person and as a script meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import cv2
import pytest
from booth import REAL_MODELS, RECOGNISER
from lift import lift_recogniser
from measure_kit import group_folder
from photos import astronaut
from typer.testing import CliRunner

from edged.calibration import guard_files, load
from edged.commands.calibrate import app
from edged.errors import ConfigError

CONFIG = """
[device]
name = "booth-1"
[cameras.c]
scene = "s"
[scenes.s]
mode = "disguise"
identities = ["x"]
[identities.x]
photos = ["builtin:character"]
"""


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No configuration and no state folder of this machine."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.chdir(tmp_path)


def guard(*words: str):
    return CliRunner().invoke(app, ["guard", *words])


def test_the_built_in_pack_is_measured_without_a_configuration(tmp_path):
    """Bounds are written where the engine looks, over the shipped ones, with their rates."""
    done = guard(str(group_folder(tmp_path / "photos")), "--variations", "3", "--sources", "2",
                 "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    path = tmp_path / "state/calibration/guard.toml"
    assert found["written"] == str(path)
    assert found["people"] == 7
    strangers = found["recogniser"]["impostor"]
    assert (strangers["pairs"], strangers["errors"]) == (21, 0)
    assert strangers["error_high"] == pytest.approx(0.133, abs=0.001)
    assert sum(strangers["histogram"]) == 21
    table = load(path)
    bound = table.recognisers["builtin_recogniser"]
    assert bound.identity_max == found["recogniser"]["identity_max"]
    assert "0 of 21 (95 %: at most 13 %)" in bound.measured_on
    assert "generated variations" in bound.measured_on
    assert table.swappers["builtin_swapper"].coarse_max == found["swapper"]["coarse_max"]
    assert "group" not in path.read_text()  # no names of files or people
    made = {one.name for one in (tmp_path / "state").rglob("*") if one.is_file()}
    assert {name for name in made if "builtin" not in name} == {"guard.toml"}


def test_real_networks_are_measured(tmp_path, test_models):
    """MobileFaceNet parts seven people, and its bound is where a hand had put it (0.42)."""
    (tmp_path / "recipes").mkdir()
    models = tmp_path / "models"
    models.mkdir()
    for source, name in (("det_500m.onnx", "det_500m.onnx"),
                         ("yunet_n_640_640.onnx", "yunet_2023_mar.onnx")):  # fmt: skip
        (models / name).write_bytes((test_models / source).read_bytes())
    lift_recogniser(test_models / "mobilefacenet_128d.onnx", models / "test_mbf.onnx")
    (tmp_path / "recipes/test_mbf.toml").write_text(RECOGNISER)
    real = REAL_MODELS.replace('"models"', f'"{models}"')
    (tmp_path / "edged.toml").write_text(CONFIG + real)
    done = guard(str(group_folder(tmp_path / "photos")), "-c", "edged.toml", "--sources", "3")
    assert done.exit_code == 0, done.output
    table = load(tmp_path / "calibration/guard.toml")
    assert 0.3 < table.recognisers["test_mbf"].identity_max < 0.5
    assert 0.4 < table.swappers["builtin_swapper"].coarse_max < 0.65
    found = load(*guard_files(models)).bounds("test_mbf", "builtin_swapper")
    assert found is not None  # where the engine looks
    assert "test_mbf: identity_max" in done.stdout
    assert "people are few" in done.stdout


@pytest.mark.parametrize("shown", [0, 1])
def test_too_few_people_write_nothing(tmp_path, shown):
    """The report is shown, the error says how many are needed, and no file is made."""
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "one.png"), astronaut() * shown)
    done = guard(str(folder))
    assert isinstance(done.exception, ConfigError)
    assert "7 are needed" in str(done.exception)
    assert not (tmp_path / "state/calibration").exists()


def test_a_dry_run_writes_nothing(tmp_path):
    """Measured and shown, and the files are as before."""
    folder = group_folder(tmp_path / "photos")
    done = guard(str(folder), "--variations", "1", "--sources", "1", "--dry-run")
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "state/calibration").exists()


def test_ctrl_c_ends_it_without_a_trace(tmp_path):
    """Exit code 130, no traceback, no file."""
    folder = group_folder(tmp_path / "photos")
    process = subprocess.Popen(
        [sys.executable, "-m", "edged", "calibrate", "guard", str(folder), "--variations", "100"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy(),
    )  # fmt: skip
    while "variations" not in (said := process.stderr.readline()):
        assert said, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""
    assert not (tmp_path / "state/calibration").exists()
