"""The power of a device: what it writes is recorded, and part of it is gone when that goes."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path

from debian_parts import find_program
from disk.disk import Disk, recorder, recording, records


class Power:
    """Over the folder of the outbox; the processes that write there are the caller's.

    Args:
        state: that folder; made when it is absent.
        folder: for the library and the journal.

    Attributes:
        environment: of every process that writes there.
    """

    def __init__(self, state: Path, folder: Path) -> None:
        self._state, self._folder, self._journal = state, folder, folder / "journal"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        gcc = find_program("gcc")
        assert gcc is not None, "gcc is not installed (Debian: apt-get install gcc libc6-dev)"
        self.environment = recording(recorder(gcc, folder), state, self._journal)
        self._disk = Disk(state)

    def cut(self, chance: random.Random) -> None:
        """The processes are dead: leave in the folder what a disk may have kept."""
        for done in records(self._journal):
            self._disk.take(done)
        self._journal.unlink()
        with tempfile.TemporaryDirectory(dir=self._folder) as left:
            self._disk.cut(chance, Path(left))
            for path in self._state.iterdir():
                path.unlink()
            for path in Path(left).iterdir():
                shutil.move(path, self._state)
        self._disk = Disk(self._state)
