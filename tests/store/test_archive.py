"""Hostile archives: refused by their directory, before a byte of them is unpacked."""

from __future__ import annotations

import io
import stat
import struct
import zipfile

import pytest

from edged.errors import ModelError
from edged.store.archive import opened_member

LIMIT = 1 << 30


def archive(*entries, mode=zipfile.ZIP_DEFLATED):
    """Bytes of an archive of (name or ZipInfo, data)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", mode) as out:
        for name, data in entries:
            out.writestr(name, data)
    return buffer.getvalue()


def link(name):
    """An entry that unpacks to a symbolic link elsewhere."""
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def foreign(name):
    """An entry of just this name: Python itself would make backslashes harmless."""
    info = zipfile.ZipInfo("x" * len(name))
    return archive((info, b"x"), ("a.onnx", b"a")).replace(b"x" * len(name), name.encode())


def encrypted():
    """The flag that says so, in the directory."""
    data = bytearray(archive(("a.onnx", b"a")))
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    return bytes(data)


def large_directory():
    """A directory that claims a gigabyte."""
    data = bytearray(archive(("a.onnx", b"a")))
    data[-10:-6] = struct.pack("<I", 1 << 30)
    return bytes(data)


def zip64():
    """A locator of a 64-bit directory, which would take the bounded one's place."""
    data = archive(("a.onnx", b"a"))
    return data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:]


GOOD = ("a.onnx", b"weights")


def nameless():
    """An entry whose name is its comment, in the directory."""
    data = bytearray(archive(("x", b"x"), GOOD))
    at = data.find(b"PK\x01\x02")
    data[at + 28 : at + 34] = struct.pack("<HHH", 0, 0, 1)
    return bytes(data)


HOSTILE = {
    "traversal": (archive(("../../etc/x", b"x"), GOOD), "leads out of its folder"),
    "traversal inside": (archive(("p/../../x", b"x"), GOOD), "leads out of its folder"),
    "absolute": (archive(("/etc/x", b"x"), GOOD), "absolute or foreign"),
    "drive": (foreign("C:evil"), "absolute or foreign"),
    "backslash": (foreign("..\\..\\evil"), "absolute or foreign"),
    "nameless": (nameless(), "or not at all"),
    "link": (archive((link("l"), b"/etc/passwd"), GOOD), "is a link or a device"),
    "bomb": (archive(("b", bytes(64 << 20)), GOOD), "times its size"),
    "large": (
        archive(*((f"{i}", bytes(15 << 20)) for i in range(80)), GOOD), "at most 1073741824",
    ),
    "many": (archive(*((f"{i}", b"") for i in range(257)), GOOD), "holds 258 entries"),
    "encrypted": (encrypted(), "is encrypted"),
    "directory": (large_directory(), "has a directory of over"),
    "zip64": (zip64(), "has a directory of over"),
    "empty": (b"", "no archive that can be read"),
    "cut": (archive(GOOD)[:-5], "no archive that can be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_whole(name, tmp_path):
    """Whatever is wrong with one entry, the good one beside it is not taken either."""
    data, reason = HOSTILE[name]
    path = tmp_path / "pack.zip"
    path.write_bytes(data)
    with (
        pytest.raises(ModelError, match=reason),
        opened_member(path, "http://there/pack.zip", "a.onnx", LIMIT) as stream,
    ):
        stream.read()
    assert [p.name for p in tmp_path.iterdir()] == ["pack.zip"]


def test_a_name_is_shown_without_its_control_characters(tmp_path):
    """What an archive calls its files cannot move a terminal's cursor."""
    path = tmp_path / "pack.zip"
    path.write_bytes(archive(("../\x1b[2Jx", b"x"), GOOD))
    with (
        pytest.raises(ModelError) as caught,
        opened_member(path, "there", "a.onnx", LIMIT),
    ):
        pass
    assert "\x1b" not in str(caught.value)


def test_a_flipped_byte_is_found(tmp_path):
    """The archive's own checksum is held, even where nobody pinned a hash."""
    data = bytearray(archive(("p/a.onnx", b"weights" * 50), mode=zipfile.ZIP_STORED))
    data[60] ^= 1
    path = tmp_path / "pack.zip"
    path.write_bytes(bytes(data))
    with (
        pytest.raises(ModelError, match="no archive that can be read"),
        opened_member(path, "there", "a.onnx", LIMIT) as stream,
    ):
        stream.read()


def test_a_member_is_found_in_whatever_folder(tmp_path):
    """antelopev2.zip keeps its files in a folder of its own name."""
    path = tmp_path / "pack.zip"
    path.write_bytes(archive(("antelopev2/a.onnx", b"weights"), ("antelopev2/", b"")))
    with opened_member(path, "there", "a.onnx", LIMIT) as stream:
        assert stream.read() == b"weights"


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_only_the_packings_of_packs_are_taken(tmp_path, method):
    """What damaged bzip2 and LZMA data raises cannot be told from a disk's errors."""
    path = tmp_path / "pack.zip"
    path.write_bytes(archive(("p/a.onnx", b"weights" * 50), mode=method))
    with (
        pytest.raises(ModelError, match="packed in a way that no pack of models is"),
        opened_member(path, "there", "a.onnx", LIMIT),
    ):
        pass


def test_an_entry_outside_the_file_is_found(tmp_path):
    """An end record that counts more than there is moves entries to before the file."""
    data = bytearray(archive(("p/a.onnx", b"weights" * 50)))
    at = data.rfind(b"PK\x05\x06")
    start = int.from_bytes(data[at + 16 : at + 20], "little")
    data[at + 16 : at + 20] = struct.pack("<I", start + 9)
    path = tmp_path / "pack.zip"
    path.write_bytes(bytes(data))
    with (
        pytest.raises(ModelError, match="lies outside the file"),
        opened_member(path, "there", "a.onnx", LIMIT),
    ):
        pass
