"""`edged audit` of a running device says what the engine found, holds and destroyed."""

from __future__ import annotations

import json
import subprocess
import sys

from booth import Booth
from shots import QUICK, face, real_models


def audit(booth, *words):
    """The command as an operator gives it; its output."""
    done = subprocess.run(
        [sys.executable, "-m", "edged", "audit", "--config", str(booth.config), "--run-dir",
         str(booth.run_dir), *words],
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_tells_of_isolation_stock_and_the_last_purge(tmp_path):
    """From the engine's own mouth, as text and as JSON, and into a private file."""
    with Booth(tmp_path, models=real_models(), extra=QUICK) as booth:
        shot = booth.send(face(1), camera="quick").verdict.id
        before = json.loads(audit(booth, "--json"))
        assert before["isolation"]["found"]["mode"] == "namespace"
        assert before["software"]["runs_this_config"] is True
        assert before["stored"]["now"]["last_purge_ms"] == 0
        assert booth.ask("purge", {"shot": shot}).status == "ok"
        report = audit(booth)
        assert "last purge: never" not in report
        assert ", 1 pictures" in report
        assert "core dumps: off" in report
        assert shot not in report
        filed = tmp_path / "filed" / "audit.txt"
        assert audit(booth, "--out", str(filed)) == ""
        assert filed.stat().st_mode & 0o777 == 0o600
        assert "found by the engine itself at its start: namespace" in filed.read_text()
