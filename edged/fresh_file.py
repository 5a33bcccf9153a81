"""Puts files in their places, and takes them away, so that a power cut changes nothing after it."""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK_BYTES = 1 << 20


def write_fresh(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write beside it, onto the disk, then rename; makes the folder where it is absent.

    The new one is on the disk for good when this returns.

    Raises:
        OSError: nothing was changed, or it is not known whether a power cut would undo it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def destroy(path: Path) -> None:
    """Overwrite a file in place and remove it; it is gone for good when this returns.

    What a flash controller or a copy-on-write filesystem keeps of it is not reached.

    Raises:
        OSError: it is not there, is a link, or the disk did not take it.
    """
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "wb") as file:
        left = os.fstat(handle).st_size
        while left > 0:
            left -= file.write(bytes(min(left, _BLOCK_BYTES)))
        file.flush()
        os.fsync(handle)
    path.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names, renames and deletions in a folder survive a power cut.

    Raises:
        OSError: the disk did not take them.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
