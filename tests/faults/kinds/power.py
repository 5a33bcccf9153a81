"""The plug of the device is pulled: what was not synced may be there, in part, or not.

What a disk keeps is worked out from a record of all that was written (tests/disk), since a
killed process loses nothing that it has written.
"""

from __future__ import annotations

import time

from faults.kinds import Kind
from faults.kinds.process_kill import a_purge

STATE = "recorded"


def _dark(site, chance):
    """Both processes at once, and the disk."""
    for process in (site.booth.engine, site.booth.uplink):
        process.kill()
    for process in (site.booth.engine, site.booth.uplink):
        process.wait()
    site.power.cut(chance)


def _light(site):
    site.restart_uplink()
    site.restart_engine()


def cut(site, chance):
    _dark(site, chance)
    _light(site)


def cut_in_a_purge(site, chance):
    """What the purge took is gone; what it was about to take may be."""
    with a_purge(site, chance):
        cut(site, chance)


def cut_over_and_over(site, chance):
    """Again in the middle of its start, five times."""
    for _ in range(5):
        _dark(site, chance)
        site.booth.start_engine(wait=False)
        site.restart_uplink()
        time.sleep(chance.uniform(0.2, 2.0))
    _dark(site, chance)
    _light(site)


KINDS = (
    Kind("power cut", cut, state=STATE),
    Kind("power cut in a purge", cut_in_a_purge, state=STATE, may_gap=True, may_refuse=True),
    Kind("power cut six times in a row", cut_over_and_over, state=STATE, short=False),
)
