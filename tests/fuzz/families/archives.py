"""ZIP archives of models: entries, directory and end record, each field by itself."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from random import Random

from fuzz import scratch
from fuzz.harness import Family, Parser
from fuzz.mutate import CANARY, INTEGERS, change_bytes

from edged.errors import ModelError
from edged.store import archive
from edged.store.archive import opened_member

_LIMIT_BYTES = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_NAMES = (
    "m.onnx", "pack/m.onnx", "m.onnx/", "../m.onnx", "/m.onnx", "C:m.onnx", "a\\m.onnx",
    "a/../m.onnx",
    "é/m.onnx", "m.onnx\0.txt", "other.txt", CANARY, "",
)  # fmt: skip
_DIRECTORY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
_SHORTS = (0, 1, 2, 8, 12, 14, 20, 45, 63, 99, 255, 0x800, 0x801, 0x7FFF, 0xFFFF)
_LONGS = tuple(value for value in INTEGERS if 0 <= value < 2**32)


class Archives(Family):
    """An archive as it came from the network, read to the end as the store does."""

    name = "archives"
    refusals = (ModelError,)
    silent = False
    """The name of an entry may be shown, made fit for a terminal."""

    def parsers(self) -> tuple[Parser, ...]:
        return (Parser(archive),)

    def __init__(self) -> None:
        self._folder = scratch.folder()
        self._path = self._folder / "pack.zip"
        self._archives = [self._sound(method, names) for method in _METHODS for names in (
            ("m.onnx",), ("pack/m.onnx", "other.txt"), ("a/", "a/m.onnx", "b.onnx"),
            ("m.onnx", "pack/m.onnx"),
        )]  # fmt: skip
        self._archives += [
            self._sound(zipfile.ZIP_DEFLATED, ("m.onnx",), size_bytes=600_000),
            self._sound(zipfile.ZIP_STORED, tuple(f"{n}.txt" for n in range(300))),
        ]

    def close(self) -> None:
        scratch.drop(self._folder)

    @staticmethod
    def _sound(method: int, names: tuple[str, ...], size_bytes: int = 700) -> bytes:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", method) as packed:
            for name in names:
                body = b"" if name.endswith("/") else (name.encode() * size_bytes)[:size_bytes]
                packed.writestr(name, body)
            packed.comment = b"x" * (len(names) % 3)
        return made.getvalue()

    def make(self, rng: Random) -> bytes:
        """An archive."""
        data = bytearray(rng.choice(self._archives))
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            how = rng.random()
            if how < 0.45:
                self._field(rng, data, b"PK\x01\x02", _DIRECTORY)
            elif how < 0.65:
                self._field(rng, data, b"PK\x03\x04", _LOCAL)
            elif how < 0.8:
                self._field(rng, data, b"PK\x05\x06", _END)
            elif how < 0.87:
                self._rename(rng, data)
            elif how < 0.89:
                at = max(data.rfind(b"PK\x05\x06"), 0)
                data[at:at] = b"PK\x06\x07" + rng.randbytes(16)
            else:
                data = bytearray(change_bytes(rng, bytes(data), bytes(data)))
        return bytes(data)

    def feed(self, item: bytes) -> bool:
        self._path.write_bytes(item)
        read = 0
        with (
            warnings.catch_warnings(),
            opened_member(self._path, "https://x.test/pack.zip", "m.onnx", _LIMIT_BYTES) as stream,
        ):
            warnings.simplefilter("ignore")
            while chunk := stream.read(1 << 16):
                read += len(chunk)
                assert read <= _LIMIT_BYTES, "more than the directory said"
        return True

    @staticmethod
    def _field(rng: Random, data: bytearray, magic: bytes, form: struct.Struct) -> None:
        """Change one field of one record of a kind."""
        places = []
        at = data.find(magic)
        while at >= 0 and at + form.size <= len(data) and len(places) < 8:
            places.append(at)
            at = data.find(magic, at + 4)
        if not places:
            return
        at = rng.choice(places)
        values = list(form.unpack_from(data, at))
        which = rng.randrange(1, len(values))
        wide = form.format.replace("<4s", "")
        kinds = "".join(kind * int(count or 1) for count, kind in _runs(wide))
        old = values[which]
        if kinds[which - 1] == "H":
            values[which] = rng.choice((*_SHORTS, (old + 1) & 0xFFFF, (old - 1) & 0xFFFF))
        else:
            values[which] = rng.choice((*_LONGS, (old + 1) & 0xFFFFFFFF, (old - 1) & 0xFFFFFFFF,
                                        0xA1FF0000, 0x81A40000))  # fmt: skip
        form.pack_into(data, at, *values)

    @staticmethod
    def _rename(rng: Random, data: bytearray) -> None:
        """Another name of the same length, where the directory tells it."""
        at = data.find(b"PK\x01\x02")
        if at < 0 or at + 46 > len(data):
            return
        size = int.from_bytes(data[at + 28 : at + 30], "little")
        name = rng.choice(_NAMES).encode()[:size].ljust(size, b"x")
        data[at + 46 : at + 46 + size] = name


def _runs(form: str) -> list[tuple[str, str]]:
    """(count, kind) of a struct's form."""
    found, count = [], ""
    for letter in form:
        if letter.isdigit():
            count += letter
        else:
            found.append((count, letter))
            count = ""
    return found
