"""Hashes of files, the notes of them beside the files, and folders that last.

A note is `<file>.sha256` in sha256sum's form.  Knows nothing of recipes.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from edged.errors import ModelError, OperatorError
from edged.fresh_file import write_fresh

_BLOCK_BYTES = 1 << 20
_HEX = frozenset("0123456789abcdef")


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path, *, fresh: bool = True) -> str:
    """The hash noted for a file; with `fresh` only if the file did not change after it.

    Told by the inodes' times of change, which nobody can set: `cp -p` keeps the others.
    """
    note = _note(path)
    try:
        if fresh and note.stat().st_ctime_ns < path.stat().st_ctime_ns:
            return ""
        text = note.read_text().split(" ", maxsplit=1)[0].strip()
    except (OSError, ValueError):
        return ""
    good = len(text) == hashlib.sha256().digest_size * 2 and not set(text) - _HEX
    return text if good else ""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits.

    Raises:
        ModelError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()


def record(path: Path, sha256: str) -> None:
    """Notes the hash of a file beside it, atomically."""
    write_fresh(_note(path), f"{sha256}  {path.name}\n".encode())


def make_folder(folder: Path) -> None:
    """Makes a folder that models can be put into.

    Raises:
        OperatorError: it cannot be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"{folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OperatorError(f"{folder} cannot be written to by this user; run this as its owner")
