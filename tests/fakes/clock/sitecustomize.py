"""Sets the wall clock of a Python process by as many seconds as a file says, at any time.

Python imports this at its start when the folder is on PYTHONPATH; `EDGED_TEST_CLOCK` names the
file: one float64.  Steady clocks are untouched, as when a person or NTP sets the clock.
"""

import mmap
import os
import struct
import time

_REAL, _REAL_NS = time.time, time.time_ns
_PATH = os.environ.get("EDGED_TEST_CLOCK")

if _PATH:
    with open(_PATH, "rb") as _file:  # noqa: PTH123 - imported by every process: nothing more
        _OFFSET_S = mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)

    def _offset_s():
        return struct.unpack_from("d", _OFFSET_S)[0]

    time.time = lambda: _REAL() + _offset_s()
    time.time_ns = lambda: _REAL_NS() + int(_offset_s() * 1e9)
