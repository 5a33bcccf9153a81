"""A small file system in memory, for a state folder that can be filled."""

from __future__ import annotations

import subprocess
from pathlib import Path


class Tmpfs:
    """A context manager; mounting needs root.

    Args:
        folder: where it is mounted; made when it is absent.
        size_bytes: of everything in it.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder, self._size_bytes = folder, size_bytes

    def __enter__(self):
        self._folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self._size_bytes},mode=700", "edged-faults",
             str(self._folder)],
            check=True, capture_output=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_exc: object) -> None:
        subprocess.run(["umount", "-l", str(self._folder)], check=False, capture_output=True)
