"""From a device that keeps everything in to one that lets pictures out, by one command."""

from __future__ import annotations

import subprocess
import sys

from booth import Booth
from measure_kit import group_folder
from photos import astronaut, t1


def test_measured_bounds_let_pictures_out(tmp_path, test_models):
    """The command measures the configured pair, the engine takes its file, a shot is queued."""
    booth = Booth(tmp_path, models=test_models, actor=astronaut(), calibration="", consumer=False)
    photos = group_folder(tmp_path / "photos")
    done = subprocess.run(
        [sys.executable, "-m", "edged", "calibrate", "guard", str(photos),
         "--config", str(booth.config), "--sources", "4", "--variations", "4"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with booth:
        assert booth.ask("status").data["info"]["guard"]["calibrated"] is True
        answer = booth.send(t1(), camera="booth", want="image")
        assert (answer.verdict.verdict, answer.verdict.reason) == ("queued", "ok")
        assert answer.picture is not None
