"""What is left on a disk when the power goes, from a record of what was written to it.

`record.c` writes the record.  The disk keeps what was synced; of what was not, any part may
be there: sectors of one write without the others, a later write without an earlier one, a
name without its data.  Pages of a file reach the disk in any order, truncations and names of
a folder in theirs.  A sector is written whole or not at all, and none that was not written
to is touched, as SQLite ("powersafe overwrite") and the key file suppose.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SECTOR_BYTES = 512
_HEAD = struct.Struct("=c7xQqQ")


class Record(NamedTuple):
    """One thing that was done.

    Attributes:
        op: "C" made, "M" folder made, "R" renamed (`data` is from NUL to), "U" unlinked,
            "W" written, "T" truncated to `at`, "A" allocated up to `at`, "S" synced.
        inode: of the file.
        at: offset or size, bytes.
        data: what was written, or a path.
    """

    op: str
    inode: int
    at: int
    data: bytes


def recorder(gcc: str, folder: Path) -> Path:
    """The library that records, compiled into a folder."""
    target = folder / "librecord.so"
    command = [
        gcc, "-shared", "-fPIC", "-O1", "-Wall", "-Werror",
        str(Path(__file__).with_name("record.c")), "-o", str(target), "-ldl", "-lpthread",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target


def recording(library: Path, root: Path, journal: Path) -> dict[str, str]:
    """Environment of a process that is to be recorded."""
    return {
        "LD_PRELOAD": str(library),
        "DISK_ROOT": str(root.resolve()),
        "DISK_JOURNAL": str(journal),
    }


def records(journal: Path) -> Iterator[Record]:
    """All of a journal; what a killed process has begun to append is not one."""
    with journal.open("rb") as file:
        while len(raw := file.read(_HEAD.size)) == _HEAD.size:
            op, inode, at, length = _HEAD.unpack(raw)
            data = file.read(length)
            if len(data) < length:
                return
            yield Record(op.decode(), inode, at, data)


@dataclass
class _File:
    """Content that is safe, and what was done since."""

    safe: bytearray = field(default_factory=bytearray)
    since: list[Record] = field(default_factory=list)

    def sync(self) -> None:
        for done in self.since:
            _apply(self.safe, done)
        self.since.clear()

    def cut(self, chance: random.Random) -> bytes:
        """What is there afterwards."""
        content = bytearray(self.safe)
        sizes = [n for n, done in enumerate(self.since) if done.op == "T"]
        end = chance.choice([*sizes, len(self.since)])
        rate = chance.choice((0.0, 0.5, 0.9, 1.0))
        stale: set[int] = set()  # sectors whose last write-back was before a later write
        for done in self.since[:end]:
            if done.op == "T":
                stale = {one for one in stale if one * SECTOR_BYTES < done.at}
            if done.op != "W":
                _apply(content, done)
                continue
            for sector, first, last in _sectors(done):
                if sector in stale or chance.random() > rate:
                    stale.add(sector)
                else:
                    _put(content, done.at + first, done.data[first:last])
        if chance.random() < 0.3:  # the size is there, and not what it is for
            full = max([len(content), *(d.at + len(d.data) for d in self.since[:end])])
            content.extend(bytes(full - len(content)))
        return bytes(content)


def _sectors(done: Record) -> Iterator[tuple[int, int, int]]:
    """(sector, first, last) of each part of a write, as bounds in its data."""
    first = 0
    while first < len(done.data):
        sector = (done.at + first) // SECTOR_BYTES
        last = min((sector + 1) * SECTOR_BYTES - done.at, len(done.data))
        yield sector, first, last
        first = last


def _put(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at : at + len(data)] = data


def _apply(content: bytearray, done: Record) -> None:
    if done.op == "W":
        _put(content, done.at, done.data)
    elif done.op == "T":
        del content[done.at :]
        content.extend(bytes(done.at - len(content)))
    elif done.op == "A":
        content.extend(bytes(max(0, done.at - len(content))))


class Disk:
    """A folder as the disk has it.

    Args:
        root: the folder that is recorded; what is in it now is safe.
        lying: it answers a sync and keeps nothing, for a control.
    """

    def __init__(self, root: Path, *, lying: bool = False) -> None:
        self._lying = lying
        self.root = os.path.realpath(root)
        self._files: list[_File] = []
        self._numbers: dict[int, int] = {}  # of inodes, which are given out again
        self._names: dict[str, int] = {}
        self._folders: dict[str, int] = {self.root: os.stat(root).st_ino}  # noqa: PTH116
        self._since: list[Record] = []  # names that no sync has made safe
        for path in sorted(Path(self.root).rglob("*")):
            inode = path.lstat().st_ino
            if path.is_dir():
                self._folders[str(path)] = inode
            elif path.is_file():
                self._names[str(path)] = self._begin(inode, path.read_bytes())

    def _begin(self, inode: int, content: bytes = b"") -> int:
        self._numbers[inode] = len(self._files)
        self._files.append(_File(bytearray(content)))
        return self._numbers[inode]

    def take(self, done: Record) -> None:
        """The next record."""
        if done.op == "C":
            self._since.append(done._replace(inode=self._begin(done.inode)))
        elif done.op == "M":
            self._folders[done.data.decode()] = done.inode  # none is ever lost here
        elif done.op in "RU":
            self._since.append(done)
        elif done.op == "S":
            if not self._lying:
                self._sync(done.inode)
        elif done.inode in self._numbers:
            self._files[self._numbers[done.inode]].since.append(done)

    def _sync(self, inode: int) -> None:
        if inode in self._numbers:
            self._files[self._numbers[inode]].sync()
        for folder, number in self._folders.items():
            if number == inode:
                own = [one for one in self._since if _folder(one) == folder]
                self._since = [one for one in self._since if _folder(one) != folder]
                for one in own:
                    _rename(self._names, one)

    def cut(self, chance: random.Random, target: Path) -> None:
        """Write what is left when the power goes now into an empty folder."""
        names = dict(self._names)
        for one in self._since[: chance.randint(0, len(self._since))]:
            _rename(names, one)
        for folder in self._folders:
            (target / os.path.relpath(folder, self.root)).mkdir(
                mode=0o700, parents=True, exist_ok=True
            )
        for path, number in names.items():
            there = target / os.path.relpath(path, self.root)
            there.write_bytes(self._files[number].cut(chance))
            there.chmod(0o600)


def _folder(one: Record) -> str:
    return os.path.dirname(one.data.decode().split("\0")[-1])  # noqa: PTH120


def _rename(names: dict[str, int], one: Record) -> None:
    path, _nul, target = one.data.decode().partition("\0")
    if one.op == "C":
        names[path] = one.inode
    elif one.op == "U":
        names.pop(path, None)
    elif path in names:
        names[target] = names.pop(path)
