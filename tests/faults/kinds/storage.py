"""A disk that is full, cannot be written, or gives back other bytes than it was given.

Whatever is damaged is answered for: rows that could not be saved come as gaps.
"""

from __future__ import annotations

import contextlib
import subprocess
import time

from faults.kinds import Kind

HEADER_BYTES = 4096
"""Of the key file, before its slots."""
SMALL = {"outbox": "min_free_bytes = 65536"}
"""Lets a small file system become really full."""
STATE = "tmpfs"


def end_engine(site, chance):
    """At any moment, by kill -9; now and then it is stopped cleanly."""
    if chance.random() < 0.25:
        site.booth.engine.terminate()
        site.booth.engine.wait(20)
    else:
        site.booth.kill_engine()


def spoil(path, chance, *, times=1, begin=0):
    """Put other bytes into some places of a file."""
    size = path.stat().st_size if path.exists() else 0
    if size <= begin:
        return
    with path.open("r+b") as file:
        for _ in range(times):
            place = chance.randrange(begin, size)
            file.seek(place)
            file.write(chance.randbytes(min(chance.randrange(1, 512), size - place)))


def cut_off(path, chance, *, at_least=0):
    """End a file early."""
    if path.exists() and path.stat().st_size > at_least:
        with path.open("r+b") as file:
            file.truncate(chance.randrange(at_least, path.stat().st_size))


# -- no room ---------------------------------------------------------------------------------


def _fill(site):
    """Take every byte that is left."""
    with (site.state / "filler").open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def fill(site, chance):
    """Full while it runs, for a while."""
    _fill(site)
    time.sleep(chance.uniform(1.0, 2.0))
    (site.state / "filler").unlink()


def fill_at_start(site, chance):
    """Full when the engine starts: it runs and refuses, or says so and ends."""
    end_engine(site, chance)
    _fill(site)
    site.booth.start_engine(wait=False)
    time.sleep(chance.uniform(0.5, 2.5))
    (site.state / "filler").unlink()
    try:
        site.booth.wait_engine()
    except AssertionError:
        if site.booth.engine.poll() is None:
            raise
        assert site.booth.engine.returncode > 0, "the engine says why it ends"
        site.restart_engine()


def write_protect(site, chance):
    """Its disk is read-only when it starts, as after a file system error."""
    end_engine(site, chance)
    _remount(site, "ro")
    try:
        said = len(site.booth.log_text())
        site.booth.start_engine(wait=False)
        assert site.booth.engine.wait(30) > 0
        assert str(site.state) in site.booth.log_text()[said:], "it says where"
    finally:
        _remount(site, "rw")
    site.restart_engine()


def _remount(site, how):
    command = ["mount", "-o", f"remount,{how}", str(site.state)]
    subprocess.run(command, check=True, capture_output=True)


# -- other bytes ------------------------------------------------------------------------------


def spoil_database(site, chance):
    """Bytes in some pages of the database."""
    end_engine(site, chance)
    spoil(site.state / "outbox.db", chance, times=chance.randrange(1, 6))
    site.restart_engine()


def cut_database(site, chance):
    """The database ends early, with its log or without."""
    end_engine(site, chance)
    cut_off(site.state / "outbox.db", chance)
    if chance.random() < 0.5:
        (site.state / "outbox.db-wal").unlink(missing_ok=True)
    site.restart_engine()


def spoil_log(site, chance):
    """The write-ahead log: bytes, its end, or all of it."""
    site.booth.kill_engine()  # a clean stop leaves none
    log = site.state / "outbox.db-wal"
    match chance.randrange(4):
        case 0:
            cut_off(log, chance)
        case 1:
            log.unlink(missing_ok=True)
        case _:
            spoil(log, chance, times=chance.randrange(1, 4))
    site.restart_engine()


def spoil_keys(site, chance):
    """Keys of some rows."""
    end_engine(site, chance)
    spoil(site.state / "outbox.keys", chance, times=chance.randrange(1, 6), begin=HEADER_BYTES)
    site.restart_engine()


def lose_keys(site, chance):
    """The key file: its head, its end, or all of it."""
    end_engine(site, chance)
    keys = site.state / "outbox.keys"
    match chance.randrange(3):
        case 0:
            spoil(keys, chance, times=20)
            with keys.open("r+b") as file:
                file.write(chance.randbytes(64))
        case 1:
            cut_off(keys, chance)
        case _:
            keys.unlink()
    site.restart_engine()


def spoil_while_running(site, chance):
    """Pages of the database change under a running engine."""
    spoil(site.state / "outbox.db", chance, times=chance.randrange(1, 6))
    time.sleep(chance.uniform(0.5, 1.5))


KINDS = (
    Kind("disk full", fill, state=STATE, config=SMALL, may_refuse=True),
    Kind(
        "disk full at a start",
        fill_at_start,
        state=STATE,
        config=SMALL,
        may_refuse=True,
        short=False,
    ),
    Kind(
        "state folder read-only at a start", write_protect, state=STATE, config=SMALL, short=False
    ),
    Kind("outbox damaged", spoil_database, may_gap=True, short=False),
    Kind("outbox cut short", cut_database, may_gap=True, short=False),
    Kind("outbox log damaged", spoil_log, may_gap=True),
    Kind(
        "outbox damaged while running",
        spoil_while_running,
        may_gap=True,
        may_refuse=True,
        short=False,
    ),
    Kind("keys of rows damaged", spoil_keys, may_gap=True, short=False),
    Kind("key file damaged", lose_keys, may_gap=True),
)
