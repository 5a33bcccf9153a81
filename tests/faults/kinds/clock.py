"""A wall clock that is set while the device runs: by NTP, by hand, or by a dead battery."""

from __future__ import annotations

import struct
import time

from faults.brokers import CLOCK
from faults.kinds import Kind

DAY_S = 86_400.0


def jump(site, chance):
    """Forward and back, by seconds to years, and right again in the end."""
    for _ in range(2):
        far_s = chance.choice((7.0, 3600.0, DAY_S, 8 * DAY_S, 400 * DAY_S, 20_000 * DAY_S))
        _set(site, far_s * chance.choice((-1, 1)) * chance.uniform(0.5, 1.0))
        time.sleep(chance.uniform(0.5, 2.0))
    _set(site, 0.0)


def _set(site, offset_s):
    with (site.folder / "broker" / CLOCK).open("r+b", buffering=0) as file:
        file.write(struct.pack("d", offset_s))


KINDS = (Kind("wall clock jumps", jump, broker="tls"),)
