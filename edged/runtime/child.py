"""Asks a short-lived process of our own: what it said, and how it ended.

Drivers, their libraries and built engines may crash or hang whoever touches them; this
process does not.  Knows Python's interpreter and nothing of what is asked.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_LAST_WORDS_S: Final = 2.0
"""How long a killed process may take to go; one stuck in the kernel is left behind."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        said: its standard output, as far as it came.
        ended: how its process ended, in words.
        hung: it was killed because it did not end in time.
    """

    said: str
    ended: str
    hung: bool = False


def ask_child(
    script: str, text: str, timeout_s: float, environment: Mapping[str, str] | None = None
) -> Answer:
    """Run a script; never raises for what it does and takes little longer than its timeout.

    Args:
        script: Python text; it sees an empty `sys.path` but for the standard library and
            the packages of this interpreter.
        text: its stdin.
        timeout_s: then it is killed.
        environment: its variables; None: those of this process.
    """
    try:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-I", "-c", script],
            env=dict(os.environ if environment is None else environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Answer("", f"no process could be started ({error.strerror})")
    try:
        said, _ = child.communicate(text, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        said = ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            said, _ = child.communicate(timeout=_LAST_WORDS_S)
        return Answer(said, f"no answer in {timeout_s:g} s", hung=True)
    if child.returncode < 0:
        return Answer(said, f"its process was ended by {_signal(-child.returncode)}")
    return Answer(said, f"its process ended with code {child.returncode}")


def _signal(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} (signal {number})"
    except ValueError:  # a real-time one
        return f"signal {number}"
