"""Nothing is told to the makers of the libraries that edged runs on."""

from __future__ import annotations

import os
import subprocess
import sys

# onnxruntime is quiet by itself where it believes to be tested.
QUIET = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")


def left_behind(tmp_path, code: str) -> list[str]:
    """Files in the temporary folder of a process that ran `code`."""
    clean = {name: value for name, value in os.environ.items() if name not in QUIET}
    subprocess.run([sys.executable, "-c", code], env={**clean, "TMPDIR": str(tmp_path)}, check=True)
    return sorted(path.name for path in tmp_path.iterdir())


def test_onnxruntime_keeps_no_telemetry_session(tmp_path):
    """A process that imports edged leaves no session id of onnxruntime's uploader."""
    assert left_behind(tmp_path, "import edged, onnxruntime") == []


def test_children_inherit_the_switch():
    """It is in the environment, where the processes that edged starts find it."""
    code = "import edged, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    clean = {name: value for name, value in os.environ.items() if name not in QUIET}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
