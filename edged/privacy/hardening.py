"""Keep what a process holds in memory out of files: no core, no peeking, no open modes.

    core dumps     RLIMIT_CORE 0 and PR_SET_DUMPABLE 0.  The second also covers a
                   core_pattern that pipes into a program, which the limit alone leaves
                   to that program, and shuts out other processes of the same user
                   (ptrace, /proc/<pid>/mem).
    files          umask 0077: sockets, database and keys are the owner's alone.
    swap           can only be read here: a limit on swap belongs to the control group
                   (`MemorySwapMax=0` in a unit, `--memory-swap` equal to `--memory` in
                   a container).  Locking all pages instead would lock the GPU
                   libraries' gigabytes too.

Knows nothing of frames and of configuration.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.privacy import linux

Swap = Literal["none", "memory", "forbidden", "possible"]
"""none: the machine has no swap; memory: only zram, which is memory again (Jetson's
default); forbidden: the process's control group may not use it."""


@dataclass(frozen=True)
class Hardening:
    """How tightly this process is shut.

    Attributes:
        core_dumps: whether a crash could write its memory to a file.
        dumpable: whether another process of this user may read its memory.
        new_privileges: whether a setuid program would work in it.
        swap: whether its memory could be written to a swap device.
    """

    core_dumps: bool
    dumpable: bool
    new_privileges: bool
    swap: Swap


def harden() -> Hardening:
    """Shut this process; call it after the last exec, which undoes PR_SET_DUMPABLE."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    return found()


def found() -> Hardening:
    """How tightly this process is shut now."""
    dumpable = linux.prctl(linux.PR_GET_DUMPABLE) != 0
    return Hardening(
        core_dumps=dumpable and resource.getrlimit(resource.RLIMIT_CORE)[0] != 0,
        dumpable=dumpable,
        new_privileges=linux.prctl(linux.PR_GET_NO_NEW_PRIVS) == 0,
        swap=swap(),
    )


def swap(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Swap:
    """Whether this process's memory could reach a swap device.

    A file that cannot be read counts as "possible".
    """
    try:
        devices = (proc / "swaps").read_text().splitlines()[1:]  # without the heading
        if not devices:
            return "none"
        if all(device.startswith("/dev/zram") for device in devices):
            return "memory"
        unified = [
            line[len("0::") :].strip().lstrip("/")
            for line in (proc / "self" / "cgroup").read_text().splitlines()
            if line.startswith("0::")
        ]
        limits = [
            (folder / "memory.swap.max").read_text().strip()
            for name in unified
            for folder in [cgroups / name, *(cgroups / name).parents]
            if (folder / "memory.swap.max").is_file()
        ]
    except OSError:
        return "possible"
    return "forbidden" if "0" in limits else "possible"


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends.

    Args:
        parent: process id of the parent; when it has already gone, this process ends.
    """
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above took effect
        sys.exit("edged: the process that started this one has ended")
