"""Programs that are frozen, and such as are asked to go."""

from __future__ import annotations

import signal
import time

from faults.kinds import Kind

SILENT_S = (3.2, 4.0)
"""Longer than one and a half times the keepalive of a site: the broker gives the device up."""


def _frozen(process, pause_s):
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(pause_s)
    finally:
        process.send_signal(signal.SIGCONT)


def engine_frozen(site, chance):
    _frozen(site.booth.engine, chance.uniform(0.1, 1.5))


def uplink_frozen(site, chance):
    _frozen(site.booth.uplink, chance.uniform(0.1, 1.5))


def uplink_silent(site, chance):
    _frozen(site.booth.uplink, chance.uniform(*SILENT_S))


def engine_silent(site, chance):
    """The uplink must say that the engine is away, and take it back."""
    _frozen(site.booth.engine, chance.uniform(*SILENT_S))


def engine_ended(site, _chance):
    site.booth.engine.terminate()
    site.booth.engine.wait(30)
    site.restart_engine()


def uplink_ended(site, _chance):
    site.booth.uplink.terminate()
    site.booth.uplink.wait(30)
    site.restart_uplink()


def both_ended(site, _chance):
    site.booth.engine.terminate()
    site.booth.uplink.terminate()
    site.booth.engine.wait(30)
    site.booth.uplink.wait(30)
    site.restart_engine()
    site.restart_uplink()


def broker_ended(site, _chance):
    """A clean stop: with a memory, it has everything again."""
    site.broker.stop()
    site.broker.start()


KINDS = (
    Kind("engine frozen", engine_frozen),
    Kind("engine frozen for long", engine_silent, short=False),
    Kind("uplink frozen", uplink_frozen, short=False),
    Kind("uplink frozen past its keepalive", uplink_silent),
    Kind("engine restarted", engine_ended, short=False),
    Kind("uplink restarted", uplink_ended),
    Kind("engine and uplink restarted", both_ended, short=False),
    Kind("broker with a memory restarted", broker_ended, broker="memory"),
)
