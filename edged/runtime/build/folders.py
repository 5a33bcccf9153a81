"""Folders of engines: is one whole, who holds it, who builds in it.

    whole     every file has size and hash of the manifest
    held      a process has it loaded: a shared lock on the folder
    locked    a process builds for the model: an exclusive lock on `.lock` in its home

Locks are the kernel's (flock), so they end with their process, however that ends.  Knows
files; what an engine is good for is :mod:`.store`'s.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edged.errors import EngineError, ModelError
from edged.hashes import file_sha256
from edged.runtime.build import manifest, room
from edged.runtime.build.manifest import Manifest, Piece

_LOCK = ".lock"
_POLL_S = 0.25


@contextlib.contextmanager
def locked(home: Path, waiting: Callable[[], bool]) -> Iterator[None]:
    """Be the only one that builds in a model's home, in all processes.

    Args:
        home: made when it is not there.
        waiting: called while another one holds it; False gives up.

    Raises:
        EngineError: given up.
        OperatorError: the folder cannot be made or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise room.disk_error(error, home) from error
    try:
        while not _try_lock(handle):
            if not waiting():
                raise EngineError(f"model {home.name}: waiting for another build was given up")
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Keep an engine from being pruned for as long as it is loaded."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield folder
    finally:
        os.close(handle)


def damage_of(folder: Path, paper: Manifest) -> str:
    """What of an engine's files is not as it was built; empty when all is."""
    try:
        there = {path.name for path in folder.iterdir()} - {manifest.NAME}
        for name in sorted(there ^ paper.files.keys()):
            return f"{name} is {'none of its files' if name in there else 'absent'}"
        for name, piece in paper.files.items():
            size = (folder / name).stat().st_size
            if size != piece.size_bytes:
                return f"{name} has {size} bytes, not {piece.size_bytes}"
            if file_sha256(folder / name) != piece.sha256:
                return f"{name} does not have the SHA-256 that it was built with"
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    except ModelError as error:  # of the hash function: it cannot be read
        return str(error)
    return ""


def pieces_of(folder: Path) -> dict[str, Piece]:
    """Hash and size of every file of a flat folder but the manifest."""
    return {
        path.name: Piece(sha256=file_sha256(path), size_bytes=path.stat().st_size)
        for path in sorted(folder.iterdir())
        if path.name != manifest.NAME
    }


def write_paper(folder: Path, paper: Manifest) -> None:
    """Write or replace the manifest of a folder, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    fresh = folder.parent / f".{folder.name}.{manifest.NAME}"
    try:
        with fresh.open("wb") as file:
            file.write(manifest.encode(paper))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / manifest.NAME)
    finally:
        fresh.unlink(missing_ok=True)


def subfolders(parent: Path) -> list[Path]:
    """Visible folders in a folder, by name; none where it cannot be read."""
    try:
        inside = sorted(parent.iterdir())
    except OSError:
        return []
    return [path for path in inside if path.is_dir() and not path.name.startswith(".")]


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def in_use(folder: Path) -> bool:
    """Whether a process has it loaded, see :func:`held`."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)
