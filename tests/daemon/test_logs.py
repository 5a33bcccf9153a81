"""What daemons write, and what they leave out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edged.daemon.logs import describe
from edged.errors import ModelError

ROOT = Path(__file__).parents[2]
BODY = """
import logging, os, sys, threading
from edged.daemon import logs
if sys.argv[1] == "journal":
    found = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
logs.set_up("engine")
logging.getLogger("edged.x").warning("two\\nlines")
logging.getLogger("edged.x").debug("not shown")
def fail():
    raise ValueError("0.123 0.456 is no embedding")
thread = threading.Thread(target=fail)
thread.start()
thread.join()
fail()
"""


def run(where):
    done = subprocess.run(
        [sys.executable, "-c", BODY, where],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 1
    return done.stderr.splitlines()


def test_uncaught_exceptions_are_shown_without_their_text():
    """Type and place of an error in the main and in another thread are logged, its text is not."""
    lines = run("terminal")
    assert sum("uncaught ValueError" in line for line in lines) == 2
    assert any("in fail" in line for line in lines)
    assert not any("0.123" in line or "embedding" in line for line in lines)


def test_a_terminal_sees_time_and_process():
    """Outside the journal each message has the time and the process in front."""
    first = run("terminal")[0]
    assert first[2] == first[5] == ":"
    assert first[9:] == "engine  two"


def test_the_journal_gets_priorities_on_every_line():
    """In the journal each line begins with its priority and has no time."""
    lines = run("journal")
    assert lines[:2] == ["<4>two", "<4>lines"]
    assert all(line.startswith(("<2>", "<4>")) for line in lines)


def test_own_and_system_errors_keep_their_text():
    """What tells an operator what to do is not hidden; what a library says is."""
    assert describe(ModelError("det_10g is absent")) == "ModelError: det_10g is absent"
    assert "No such file" in describe(FileNotFoundError(2, "No such file"))
    assert describe(RuntimeError("shape (112, 112)")) == "RuntimeError"
