"""The disk whose power goes: exact where nothing is cut, and as bad as disks are where it is."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest
from debian_parts import program
from disk.disk import SECTOR_BYTES, recorder
from disk.power_kit import Play

DATABASE = """
import os, pathlib, sqlite3, sys
root = pathlib.Path(sys.argv[1])
db = sqlite3.connect(root / "a.db", isolation_level=None)
db.execute("PRAGMA MODE")
db.execute("CREATE TABLE t (x)")
for number in range(40):
    db.execute("INSERT INTO t VALUES (?)", (os.urandom(3000),))
"""
FILES = """
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
(root / "deep").mkdir()
(root / "deep" / "old").write_bytes(b"0123456789" * 100)
(root / "deep" / "old").rename(root / "deep" / "new")
(root / "gone").write_bytes(b"x")
(root / "gone").unlink()
with (root / "deep" / "new").open("r+b") as file:
    file.seek(700)
    file.write(b"later")
    file.truncate(800)
with open(root / "room", "wb") as file:
    os.posix_fallocate(file.fileno(), 0, 5000)
print("said")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return recorder(program("gcc"), tmp_path_factory.mktemp("library"))


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith("-shm")  # a memory map, made anew
    }


def record(tmp_path, library, code):
    """What a program did to an empty folder: the folder, and a disk that took it."""
    root = tmp_path / "root"
    root.mkdir()
    play = Play(library, tmp_path, root, ["-c", code, str(root)])
    for _step in play:
        pass
    return root, play.disk


def cuts(tmp_path, disk, count):
    """What is left of a disk, again and again."""
    for seed in range(count):
        left = tmp_path / f"left{seed}"
        left.mkdir()
        disk.cut(random.Random(seed), left)
        yield left


class Kept(random.Random):
    """Chance that keeps everything."""

    def choice(self, seq):
        return seq[-1]

    def randint(self, _a, b):
        return b

    def random(self):
        return 0.5


def test_all_that_is_done_is_recorded(tmp_path, library):
    """When nothing is lost, the disk and the folder are the same to the byte."""
    code = DATABASE.replace("MODE", "journal_mode=WAL") + FILES
    root, disk = record(tmp_path, library, code)
    left = tmp_path / "left"
    left.mkdir()
    disk.cut(Kept(), left)
    assert files(left) == files(root)
    assert (left / "said").read_bytes() == b"said\n"


def test_what_is_not_synced_may_be_there_in_part(tmp_path, library):
    """Sectors of one write come and go on their own; what was synced stays."""
    code = """
import os, sys
fd = os.open(sys.argv[1] + "/file", os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, b"a" * 4096)
os.fsync(fd)
folder = os.open(sys.argv[1], os.O_RDONLY)
os.fsync(folder)
os.pwrite(fd, b"b" * 2048, 2048)
os.pwrite(fd, b"c" * 100, 4000)
"""
    _root, disk = record(tmp_path, library, code)
    seen = set()
    for left in cuts(tmp_path, disk, 300):
        data = (left / "file").read_bytes()
        assert data[:2048] == b"a" * 2048
        sectors = [data[at : at + SECTOR_BYTES] for at in range(2048, 4096, SECTOR_BYTES)]
        assert all(one in (b"a" * 512, b"b" * 512) for one in sectors[:3])
        # A write into a sector does not come without the one before it.
        later = b"b" * 416 + b"c" * 96  # from byte 4000 on
        assert sectors[3] in (b"a" * 512, b"b" * 512, later)
        seen.add(tuple(one[:1] for one in sectors))
    assert len(seen) == 2**4


def test_names_come_and_go_in_their_order(tmp_path, library):
    """A rename that no sync of the folder followed is there or not, and whole."""
    code = """
import os, sys
for name in ("one", "two", "three"):
    with open(f"{sys.argv[1]}/{name}.part", "wb") as file:
        file.write(name.encode())
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{sys.argv[1]}/{name}.part", f"{sys.argv[1]}/{name}")
"""
    _root, disk = record(tmp_path, library, code)
    seen = set()
    for left in cuts(tmp_path, disk, 100):
        found = files(left)
        del found["said"]
        assert all(data == name.removesuffix(".part").encode() for name, data in found.items())
        seen.add(tuple(sorted(found)))
    assert seen == {
        (), ("one.part",), ("one",), ("one", "two.part"), ("one", "two"),
        ("one", "three.part", "two"), ("one", "three", "two"),
    }  # fmt: skip


def test_sqlite_without_syncs_is_damaged(tmp_path, library):
    """The cuts are hard enough for a database that does not ask for what it needs."""
    _root, disk = record(tmp_path, library, DATABASE.replace("MODE", "synchronous=OFF"))
    damaged = 0
    for left in cuts(tmp_path, disk, 40):
        db = sqlite3.connect(left / "a.db")
        try:
            fine = db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            db.execute("SELECT count(*) FROM t").fetchone()
        except sqlite3.DatabaseError:
            fine = False
        db.close()
        damaged += not fine
    assert damaged > 10
