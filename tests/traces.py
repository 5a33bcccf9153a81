"""Looks for what is left of a visitor in files: the one search of all privacy tests.

A *needle* is a run of bytes that could only come from one thing (a photo, a picture that
was published, an id, a consent reference, an embedding), a *kind* what it came from.  The
search reads every file below some folders, and what the outbox's own keys open in them.
Knows the outbox's files and no running process.
"""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import shutil
import sqlite3
import stat
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from shots import windows

from edged.transport.outbox import Outbox
from edged.transport.vault import Vault

HEAD_BYTES = 8
"""Of a needle, which the search looks up; no needle is shorter."""
CHUNK_BYTES = 1 << 24
FILES = ("outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.keys")


# -- needles ------------------------------------------------------------------------------


def scan(jpeg: bytes) -> bytes:
    """The entropy-coded data of a JPEG, without headers that other pictures share."""
    return jpeg[jpeg.index(b"\xff\xda") + 14 :]


def of_photo(jpeg: bytes) -> dict[str, list[bytes]]:
    """What a visitor's photo could leave: blocks of its file, rows of its pixels."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    turned = np.ascontiguousarray(image[:, :, ::-1])
    return {
        "photo's JPEG blocks": windows(scan(jpeg)),
        "photo's rows, BGR": windows(image.tobytes(), 100),
        "photo's rows, RGB": windows(turned.tobytes(), 100),
        "photo's digest": [hashlib.sha256(jpeg).digest()],
    }


def of_vectors(vectors: list[np.ndarray]) -> dict[str, list[bytes]]:
    """What embeddings could leave: (d,) float32 each, in every form that a file might hold."""
    forms = {"float32": "<f4", "float16": "<f2", "float32, big-endian": ">f4"}
    return {
        f"embedding, {name}": [
            piece for row in vectors for piece in windows(row.astype(form).tobytes(), 12)
        ]
        for name, form in forms.items()
    }


def of_picture(jpeg: bytes, others: Iterable[bytes] = ()) -> dict[str, list[bytes]]:
    """What a published picture could leave, and no other one (portraits share a template)."""
    digest = hashlib.sha256(jpeg)
    pieces = [p for p in windows(scan(jpeg), 300) if not any(p in other for other in others)]
    return {
        "published JPEG": pieces,
        "published digest": [digest.digest(), digest.hexdigest().encode()],
    }


def of_id(text: str) -> dict[str, list[bytes]]:
    """A shot's or result's id as text and as 16 bytes, and plain hashes of it."""
    found = uuid.UUID(text)
    return {
        "id as text": [text.encode(), text.upper().encode(), found.hex.encode()],
        "id as bytes": [found.bytes, found.bytes_le],
        "id hashed": _hashes(text),
    }


def of_consent(text: str, keys: Path) -> dict[str, list[bytes]]:
    """A consent reference, plain hashes of it, and the keyed digest that the outbox keeps."""
    vault = Vault(keys)
    try:
        keyed = vault.mac(b"consent", text.encode())
    finally:
        os.close(vault._fd)  # close() would destroy keys that the engine has made ready
    return {
        "consent as text": [text.encode()],
        "consent hashed": _hashes(text),
        "consent's keyed digest": [keyed],
    }


def _hashes(text: str) -> list[bytes]:
    return [
        form
        for name in ("sha256", "sha1", "md5")
        for code in [hashlib.new(name, text.encode())]
        for form in (code.digest(), code.hexdigest().encode())
    ]


def together(*parts: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    """Needles of several things, by kind."""
    kinds: dict[str, list[bytes]] = {}
    for part in parts:
        for kind, needles in part.items():
            kinds.setdefault(kind, []).extend(needles)
    return kinds


# -- the search ---------------------------------------------------------------------------


class Search:
    """Finds many needles in one pass over the data.

    Args:
        kinds: needles by what they came from, each of 8 bytes or more.
    """

    def __init__(self, kinds: dict[str, list[bytes]]) -> None:
        self._by_head: dict[bytes, list[tuple[str, bytes]]] = {}
        self._longest = 0
        for kind, needles in kinds.items():
            assert needles, f"nothing to look for: {kind}"
            for needle in needles:
                assert len(needle) >= HEAD_BYTES, (kind, needle)
                self._by_head.setdefault(needle[:HEAD_BYTES], []).append((kind, needle))
                self._longest = max(self._longest, len(needle))
        self._heads = np.array(sorted(int.from_bytes(h, "little") for h in self._by_head), "<u8")
        self._marks = np.zeros((3, 1 << 16), bool)
        for number in range(3):
            self._marks[number, self._heads >> np.uint64(16 * number) & np.uint64(0xFFFF)] = True

    def __call__(self, data: bytes | mmap.mmap) -> dict[str, set[bytes]]:
        """Needles in some data, by kind; kinds that are not there are left out."""
        found: dict[str, set[bytes]] = {}
        for start in range(0, len(data), CHUNK_BYTES):
            chunk = data[start : start + CHUNK_BYTES + self._longest]
            for place in self._likely(np.frombuffer(chunk, np.uint8)):
                for kind, needle in self._by_head[chunk[place : place + HEAD_BYTES]]:
                    if chunk.startswith(needle, place):
                        found.setdefault(kind, set()).add(needle)
        return found

    def _likely(self, data: np.ndarray) -> list[int]:
        """Places where the head of a needle stands."""
        if len(data) < HEAD_BYTES:
            return []
        pairs = data[:-1].astype(np.uint16) | data[1:].astype(np.uint16) << 8
        places = np.flatnonzero(self._marks[0][pairs[: -HEAD_BYTES + 2]])
        for number in (1, 2):  # each leaves a few in a hundred, the exact look is for those
            places = places[self._marks[number][pairs[places + 2 * number]]]
        here = np.zeros(len(places), np.uint64)
        for number in range(4):
            here |= pairs[places + 2 * number].astype(np.uint64) << np.uint64(16 * number)
        at = np.searchsorted(self._heads, here).clip(max=len(self._heads) - 1)
        return [int(place) for place in places[self._heads[at] == here]]

    def in_files(self, *folders: Path) -> dict[str, dict[str, int]]:
        """File -> kind -> number of needles in it, of every file of or below these.

        A file's name is data too; sockets and the like hold none.
        """
        report = {}
        for path in sorted({p for top in folders for p in (top, *top.rglob("*"))}):
            found = dict(self(os.fsencode(path.name)))
            with contextlib.suppress(FileNotFoundError):  # gone meanwhile: another program's
                if stat.S_ISREG(path.lstat().st_mode):
                    found |= self._in_file(path)
            if found:
                report[path.name] = {kind: len(needles) for kind, needles in found.items()}
        return report

    def _in_file(self, path: Path) -> dict[str, set[bytes]]:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:  # none to be mapped
                return {}
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
                return self(data)

    def in_outbox(self, folder: Path) -> dict[str, dict[str, int]]:
        """The same of what the outbox's keys open: documents, pictures, remembered verdicts."""
        report: dict[str, dict[str, int]] = {}
        for name, data in opened(folder):
            for kind, needles in self(data).items():
                at = report.setdefault(name, {})
                at[kind] = at.get(kind, 0) + len(needles)
        return report


def opened(folder: Path) -> list[tuple[str, bytes]]:
    """What a thief of an outbox folder can read, keys and all: (what it is, bytes)."""
    with tempfile.TemporaryDirectory() as other:  # SQLite writes to what it reads
        for name in FILES:
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(folder / name, Path(other) / name)
        box = Outbox.open(Path(other))
        box.requeue_all()
        rows = [box.load(number) for number in box.pending(100_000)]
        box.close()
        with contextlib.closing(sqlite3.connect(f"{other}/outbox.db")) as conn:
            verdicts = [found[0] for found in conn.execute("SELECT verdict FROM shots")]
    parts = [("opened documents", row.doc_json) for row in rows if row is not None]
    parts += [("opened pictures", row.jpeg) for row in rows if row is not None and row.jpeg]
    return parts + [("opened verdicts", bytes(verdict)) for verdict in verdicts]


def kinds_in(report: dict[str, dict[str, int]]) -> set[str]:
    """What was found anywhere."""
    return {kind for found in report.values() for kind in found}


def sealed(folder: Path) -> list[bytes]:
    """Ciphertexts of all rows in the files of a folder, as they lie on the disk."""
    with tempfile.TemporaryDirectory() as other:
        for name in FILES[:3]:
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(folder / name, Path(other) / name)
        with contextlib.closing(sqlite3.connect(f"{other}/outbox.db")) as conn:
            found = conn.execute("SELECT doc, picture FROM bodies").fetchall()
    return [part for row in found for part in row]


def pieces_of_sealed(folder: Path) -> list[bytes]:
    """Needles of all ciphertexts in an outbox folder."""
    return [piece for part in sealed(folder) for piece in windows(part, 40)]
