"""`edged calibrate precision` as a person and as a script meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from photos import t1
from typer.testing import CliRunner

from edged.bench.synthetic import crops as drawn
from edged.commands import calibrating
from edged.commands.calibrate import app
from edged.errors import ConfigError, EngineError, ModelError
from edged.runtime.precision.convert import to_mixed
from edged.runtime.precision.plan import read_plan

ROOT = Path(__file__).parents[2]
SYNTHETIC = ("--models", "synthetic", "--width", "0.02", "--threads", "1")


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No configuration and no state folder of this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.chdir(tmp_path)


def calibrate(*words: str):
    return CliRunner().invoke(app, ["precision", *words])


def test_the_json_has_what_was_measured_and_the_plan_is_written(tmp_path):
    """Plain FP16 and the plan side by side; the plan makes the mixed graph of that model."""
    done = calibrate("inswapper_128", *SYNTHETIC, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["recipe"] == "inswapper_128"
    assert found["recogniser"] == "w600k_r50 (synthetic)"
    assert found["plain_fp16"]["psnr_db"] is None
    assert found["plain_fp16"]["finite"] is False
    planned = found["planned"]
    assert planned["psnr_db"] >= 45
    assert planned["cosine"] >= 0.9995
    assert planned["fp16_macs_share"] >= 0.8
    path = tmp_path / "state/edged/calibration/synthetic/precision/inswapper_128.toml"
    assert found["plan"] == str(path)
    plan = read_plan(path, "inswapper_128")
    assert list(plan.fp32_nodes) == planned["fp32_nodes"]
    assert plan.figures.psnr_db == planned["psnr_db"]
    recipe = calibrating.load_recipe("inswapper_128")
    subject = calibrating.made(recipe, 0, 0.02)
    assert subject.sha256 == plan.model_sha256
    to_mixed(subject.graph, plan)
    with pytest.raises(EngineError, match="another graph"):
        to_mixed(calibrating.made(recipe, 1, 0.02).graph, plan)


def test_a_plan_of_a_synthetic_network_is_not_where_engines_look(tmp_path):
    """It would be refused for the real file, and no engine could be built."""
    out = tmp_path / "elsewhere.toml"
    assert calibrate("inswapper_128", *SYNTHETIC, "--out", str(out)).exit_code == 0
    assert out.is_file()
    assert not (tmp_path / "state/edged/calibration").exists()


def test_people_see_figures_and_what_to_do_next():
    """A summary without --json."""
    done = calibrate("w600k_r50", *SYNTHETIC)
    assert done.exit_code == 0, done.output
    assert "FP16 everywhere" in done.stdout
    assert "edged engines build w600k_r50" in done.stdout


def test_named_crops_are_used_and_nothing_of_them_is_written(tmp_path):
    """Every second one is left to measure on; the state folder holds the plan alone."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for i, crop in enumerate(drawn(96, 4, 5)):
        cv2.imwrite(str(folder / f"{i}.png"), crop)
    done = calibrate("inswapper_128", *SYNTHETIC, "--crops", str(folder), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["measured_on"] == "2 of 4 named crops, not the search's"
    written = [one for one in (tmp_path / "state").rglob("*") if one.is_file()]
    assert [one.suffix for one in written] == [".toml"]


def test_a_crop_that_is_not_square_is_refused(tmp_path):
    """A photo among crops would be squeezed; the option for photos is named."""
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((40, 60, 3), np.uint8))
    done = calibrate("inswapper_128", *SYNTHETIC, "--crops", str(tmp_path))
    assert isinstance(done.exception, ConfigError)
    assert "--pictures photos" in str(done.exception)


def test_faces_are_found_in_photos(tmp_path):
    """Photos are searched; pictures without a face give nothing to measure on."""
    for i in range(2):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((200, 300, 3), 90, np.uint8))
    words = ("--crops", str(tmp_path), "--pictures", "photos")
    done = calibrate("inswapper_128", *SYNTHETIC, *words)
    assert isinstance(done.exception, ConfigError)
    assert "0 usable faces" in str(done.exception)


def test_photos_with_faces_give_aligned_crops(tmp_path):
    """Each face of a photo, as large as the model takes it."""
    cv2.imwrite(str(tmp_path / "a.png"), t1())
    subject = calibrating.made(calibrating.load_recipe("inswapper_128"), 0, 0.02)
    feeds = calibrating.named(subject, tmp_path, "photos")
    assert len(feeds) >= 2
    assert {one["crops"].shape for one in feeds} == {(1, 128, 128, 3)}


def test_a_bound_that_cannot_be_met_writes_no_plan(tmp_path):
    """A recipe of the operator asks for 98 dB: exit 70, no file, and what to do."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    text = (ROOT / "engines/inswapper_128.toml").read_text()
    (recipes / "inswapper_128.toml").write_text(
        text.replace("[precision]\n", "[precision]\npsnr_db_min = 98.0\n")
    )
    config = tmp_path / "edged.toml"
    config.write_text(CONFIG)
    done = calibrate("inswapper_128", *SYNTHETIC, "--trials", "2", "-c", str(config), "--json")
    assert isinstance(done.exception, EngineError)
    assert "runs in FP32" in str(done.exception)
    found = json.loads(done.stdout)
    assert (found["met"], found["plan"]) == (False, None)
    assert not list(tmp_path.rglob("inswapper_128.toml"))[1:]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("inswaper_128",), "inswapper_128"),
        (("builtin_detector",), "no network"),
        (("crossface_ghost",), "runs on the CPU"),
        (("inswapper_128", "--models", "real"), "synthetic"),
        (("inswapper_128", "--pictures", "faces"), "photos"),
    ],
)
def test_wrong_words_are_said(words, said):
    """Unknown recipes, models without a graph, unknown choices."""
    done = calibrate(*words)
    assert isinstance(done.exception, (ConfigError, ModelError))
    assert said in str(done.exception)


def test_a_model_that_is_not_here_says_how_to_get_it():
    """Stored models are the default."""
    done = calibrate("inswapper_128")
    assert isinstance(done.exception, ModelError)
    assert "edged models pull inswapper_128" in str(done.exception)


def test_the_built_in_swapper_can_be_calibrated(tmp_path):
    """A stored model, made by edged itself: its plan lies where engines look."""
    done = calibrate("builtin_recogniser", "--threads", "1", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["planned"]["cosine"] >= 0.9995
    assert (tmp_path / "state/edged/calibration/precision/builtin_recogniser.toml").is_file()


def test_ctrl_c_ends_it_without_a_trace_or_a_file(tmp_path):
    """Exit 130 while it measures; no half plan."""
    words = [sys.executable, "-m", "edged", "calibrate", "precision", "gfpgan_1.4", *SYNTHETIC]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env) as child:
        said = ""
        while "measure ranges" not in said:
            line = child.stderr.readline()
            assert line, said
            said += line
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read()
        assert child.wait(60) == 130
    assert "Traceback" not in rest
    assert not list(tmp_path.rglob("*.toml"))


CONFIG = """\
[device]
name = "a"
[cameras.c]
scene = "s"
[scenes.s]
mode = "disguise"
identities = ["i"]
[identities.i]
photos = ["builtin:character"]
[models]
folder = "models"
recipes = ["recipes"]
"""
