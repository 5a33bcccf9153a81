"""Runs a program whose writes are recorded, and goes through what it did step by step."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from disk.disk import Disk, recording, records

_PATIENCE_S = 120


class Play:
    """A program that has run, and the disk under it, which goes through it again.

    Iterating gives (number of the step, what was said in it); the disk has taken it then.

    Args:
        library: of :func:`disk.disk.recorder`.
        tmp_path: for the journal.
        root: the folder that is recorded; what is in it is safe.
        argv: arguments of Python; says on standard output what it has done, and flushes it.
        lying: the disk answers a sync and keeps nothing.

    Attributes:
        disk: as it is after the step that was given last.
        ops: of all steps, see :class:`disk.disk.Record`.
    """

    def __init__(
        self, library: Path, tmp_path: Path, root: Path, argv: Sequence[str], *, lying: bool = False
    ) -> None:
        self._journal, said = tmp_path / "journal", root / "said"
        said.touch()
        self._said = said.stat().st_ino
        self.disk = Disk(root, lying=lying)
        with said.open("ab") as file:
            subprocess.run(
                [sys.executable, *argv], check=True, stdout=file, stderr=subprocess.DEVNULL,
                timeout=_PATIENCE_S, env={**os.environ, **recording(library, root, self._journal)},
            )  # fmt: skip
        self.ops = [done.op for done in records(self._journal)]

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        for number, done in enumerate(records(self._journal)):
            self.disk.take(done)
            yield number, done.data if done.inode == self._said else b""


def every_cut(
    library: Path, tmp_path: Path, root: Path, code: str, *, tries: int = 4
) -> Iterator[tuple[Path, str]]:
    """(folder that is left, what was said until then) of each step of some lines of Python.

    Args:
        library: as for :class:`Play`.
        tmp_path: for the journal and what is left.
        root: the folder that is recorded.
        code: finds the folder in `sys.argv[1]`.
        tries: cuts after one step; each folder is gone when the next is asked for.
    """
    play = Play(library, tmp_path, root, ["-c", code, str(root)])
    chance, heard = random.Random(1), ""
    for _number, said in play:
        heard += said.decode()
        for _ in range(tries):
            with tempfile.TemporaryDirectory(dir=tmp_path) as left:
                play.disk.cut(chance, Path(left))
                yield Path(left), heard
