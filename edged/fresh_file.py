"""Puts a file in its place whole or not at all: a power cut leaves the old one or the new."""

from __future__ import annotations

import os
from pathlib import Path


def write_fresh(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write beside it, onto the disk, then rename; makes the folder where it is absent.

    Raises:
        OSError: nothing was changed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
