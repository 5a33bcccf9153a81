"""Whether the wall clock can be believed, as the kernel says.

Knows no time server: whoever sets the clock (chrony, timesyncd, PTP) tells the kernel.
"""

from __future__ import annotations

import ctypes
import time

TIME_ERROR = 5
"""adjtimex(2): the clock is not synchronised."""
_TIMEX_BYTES = 512
"""More than `struct timex` takes on any Linux (208 bytes on 64 bit)."""


def clock_synced() -> bool:
    """True when the kernel says that its clock is synchronised.

    Asks adjtimex(2) with `modes = 0`, which reads only and needs no privilege.  A system
    without the call counts as not synchronised.
    """
    try:
        libc = ctypes.CDLL(None)
        state = int(libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    except (OSError, AttributeError):
        return False
    return 0 <= state < TIME_ERROR


def wall_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
