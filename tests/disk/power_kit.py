"""Runs a few lines of Python whose writes are recorded, and cuts the power at every one of them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from disk.disk import Disk, recording, records


def every_cut(
    library: Path, tmp_path: Path, root: Path, code: str, *, tries: int = 4
) -> Iterator[tuple[Path, str]]:
    """(folder that is left, what was said until then) of each point, each a few times.

    Args:
        library: of :func:`disk.disk.recorder`.
        tmp_path: for the journal and for what is left.
        root: the folder that is recorded, its path in `sys.argv[1]`.
        code: says what is done on standard output, a line each, and flushes it.
        tries: cuts at one point.
    """
    (root / "said").touch()
    disk, said, chance = Disk(root), (root / "said").stat().st_ino, random.Random(1)
    with (root / "said").open("ab") as file:
        subprocess.run(
            [sys.executable, "-c", code, str(root)], check=True, stdout=file,
            env={**os.environ, **recording(library, root, tmp_path / "journal")},
        )  # fmt: skip
    heard = ""
    for number, done in enumerate(records(tmp_path / "journal")):
        if done.inode == said:
            heard += done.data.decode()
        else:
            disk.take(done)
        for turn in range(tries):
            left = tmp_path / f"left-{number}-{turn}"
            left.mkdir()
            disk.cut(chance, left)
            yield left, heard
