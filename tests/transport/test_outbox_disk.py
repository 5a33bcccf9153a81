"""The disk of the outbox is full: what is answered, what is kept, and that it works again."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

import pytest
from faults.tmpfs import Tmpfs
from outbox_kit import put

from edged.errors import FrameError, OperatorError
from edged.transport.outbox import Outbox, OutboxLimits, PurgeSelector

SMALL_BYTES = 16 << 20
NO_RESERVE = OutboxLimits(min_free_bytes=0)


@pytest.fixture
def disk(tmp_path):
    """A file system of 16 MiB of its own."""
    try:
        with Tmpfs(tmp_path / "disk", SMALL_BYTES):
            yield tmp_path / "disk"
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no file system can be mounted here: {error.stderr!r}")


class Filler:
    """Takes all room that is left, and gives it back."""

    def __init__(self, disk: Path, *, leave_bytes: int = 0) -> None:
        self._path = disk / "filler"
        with self._path.open("wb", buffering=0) as file:
            found = os.statvfs(disk)
            room = found.f_bavail * found.f_frsize - leave_bytes
            with contextlib.suppress(OSError):
                while room > 0:
                    room -= file.write(bytes(min(room, 1 << 16)))

    def gone(self) -> None:
        self._path.unlink()


def put_until_full(box, most=2000):
    """Shots that were taken, and why the next one was not."""
    taken = []
    reason = ""
    while not reason:
        assert len(taken) < most, "it never became full"
        try:
            taken.append(put(box, size_bytes=20_000))
            box.tidy()  # as the egress server does between rows
        except FrameError as error:
            reason = error.reason
    return taken, reason


def reason_of(work):
    """Why something could not be done; empty when it was."""
    try:
        work()
    except FrameError as error:
        return error.reason
    return ""


def kept(box, shots):
    """Whether all of these are there, each with its picture, and nothing else."""
    rows = [box.load(number) for number in box.pending(5000)]
    return sorted(row.id for row in rows if row.kind == "result") == sorted(shots)


def test_what_was_answered_is_kept_when_the_disk_runs_full(disk):
    """The sender is told `outbox-full`; with room again shots go on, without a hole."""
    box = Outbox.open(disk / "o", limits=NO_RESERVE)
    filler = Filler(disk, leave_bytes=5 << 20)
    shots, reason = put_until_full(box)
    assert len(shots) > 10
    assert reason == "outbox-full"
    assert put_until_full(box) == ([], "outbox-full")
    assert kept(box, shots)
    filler.gone()
    shots += [put(box, size_bytes=20_000) for _ in range(5)]
    assert box.lookup(shots[-1], shots[-1].encode()).verdict.seq == len(shots)
    box.close()
    box = Outbox.open(disk / "o", limits=NO_RESERVE)
    assert kept(box, shots)
    box.close()


@pytest.mark.parametrize("leave_bytes", [0, 4096, 12_288, 40_960])
def test_a_disk_that_somebody_else_fills_stops_nothing_for_good(disk, leave_bytes):
    """Whichever write meets it first, key, log, page or checkpoint: with room the next works."""
    events = []
    box = Outbox.open(disk / "o", limits=NO_RESERVE, on_event=lambda *event: events.append(event))
    shots = [put(box) for _ in range(70)]  # beyond the first keys that were made ready
    for _ in range(3):
        filler = Filler(disk, leave_bytes=leave_bytes)
        works = [lambda: shots.append(put(box, size_bytes=60_000))] * 5
        works += [box.enforce, box.tidy, box.stats, lambda: box.ack(1)]
        assert {reason_of(work) for work in works} <= {"", "outbox-full"}
        filler.gone()
        shots.append(put(box))
    box.requeue_all()
    assert kept(box, shots)
    box.close()
    box = Outbox.open(disk / "o", limits=NO_RESERVE)
    assert kept(box, shots)
    assert events == []
    assert list((disk / "o").glob("*.damaged-*")) == []
    box.close()


def test_an_engine_starts_on_a_full_disk_and_can_purge_there(disk):
    """What is kept back for it is given up, and made again once there is room."""
    box = Outbox.open(disk / "o", limits=NO_RESERVE)
    shots = [put(box) for _ in range(3)]
    box.close()
    reserve = disk / "o" / "outbox.reserve"
    assert reserve.stat().st_size == 1 << 20
    filler = Filler(disk)
    box = Outbox.open(disk / "o", limits=NO_RESERVE)
    assert kept(box, shots)
    assert box.purge(PurgeSelector(shot=shots[0])).rows == 1
    filler.gone()
    box.enforce()
    assert reserve.stat().st_size == 1 << 20
    box.close()


def test_an_engine_that_cannot_start_on_a_full_disk_says_what_to_do(disk):
    """It destroys nothing, and starts once there is room."""
    box = Outbox.open(disk / "o", limits=NO_RESERVE)
    shots = [put(box) for _ in range(3)]
    box.close()
    (disk / "o" / "outbox.reserve").unlink()
    filler = Filler(disk)
    with pytest.raises(OperatorError, match="look at the disk"):
        Outbox.open(disk / "o", limits=NO_RESERVE)
    filler.gone()
    box = Outbox.open(disk / "o", limits=NO_RESERVE)
    assert kept(box, shots)
    box.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_for_a_key_is_a_full_outbox(tmp_path, monkeypatch, code):
    """A quota and a limit of file size are told as a full disk is; another error is not."""
    box = Outbox.open(tmp_path / "o")

    def full(*_args):
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(box._store.vault, "allocate", full)
        with pytest.raises(FrameError) as caught:
            put(box)
        assert caught.value.reason == "outbox-full"
        code = errno.EIO
        with pytest.raises(FrameError) as caught:
            put(box)
        assert caught.value.reason == "outbox-error"
    put(box)
    box.close()
