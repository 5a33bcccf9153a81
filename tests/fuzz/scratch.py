"""A folder in memory for families whose inputs are files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")


def folder() -> Path:
    """A new one; where there is no /dev/shm it is on the disk, and all is slower."""
    parent = _MEMORY if _MEMORY.is_dir() else None
    return Path(tempfile.mkdtemp(prefix="edged-fuzz-", dir=parent))


def drop(path: Path) -> None:
    """Remove it and what is in it."""
    shutil.rmtree(path, ignore_errors=True)


def clear(path: Path) -> None:
    """Remove what is in it."""
    for one in path.iterdir():
        drop(one) if one.is_dir() else one.unlink()
