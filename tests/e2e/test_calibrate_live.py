"""`edged calibrate live` on a running device, then the search that takes its ranges."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading

import pytest
from booth import Booth, until
from shots import QUICK, face, real_models

from edged.runtime.precision.range_file import read_ranges

SWAPPER = "builtin_swapper"


def edged(*words, code=0):
    """A command as an operator gives it; its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "edged", *words], check=False, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture
def booth(tmp_path):
    """A device with the built-in pack."""
    with Booth(tmp_path, models=real_models(), extra=QUICK) as device:
        yield device


def test_ranges_of_visitors_reach_the_search(booth):
    """Seen by the engine, written as numbers, taken into account by `calibrate precision`."""
    over = threading.Event()

    def visit():
        number = 0
        while not over.is_set():
            booth.send(face(number % 1000), camera="quick")
            number += 1

    visitors = threading.Thread(target=visit)
    visitors.start()
    try:
        found = edged(
            "calibrate", "live", SWAPPER, "--crops", "5", "--json", "--run-dir", str(booth.run_dir)
        )
    finally:
        over.set()
        visitors.join(30)
    assert (found["state"], found["seen"]) == ("written", 5)
    file = read_ranges(booth.folder / "calibration/ranges" / f"{SWAPPER}.json")
    assert (file.recipe, file.crops) == (SWAPPER, 5)
    assert max(file.peaks.values()) > 0
    assert str(file.peaks) not in booth.log_text()
    plan = booth.folder / "plan.toml"
    report = edged(
        "calibrate", "precision", SWAPPER, "--config", str(booth.config), "--json",
        "--out", str(plan),
    )  # fmt: skip
    assert report["live_crops"] == 5


def test_ctrl_c_keeps_what_was_measured(booth):
    """And says where it is."""
    done = subprocess.Popen(
        [sys.executable, "-m", "edged", "calibrate", "live", SWAPPER, "--json",
         "--run-dir", str(booth.run_dir)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    until(lambda: booth.ask("calibrate", {"action": "status"}).data["state"] == "listening",
          what="the engine listens")  # fmt: skip
    while not booth.ask("calibrate", {"action": "status"}).data["seen"]:
        booth.send(face(1), camera="quick")
    done.send_signal(signal.SIGINT)
    out, error = done.communicate(timeout=60)
    assert done.returncode == 0, error
    assert json.loads(out)["state"] == "written"


def test_a_model_that_is_not_in_use_is_refused(booth):
    """With the names of those that are."""
    said = edged("calibrate", "live", "gfpgan_1.4", "--run-dir", str(booth.run_dir), code=69)
    assert SWAPPER in said
