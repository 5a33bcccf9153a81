"""`edged calibrate camera` as a person and as a script meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise

import cv2
import numpy as np
import pytest
from photos import astronaut, t1
from typer.testing import CliRunner

from edged.commands import calibrate_camera
from edged.commands.calibrate import app
from edged.config import loads
from edged.config.starter import starter
from edged.errors import ConfigError, LinkError
from edged.tables import parse


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """No configuration and no state folder of this machine."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("EDGED_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.chdir(tmp_path)


def camera(*words: str):
    return CliRunner().invoke(app, ["camera", *words])


def video(path, change=lambda frame, _: frame, frames=100):
    """The camera pans slowly over six people."""
    random, photo = np.random.default_rng(0), t1()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (960, 600))
    for i in range(frames):
        x, y = int(150 + 140 * np.sin(i / 25)), int(60 + 50 * np.cos(i / 30))
        frame = photo[y : y + 600, x : x + 960] + random.normal(0, 3, (600, 960, 3))
        writer.write(np.clip(change(frame, i), 0, 255).astype(np.uint8))
    writer.release()
    return str(path)


def test_a_good_camera_gets_keys_and_no_orders(tmp_path):
    """Sizes, scores and a fragment that the configuration takes; no picture is left behind."""
    done = camera(video(tmp_path / "good.avi"), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["frames"], found["width_px"], found["height_px"]) == (20, 960, 600)
    assert found["ordered"] is True
    assert found["scores"]["stayed"] >= 3
    assert 0.2 <= found["det_thresh"] <= 0.6
    assert found["faces"]["smallest_px"] > 60
    assert [one for one in found["advice"] if one["level"] == "act"] == []
    path = tmp_path / "state/calibration/camera.toml"
    assert found["written"] == str(path)
    keys = parse(path.read_bytes(), path)
    assert keys == {
        "guard": {"det_thresh": found["det_thresh"]},
        "scenes": {"hide": {"min_face_px": found["min_face_px"]}},
    }
    size = f"min_face_px = {found['min_face_px']}"
    whole = starter("booth-1").replace("[scenes.hide]", f"[scenes.hide]\n{size}")
    whole += f"[guard]\ndet_thresh = {found['det_thresh']}\n"
    assert loads(whole, tmp_path / "edged.toml").guard.det_thresh == found["det_thresh"]
    kept = {p.suffix for p in (tmp_path / "state").rglob("*") if p.is_file()}
    assert kept <= {".toml", ".onnx", ".json", ".sha256", ""}


def bad(frame, i):
    """Dark, under a warm lamp that flickers, and moving."""
    dark = 255 * (cv2.blur(frame, (25, 1)).clip(0, 255) / 255) ** 2.2
    return dark * (0.6 + 0.12 * (i // 5 % 2)) * [0.5, 1, 1.3]


def test_a_bad_camera_is_told_what_to_do(tmp_path):
    """Flicker and cast by name, each with a cure; an operator reads it in plain words."""
    done = camera(video(tmp_path / "bad.avi", bad), "--dry-run")
    assert done.exit_code == 0, done.output
    words = " ".join(done.stdout.split())
    assert "brightness jumps by" in words
    assert "power_line_frequency" in words
    assert "warm cast" in words
    assert "grey card" in words
    assert not (tmp_path / "state/calibration").exists()


def test_single_pictures_give_no_threshold(tmp_path):
    """They do not follow one another; sizes, light and focus are measured all the same."""
    for name, picture in (("a.png", t1()), ("b.png", astronaut())):
        cv2.imwrite(str(tmp_path / name), picture)
    done = camera(str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--json", "--out", "keys.toml")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["frames"], found["ordered"]) == (2, False)
    assert found["faces"]["measured"] == 7
    assert found["sharpness"]["median"] > 0.5
    assert found["det_thresh"] is None
    assert "guard" not in parse((tmp_path / "keys.toml").read_bytes(), tmp_path / "keys.toml")


def test_an_empty_room_is_said_to_be_one(tmp_path):
    """No face: what to do, no keys, no file."""
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((480, 640, 3), 128, np.uint8))
    done = camera(str(tmp_path / "wall.png"))
    assert done.exit_code == 0, done.output
    assert "no face was seen" in done.stdout
    assert not (tmp_path / "state/calibration").exists()


def test_a_source_that_is_not_there_is_named(tmp_path):
    """As with `edged camera`."""
    for name in ("none.png", "none.mp4"):
        assert isinstance(camera(str(tmp_path / name)).exception, LinkError)


def test_an_unknown_scene_is_refused():
    """Before anything is loaded, with those that there are."""
    done = camera("0", "--scene", "no")
    assert isinstance(done.exception, ConfigError)
    assert "hide, poster" in str(done.exception)


class Fast:
    """A camera that gives a frame every 10 ms, each as grey as its number."""

    live, fps = True, 0.0

    def __init__(self, frames):
        self.left, self.number, self.closed = frames, 0, False

    def read(self):
        if self.number == self.left:
            return None
        self.number += 1
        time.sleep(0.01)
        return np.full((4, 4, 3), self.number, np.uint8)

    def close(self):
        self.closed = True


def test_a_camera_is_read_on_between_looks(monkeypatch):
    """Ten looks a second of a hundred frames: every look is at the newest, none at a queue."""
    camera = Fast(60)
    monkeypatch.setattr(calibrate_camera, "open_source", lambda _: camera)
    seen = [int(frame[0, 0, 0]) for frame in calibrate_camera._frames("0", 10.0)]
    assert 4 <= len(seen) <= 8
    assert all(b - a >= 6 for a, b in pairwise(seen))
    assert camera.closed


def test_a_video_is_looked_at_in_its_own_time(tmp_path):
    """Five looks a second of 25 frames: every fifth frame, however fast the machine is."""
    source = video(tmp_path / "v.avi", lambda frame, i: 0 * frame + 2 * i, frames=50)
    seen = [frame.mean() / 2 for frame in calibrate_camera._frames(source, 5.0)]
    assert seen == pytest.approx([0, 5, 10, 15, 20, 25, 30, 35, 40, 45], abs=0.7)


def test_ctrl_c_keeps_what_was_measured(tmp_path):
    """A person saw enough: the report comes, and the exit code is 0."""
    source = video(tmp_path / "long.avi", frames=400)
    process = subprocess.Popen(
        [sys.executable, "-m", "edged", "calibrate", "camera", source, "--fps", "25",
         "--frames", "10000", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy(),
    )  # fmt: skip
    while "look at frames" not in (said := process.stderr.readline()):
        assert said, process.communicate()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert 0 < json.loads(out)["frames"] < 400
