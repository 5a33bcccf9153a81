"""ZIP archives from a network: what is refused of one before a byte of it is unpacked.

The central directory is bounded before Python reads it, and then every entry is looked at,
also those that nobody wants: an archive that lies about one thing is not used for another.
No name of an archive ever becomes a path; a member is a stream to whoever names its file.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from edged.errors import ModelError

MAX_ENTRIES = 256
"""The packs of the field have five files in one or two folders."""

MAX_DIRECTORY_BYTES = 1 << 20
MAX_RATIO = 100
"""Weights hardly shrink; what unpacks to a hundred times its size is a bomb."""

RATIO_FREE_BYTES = 16 << 20
"""An entry of up to this size may shrink as it likes."""

_END = struct.Struct("<4s4H2IH")
_END_MAGIC = b"PK\x05\x06"
_END64_MAGIC = b"PK\x06\x07"
_END64_BYTES = 20
_COMMENT_BYTES = 0xFFFF
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What damaged bzip2 or LZMA data raises cannot be told from a disk's errors."""


@contextmanager
def opened_member(path: Path, origin: str, member: str, limit_bytes: int) -> Iterator[IO[bytes]]:
    """One file of an archive as a stream.

    Args:
        path: the archive.
        origin: its address, for messages.
        member: base name of the file, in whatever folder.
        limit_bytes: all entries together may unpack to so much.

    Raises:
        ModelError: it is no ZIP archive that can be read, hostile, or does not hold exactly
            one such file.
    """
    try:
        _bound_directory(path, origin)
        with zipfile.ZipFile(path) as packed:
            entries = packed.infolist()
            check_entries(entries, origin, limit_bytes)
            fitting = [one for one in entries if one.filename.rpartition("/")[2] == member]
            if len(fitting) != 1:
                raise ModelError(f"{origin} holds {len(fitting)} files {member}, not one")
            with _stream(packed, fitting[0]) as stream:
                yield stream
    except (
        zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, struct.error,
        UnicodeDecodeError,
    ) as error:  # fmt: skip
        raise ModelError(f"{origin} is no archive that can be read ({error})") from error


def _stream(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> IO[bytes]:
    try:
        return packed.open(entry)
    except (OSError, ValueError) as error:  # it says that it begins before the file
        raise zipfile.BadZipFile("an entry lies outside the file") from error


def check_entries(entries: list[zipfile.ZipInfo], origin: str, limit_bytes: int) -> None:
    """Refuse a hostile archive by its directory.

    Raises:
        ModelError: says which entry and why.
    """
    if len(entries) > MAX_ENTRIES:
        raise ModelError(f"{origin} holds {len(entries)} entries; no pack has over {MAX_ENTRIES}")
    for entry in entries:
        wrong = _wrong_with(entry)
        if wrong:
            raise ModelError(f"{origin}: entry {_shown(entry)} {wrong}; nothing of it is used")
    whole = sum(entry.file_size for entry in entries)
    if whole > limit_bytes:
        raise ModelError(f"{origin} unpacks to {whole} bytes; at most {limit_bytes} are taken")


def _wrong_with(entry: zipfile.ZipInfo) -> str:
    name = entry.orig_filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    absolute = name.startswith(("/", "\\")) or name[1:2] == ":"
    if not entry.filename or absolute or "\\" in name or "\0" in name:
        return "is named as an absolute or foreign path, or not at all"
    if ".." in name.split("/"):
        return "leads out of its folder"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        return "is encrypted, or packed in a way that no pack of models is"
    packed = max(entry.compress_size, 1)
    if entry.file_size > RATIO_FREE_BYTES and entry.file_size > MAX_RATIO * packed:
        return f"unpacks to {entry.file_size // packed} times its size"
    return ""


def _shown(entry: zipfile.ZipInfo) -> str:
    """A name of an archive, fit for a terminal."""
    return ascii(entry.orig_filename[:60])


def _bound_directory(path: Path, origin: str) -> None:
    """Refuse an archive whose directory would be large, before it is read into memory."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _COMMENT_BYTES - _END.size - _END64_BYTES)
        file.seek(start)
        tail = file.read()
    at = tail.rfind(_END_MAGIC)
    if at < 0 or at + _END.size > len(tail):
        raise ModelError(f"{origin} is no archive that can be read (it has no directory)")
    directory_bytes = _END.unpack_from(tail, at)[5]
    before = tail[max(0, at - _END64_BYTES) : at]
    if before.startswith(_END64_MAGIC) or directory_bytes > MAX_DIRECTORY_BYTES:
        raise ModelError(f"{origin} has a directory of over {MAX_DIRECTORY_BYTES} bytes")
