"""`kill -9` at any moment of a shot's way."""

from __future__ import annotations

from faults.kinds import Kind


def engine(site, _chance):
    site.booth.kill_engine()
    site.restart_engine()


def uplink(site, _chance):
    site.booth.kill_uplink()
    site.restart_uplink()


def broker(site, _chance):
    site.broker.restart()


KINDS = (
    Kind("engine killed", engine),
    Kind("uplink killed", uplink),
    Kind("broker killed", broker),
    Kind("broker with a memory killed", broker, broker="memory", forgets=True),
)
