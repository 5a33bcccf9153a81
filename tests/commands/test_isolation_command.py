"""`edged isolation` on the machine that runs the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def edged(*words, **more):
    return subprocess.run(
        [sys.executable, "-m", "edged", "isolation", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=90,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
    )


def test_what_it_says_is_given_is_given():
    """The best mode was seen from inside, with proof, and the exit code tells the rest."""
    done = edged("--json")
    report = json.loads(done.stdout)
    best = report["best"]
    if best == "off":
        assert done.returncode == 71
        assert all(trial["reason"] for trial in report["modes"].values())
        return
    assert done.returncode == 0
    trial = report["modes"][best]
    assert trial["reason"] == ""
    assert trial["proof"]["io_uring"] == "denied"
    assert trial["lost"] == []
    assert report["process"]["core_dumps"] is False


def test_a_mode_that_cannot_be_had_has_a_reason(tmp_path):
    """On a machine that forbids both, each is named with what to do, and the code is 71."""
    (tmp_path / "sitecustomize.py").write_text(
        "from edged.privacy import linux, seccomp\n"
        "def refuse(*_):\n"
        "    raise PermissionError(1, 'Operation not permitted')\n"
        "linux.unshare = seccomp.install = refuse\n"
    )
    done = edged(PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 71
    assert "namespace: not here. isolation: no network namespace" in done.stdout
    assert "seccomp: not here. isolation: the kernel refused" in done.stdout
    assert "best: off" in done.stdout
