"""What is promised at every point at which the process can be killed."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from outbox_kit import Clock, put

from edged.transport.outbox import Outbox, OutboxLimits, PurgeSelector
from edged.transport.vault import Vault
from edged.transport.wire import GapDoc, ResultDoc

WRITER = Path(__file__).parents[1] / "fakes" / "outbox_writer.py"


def check(folder: Path, answered: set[str], purging: set[str], *, where: str) -> dict[int, str]:
    """Open what a killed process left and hold it against what it had said.

    Args:
        folder: the outbox.
        answered: ids whose put returned.
        purging: those of them whose purge had begun.
        where: for the message of a failure.

    Returns:
        id by sequence number of the results that are there.
    """
    box = Outbox.open(folder, limits=OutboxLimits(unsent_max_age_s=1e12))
    box.requeue_all()
    results: dict[int, str] = {}
    told: set[int] = set()
    for number in box.pending(100_000):
        row = box.load(number)
        assert row is not None, where
        if row.kind == "gap":
            gap = msgspec.json.decode(row.doc_json, type=GapDoc)
            seqs = range(gap.first, gap.last + 1)
            assert gap.reason in ("purge", "overflow"), where
        else:
            doc = msgspec.json.decode(row.doc_json, type=ResultDoc)
            seqs = range(doc.seq, doc.seq + 1)
            assert doc.image.size_bytes == len(row.jpeg), where
            results[doc.seq] = doc.id
        assert not told & set(seqs), f"{where}: a number twice"
        told |= set(seqs)
    last = box._store.one("SELECT last FROM counters") or 0
    assert told == set(range(1, last + 1)), f"{where}: a hole"
    assert len(set(results.values())) == len(results), f"{where}: an id twice"
    for shot_id in answered - purging:
        known = box.lookup(shot_id, shot_id.encode())
        assert known is not None, f"{where}: an answered shot is lost"
        assert known.verdict.seq in told, where
        if known.picture is not None:
            assert results[known.verdict.seq] == shot_id, where
    slots = {slot for (slot,) in box._store.conn.execute("SELECT slot FROM rows WHERE slot>=0")}
    box.close()
    vault = Vault(folder / "outbox.keys")
    live = {slot for slot in range(len(vault._states)) if vault.read(slot) is not None}
    assert live == slots, f"{where}: a key without a row, or a row without a key"
    vault.close()
    return results


def test_no_answered_shot_is_lost_to_kill_9(tmp_path):
    """Killed at random points 20 times, the outbox holds every shot that was answered."""
    answered: set[str] = set()
    purging: set[str] = set()
    rng = random.Random(7)
    for turn in range(20):
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(tmp_path / "o"), str(turn)],
            stdout=subprocess.PIPE,
            text=True,
        )
        lines = [writer.stdout.readline() for _ in range(rng.randrange(1, 25))]
        time.sleep(rng.random() * 0.004)  # not to wait for anything: to be anywhere in a put
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.wait(10)
        writer.stdout.close()
        for line in lines:
            word, _, shot_id = line.rstrip("\n").partition(" ")
            if line.endswith("\n") and shot_id:
                {"put": answered, "purging": purging}.get(word, set()).add(shot_id)
        check(tmp_path / "o", answered, purging, where=f"turn {turn}")
    assert len(answered) > 50


def run_and_die(folder: Path, work, at_step: int) -> tuple[bool, list[str]]:
    """Do `work` in a forked child that is killed at its n-th write, sync or statement.

    Returns:
        Whether it was killed, and what it had said.
    """
    read_fd, write_fd = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_fd)
        steps = 0

        def step(*_: object) -> None:
            nonlocal steps
            steps += 1
            if steps == at_step:
                os.kill(os.getpid(), signal.SIGKILL)

        real_pwrite, real_sync = os.pwrite, os.fdatasync

        def pwrite(fd: int, data: bytes, offset: int) -> int:
            step()
            return real_pwrite(fd, data, offset)

        def fdatasync(fd: int) -> None:
            step()
            real_sync(fd)
            step()

        code = 1
        try:
            box = Outbox.open(folder, limits=OutboxLimits(max_bytes=40_000))
            box._store.conn.set_trace_callback(step)
            os.pwrite, os.fdatasync = pwrite, fdatasync
            work(box, lambda text: os.write(write_fd, text.encode() + b"\n"))
            code = 0
        finally:
            os._exit(code)
    os.close(write_fd)
    with os.fdopen(read_fd) as pipe:
        said = pipe.read().splitlines()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status), said


def puts(box: Outbox, say) -> None:
    for _ in range(2):
        say("put " + put(box, size_bytes=4000))


def overflow(box: Outbox, say) -> None:
    put_id = put(box, size_bytes=25_000)
    say("put " + put_id)
    say("put " + put(box, size_bytes=25_000))


def purge(box: Outbox, say) -> None:
    shot_id = put(box, size_bytes=4000, consents=("c",))
    say("put " + shot_id)
    say("put " + put(box, size_bytes=4000))
    say("purging " + shot_id)
    box.purge(PurgeSelector(consent="c"))
    say("purged " + shot_id)


@pytest.mark.parametrize("work", [puts, overflow, purge])
def test_every_crash_point_is_safe(tmp_path, work):
    """Killed before and after every write, sync and statement, nothing is lost or doubled."""
    step, killed = 0, True
    folder = tmp_path / "o"
    answered: set[str] = set()
    purging: set[str] = set()
    while killed:
        step += 1
        killed, said = run_and_die(folder, work, step)
        words = [line.split() for line in said]
        answered |= {shot_id for word, shot_id in words if word == "put"}
        purging |= {shot_id for word, shot_id in words if word == "purging"}
        results = check(folder, answered, purging, where=f"{work.__name__} step {step}")
        purged = {shot_id for word, shot_id in words if word == "purged"}
        assert not purged & set(results.values())
        if step % 20 == 0:  # keep the folder small
            for path in folder.iterdir():
                path.unlink()
            answered.clear()
            purging.clear()
    assert step > 15


def test_a_purge_that_was_cut_is_finished_at_start(tmp_path):
    """With the keys destroyed and the rows still there, the rows go as purged ones."""
    clock = Clock()
    box = Outbox.open(tmp_path / "o", clock=clock.wall, steady=clock.steady)
    shot_id = put(box)
    box._store.vault.destroy([box._store.one("SELECT slot FROM rows")])
    box.close()
    box = Outbox.open(tmp_path / "o", clock=clock.wall, steady=clock.steady)
    row = box.load(box.pending(10)[0])
    assert msgspec.json.decode(row.doc_json, type=GapDoc).reason == "purge"
    assert box.lookup(shot_id, b"").verdict.reason == "purged"
    box.close()
