"""Tries an isolation mode for real: a short-lived process is shut in and looks around.

Knows no configuration; what it finds is for people and for the doctor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from edged.privacy.isolation import Mode
from edged.privacy.launch import launched
from edged.runtime.driver_faults import NODE_PATTERNS

TRIAL_S = 60
"""A start of the interpreter takes under a second; a loaded board takes more."""

_LOOK = """
import json, sys
from edged.privacy import isolation, trial
found = isolation.check()
nodes = {node: trial.access(node) for node in sys.argv[1:]}
print(json.dumps({"mode": found.mode, "proof": found.proof, "nodes": nodes}))
"""


@dataclass(frozen=True)
class Trial:
    """What a process saw that was shut in.

    Attributes:
        given: whether the mode was given.
        reason: why not, in a sentence; empty when it was.
        proof: its observations.
        lost: GPU nodes that it could open less well than this process can.
    """

    given: bool
    reason: str = ""
    proof: dict[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()


def gpu_nodes() -> list[str]:
    """Device nodes of GPUs on this machine."""
    return sorted(str(node) for pattern in NODE_PATTERNS for node in Path("/dev").glob(pattern))


def access(node: str) -> str:
    """What this process may do with a node: "", "r", "w" or "rw".

    A Jetson's /dev/nvmap is for reading only, so that is no loss.
    """
    return "".join(
        letter for letter, bit in (("r", os.R_OK), ("w", os.W_OK)) if os.access(node, bit)
    )


def try_mode(mode: Mode) -> Trial:
    """Shut a process in and hear what it sees, or why it could not be."""
    nodes = gpu_nodes()
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            launched(mode, [sys.executable, "-c", _LOOK, *nodes]),
            check=False,
            capture_output=True,
            text=True,
            timeout=TRIAL_S,
        )
    except subprocess.TimeoutExpired:
        return Trial(given=False, reason=f"no answer within {TRIAL_S} s")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return Trial(given=False, reason=lines[-1].removeprefix("edged: "))
    seen = json.loads(done.stdout)
    lost = tuple(node for node in nodes if set(access(node)) - set(seen["nodes"][node]))
    given = seen["mode"] == mode
    reason = "" if given else f"it became {seen['mode']}"
    return Trial(given, reason, dict(seen["proof"]), lost)
