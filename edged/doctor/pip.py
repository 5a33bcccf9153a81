"""Commands for pip, such as belong to this very environment.

Knows how they are written; runs none.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from edged.doctor.host import Host


def pip(host: Host, *words: str) -> str:
    """A command line for pip of this interpreter; words are given quoted already."""
    return " ".join((shlex.quote(short(host.python)), "-m pip", *words))


def short(path: str) -> str:
    """A path as it is typed from here: relative when it lies below this folder."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return path


def environment(host: Host) -> str:
    """Name of the environment, for sentences."""
    return short(host.prefix) + os.sep
