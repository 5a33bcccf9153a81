"""`kill -9` at any moment of a shot's way, and at moments that are chosen to hurt."""

from __future__ import annotations

import contextlib
import threading
import time

from faults.kinds import Kind

from edged.errors import EdgedError


def engine(site, _chance):
    site.booth.kill_engine()
    site.restart_engine()


def uplink(site, _chance):
    site.booth.kill_uplink()
    site.restart_uplink()


def broker(site, _chance):
    site.broker.restart()


def engine_in_a_commit(site, _chance):
    """The write-ahead log has just grown: a shot is in the middle of becoming durable."""
    log = next(site.state.glob("*-wal"))
    before, deadline = log.stat().st_mtime_ns, time.monotonic() + 10
    while log.stat().st_mtime_ns == before and time.monotonic() < deadline:
        time.sleep(0.0003)
    engine(site, _chance)


def both(site, _chance):
    site.booth.engine.kill()
    site.booth.uplink.kill()
    site.booth.engine.wait()
    site.booth.uplink.wait()
    site.restart_uplink()  # the wrong order, as an init system may have it
    site.restart_engine()


def everything(site, _chance):
    """The plug is pulled, of the broker's machine too."""
    site.broker.kill()
    site.booth.engine.kill()
    site.booth.uplink.kill()
    site.booth.engine.wait()
    site.booth.uplink.wait()
    site.restart_uplink()
    site.broker.start()
    site.restart_engine()


@contextlib.contextmanager
def a_purge(site, chance):
    """Of everything, somewhere on its way: keys are destroyed first and rows after."""

    def purge():
        with contextlib.suppress(EdgedError):  # dead before it could answer
            site.booth.ask("purge", {"all": True}, timeout_s=2.0)

    thread = threading.Thread(target=purge)
    thread.start()
    time.sleep(chance.uniform(0, 0.03))
    yield
    thread.join()


def engine_in_a_purge(site, chance):
    with a_purge(site, chance):
        engine(site, chance)


def engine_over_and_over(site, chance):
    """A crash loop: it is killed in the middle of its start, nine times."""
    site.booth.kill_engine()
    for _ in range(9):
        site.booth.start_engine(wait=False)
        time.sleep(chance.uniform(0.02, 0.4))
        site.booth.kill_engine()
    site.restart_engine()


def uplink_over_and_over(site, chance):
    for _ in range(9):
        site.booth.kill_uplink()
        site.restart_uplink()
        time.sleep(chance.uniform(0.02, 0.5))
    site.booth.kill_uplink()
    site.restart_uplink()


def run(site, _chance):
    """Of `edged run`: the kernel takes its two programs with it."""
    site.booth.kill_engine()
    site.restart_engine()


KINDS = (
    Kind("engine killed", engine, short=False),
    Kind("engine killed in a commit", engine_in_a_commit),
    Kind("engine killed in a purge", engine_in_a_purge, may_gap=True, may_refuse=True),
    Kind("engine killed ten times in a row", engine_over_and_over, short=False),
    Kind("uplink killed", uplink),
    Kind("uplink killed ten times in a row", uplink_over_and_over, short=False),
    Kind("broker killed", broker),
    Kind("broker with a memory killed", broker, broker="memory", forgets=True),
    Kind("engine and uplink killed", both, short=False),
    Kind("everything killed", everything),
    Kind("edged run killed", run, supervised=True, short=False),
)
