"""Disk and memory: is there room, and what a full disk is called.

Knows numbers of the kernel; knows nothing of engines.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import psutil

from edged.errors import OperatorError

MIB = 1 << 20
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SPARE_BYTES = 64 * MIB
_CGROUPS = Path("/sys/fs/cgroup")


def disk_error(error: OSError, folder: Path) -> OperatorError:
    """What a failed write means, with what to do."""
    if error.errno in _FULL:
        return OperatorError(
            f"{folder}: the disk is full ({error.strerror}); make room, run `edged engines "
            "list --prune`, or set engines.folder to a larger disk"
        )
    return OperatorError(
        f"{folder} cannot be written ({error.strerror or type(error).__name__}): correct its "
        "owner and mode, or set engines.folder"
    )


def check_disk(folder: Path, model_bytes: int) -> None:
    """See that a build will fit: the graph for the builder, and an engine as large again.

    Raises:
        OperatorError: it will not, or the folder cannot be looked at.
    """
    needed = 2 * model_bytes + _SPARE_BYTES
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise disk_error(error, folder) from error
    if free < needed:
        raise OperatorError(
            f"{folder}: a build needs {needed // MIB} MiB of disk and {free // MIB} MiB are "
            "free; make room, run `edged engines list --prune`, or set engines.folder to a "
            "larger disk"
        )


def sync_tree(folder: Path) -> None:
    """Make the files of a flat folder, and their names, survive a power cut."""
    for path in (*folder.iterdir(), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def free_memory_mb(proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> int:
    """Main memory that a new process may take: the machine's, or less in a control group."""
    free = _machine_bytes()[0]
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("0::"):
            name = line[len("0::") :].strip().lstrip("/")
            for folder in (cgroups / name, *(cgroups / name).parents):
                left = _left_bytes(folder)
                free = free if left is None else min(free, left)
    return max(0, free) // MIB


def total_memory_mb() -> int:
    """Main memory of the machine."""
    return _machine_bytes()[1] // MIB


def _machine_bytes() -> tuple[int, int]:
    """Available and total main memory; a unit may not see /proc/meminfo (ProcSubset=pid)."""
    try:
        memory = psutil.virtual_memory()
    except OSError:  # the kernel's own call tells less: pages of files count as taken
        page = os.sysconf("SC_PAGE_SIZE")
        return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page
    return int(memory.available), int(memory.total)


def _left_bytes(folder: Path) -> int | None:
    """What a control group may still take; None where it has no limit.

    Page cache is given back before anything is killed, so it does not count as taken.
    """
    try:
        limit = int((folder / "memory.max").read_text())
        used = int((folder / "memory.current").read_text())
        table = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such file, or the word "max"
        return None
    return limit - used + int(table.get("inactive_file", 0))


def used_memory_mb(process: psutil.Process) -> int:
    """Main memory of a process and its children that cannot be dropped and read again.

    Resident pages of files do not count: a builder's libraries are gigabytes of them.
    """
    total = 0
    for each in (process, *_children(process)):
        try:
            info = each.memory_info()
        except psutil.Error:  # it has just ended
            continue
        total += max(0, info.rss - info.shared)
    return int(total) // MIB


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
