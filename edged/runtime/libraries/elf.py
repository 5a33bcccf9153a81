"""Reads shared libraries as files: what they need, and which GPUs they hold code for.

Nothing is loaded, so a library for a driver that is not here can be asked, too.  Layouts:
ELF-64 little-endian (System V gABI); CUDA's fat binary, which NVIDIA does not document:
a 16-byte head (magic, version, head size, body size) and entries of (kind, version, head
size, body size, ..., architecture at byte 28), as seen in libraries of CUDA 12 and 13.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SECTION = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC, _STRTAB = 6, 3
"""Section types SHT_DYNAMIC and SHT_STRTAB."""
_DT_NULL, _DT_NEEDED = 0, 1
_FATBIN_MAGIC = struct.pack("<I", 0xBA55ED50)
_FATBIN_SECTIONS = (b".nv_fatbin", b"__nv_relfatbin")
_PTX, _CUBIN = 1, 2
_MAX_ENTRIES = 1 << 20


@dataclass(frozen=True)
class GpuCode:
    """Which GPUs a library holds code for, compute capabilities as integers (8.7 is 87).

    Attributes:
        cubins: machine code; it runs on its own major version from its minor version on.
        ptx: intermediate code; a driver compiles it for its own version and later ones.
    """

    cubins: frozenset[int] = frozenset()
    ptx: frozenset[int] = frozenset()

    def runs_on(self, sm: int) -> bool:
        """Whether a GPU of this compute capability can run it."""
        machine = any(sm // 10 == one // 10 and sm >= one for one in self.cubins)
        return machine or any(sm >= one for one in self.ptx)

    def __str__(self) -> str:
        known = [f"sm_{one}" for one in sorted(self.cubins)]
        return ", ".join(known + [f"compute_{one}" for one in sorted(self.ptx)]) or "none"


def needed(path: Path) -> tuple[str, ...]:
    """Sonames that the dynamic loader will ask for, in the file's order.

    Raises:
        ValueError: no ELF-64 library.
    """
    with _Elf(path) as elf:
        return elf.needed()


def gpu_code(path: Path) -> GpuCode:
    """Which GPUs the library's kernels were compiled for; nothing when it has none.

    Raises:
        ValueError: no ELF-64 library.
    """
    found: dict[int, set[int]] = {_PTX: set(), _CUBIN: set()}
    with _Elf(path) as elf:
        for kind, sm in elf.fat_entries():
            found.setdefault(kind, set()).add(sm)
    return GpuCode(frozenset(found[_CUBIN]), frozenset(found[_PTX]))


class _Elf:
    """A mapped file and its sections."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Elf:  # noqa: PYI034 - Self needs 3.11
        with self._path.open("rb") as file:
            if file.read(6) != b"\x7fELF\x02\x01":
                raise ValueError(f"{self._path.name} is no 64-bit shared library")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._read_sections()
        except (struct.error, IndexError) as error:
            self._map.close()
            raise ValueError(f"{self._path.name} is a damaged shared library") from error
        return self

    def _read_sections(self) -> None:
        (at,) = struct.unpack_from("<Q", self._map, 0x28)
        size, count, names = struct.unpack_from("<HHH", self._map, 0x3A)
        self._sections = [_SECTION.unpack_from(self._map, at + i * size) for i in range(count)]
        self._names = self._sections[names][4] if count else 0

    def __exit__(self, *_: object) -> None:
        self._map.close()

    def _text(self, at: int) -> bytes:
        return bytes(self._map[at : self._map.find(b"\0", at)])

    def needed(self) -> tuple[str, ...]:
        for section in self._sections:
            if section[1] != _DYNAMIC:
                continue
            texts = self._sections[section[6]]
            if texts[1] != _STRTAB:
                raise ValueError(f"{self._path.name} has no string table")
            found = []
            for at in range(section[4], section[4] + section[5], 16):
                tag, value = struct.unpack_from("<qQ", self._map, at)
                if tag == _DT_NULL:
                    break
                if tag == _DT_NEEDED:
                    found.append(self._text(texts[4] + value).decode("ascii", "replace"))
            return tuple(found)
        return ()

    def fat_entries(self) -> Iterator[tuple[int, int]]:
        """(kind, compute capability) of every piece of GPU code."""
        for section in self._sections:
            if self._text(self._names + section[0]) in _FATBIN_SECTIONS:
                yield from self._fat_entries(section[4], section[4] + section[5])

    def _fat_entries(self, at: int, end: int) -> Iterator[tuple[int, int]]:
        seen = 0
        while at + 16 <= end and seen < _MAX_ENTRIES:
            at = self._map.find(_FATBIN_MAGIC, at, end)  # there is padding between two of them
            if at < 0 or at + 16 > end:
                return
            _version, head, body = struct.unpack_from("<HHQ", self._map, at + 4)
            inner, at = at + head, at + max(16, head + body)
            while inner + 32 <= min(at, end):
                kind, _version, head, body = struct.unpack_from("<HHIQ", self._map, inner)
                yield kind, struct.unpack_from("<I", self._map, inner + 28)[0]
                seen += 1
                if head + body == 0:
                    return
                inner += head + body
