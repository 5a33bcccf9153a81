"""Walks a PNG's chunks: size, orientation, and a clean copy for the decoder.

The decoder gets header, palette and picture data only: no colour profiles, texts (both
compressed, so possible bombs), animation or transparency.  Every colour type and bit
depth of the standard is taken (16 bit and alpha are dropped by the decoder).

Knows no pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from edged.transport.coded import CodedPicture, check_size, exif_orientation, refuse
from edged.transport.limits import FrameLimits

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bit depths that each colour type allows (PNG specification, table 11.1)."""
_KEPT = (b"PLTE", b"IDAT", b"IEND")
_FRAME_BYTES = 12
"""Length, type and checksum around a chunk's data."""
_MAX_EXIF_BYTES = 64 * 1024


def read_png(data: memoryview, limits: FrameLimits, *, head_only: bool = False) -> CodedPicture:
    """Walk a PNG.

    Args:
        data: the file, beginning with the signature.
        limits: bounds of size and chunks.
        head_only: stop after the header chunk; the result then has a size and no file.

    Raises:
        FrameError: damaged, cut off, too large, or not of the standard.
    """
    if data[:8] != SIGNATURE:
        raise refuse("PNG without its signature")
    kind, end = _chunk(data, 8)
    if kind != b"IHDR" or end != 8 + _FRAME_BYTES + 13:
        raise refuse("PNG without a header")
    size = _header(data[16:29])
    check_size(*size, limits)
    if head_only:
        return CodedPicture("png", *size)
    walk = _Walk(data, [data[:end]])
    at = end
    for _ in range(limits.max_chunks):
        kind, end = _chunk(data, at)
        walk.chunk(kind, at, end)
        if kind == b"IEND":
            return CodedPicture("png", *size, walk.orientation, 1, b"".join(walk.kept))
        at = end
    raise refuse(f"PNG with more than {limits.max_chunks} chunks")


@dataclass(repr=False)
class _Walk:
    """What the chunks so far have said, and which of them the decoder gets."""

    data: memoryview
    kept: list[memoryview]
    orientation: int = 1
    pictures: int = 0
    last: bytes = b"IHDR"

    def chunk(self, kind: bytes, at: int, end: int) -> None:
        """Take one chunk in."""
        size = end - at - _FRAME_BYTES
        if kind == b"IDAT":
            if self.pictures and self.last != b"IDAT":
                raise refuse("PNG with picture data in two places")
            self.pictures += 1
        elif kind == b"PLTE":
            if self.pictures or size > 3 * 256 or size % 3:
                raise refuse("PNG with an impossible palette")
        elif kind == b"IEND":
            if not self.pictures:
                raise refuse("PNG without picture data")
        elif kind == b"eXIf" and size <= _MAX_EXIF_BYTES:
            self.orientation = exif_orientation(bytes(self.data[at + 8 : end - 4]))
        elif not kind[0] & 0x20:  # an upper-case letter: a decoder must know the chunk
            raise refuse("PNG with an unknown critical chunk")
        if kind in _KEPT:
            self.kept.append(self.data[at:end])
        self.last = kind


def _chunk(data: memoryview, at: int) -> tuple[bytes, int]:
    """Type of the chunk at `at`, and where it ends."""
    length = int.from_bytes(data[at : at + 4], "big")
    kind = bytes(data[at + 4 : at + 8])
    end = at + _FRAME_BYTES + length
    if len(kind) < 4 or end > len(data):
        raise refuse("PNG cut off")
    return kind, end


def _header(body: memoryview) -> tuple[int, int]:
    """(width, height) px from the header chunk's data."""
    width = int.from_bytes(body[0:4], "big")
    height = int.from_bytes(body[4:8], "big")
    depth, colour, compression, filtering, interlace = body[8:13]
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise refuse("PNG with an impossible header")
    if not width or not height:
        raise refuse("PNG without a size")
    return width, height
