"""Walks a JPEG's markers: size, scans, orientation, and a clean copy for the decoder.

The decoder behind (libjpeg-turbo in OpenCV) allocates by what the frame header says and
works once for each scan, so both are read and bounded here first.  It never sees EXIF,
colour profiles, comments or a second picture behind the first.  Taken: baseline, extended
and progressive Huffman, 8 bit, grey or three components (ITU T.81).  Refused with a
reason: CMYK, 12 bit, lossless, hierarchical, arithmetic, undefined height.

Knows no pixels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edged.transport.coded import CodedPicture, check_size, exif_orientation, refuse
from edged.transport.limits import FrameLimits

SOI = b"\xff\xd8"
_EOI, _SOS, _APP0, _APP1, _APP14, _COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended sequential, progressive: all Huffman coded."""
_OTHER_FRAMES = frozenset(range(0xC3, 0xD0)) - {0xC4, 0xCC}
_KEPT = _FRAMES | {_SOS, 0xC4, 0xDB, 0xDD, _APP0, _APP14}
"""With Huffman and quantisation tables, the restart interval, and how colours are coded."""
_SKIPPED = (frozenset(range(_APP0, _APP0 + 16)) | {_COM}) - _KEPT
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""Ends entropy-coded data: neither a stuffed zero, a restart marker nor a fill byte."""
_WINDOW = 1 << 20
"""Bytes searched at a time, so that other threads run between."""
_MAX_FILL = 16


def read_jpeg(data: memoryview, limits: FrameLimits, *, head_only: bool = False) -> CodedPicture:
    """Walk a JPEG.

    Args:
        data: the file, beginning with SOI.
        limits: bounds of size, segments and scans.
        head_only: stop at the frame header; the result then has a size and no file.

    Raises:
        FrameError: damaged, cut off, too large, or of a kind that is not taken.
    """
    if data[:2] != SOI:
        raise refuse("JPEG without a start")
    walk = _Walk(data, limits)
    at = 2
    for _ in range(limits.max_segments):
        marker, body = _marker(data, at)
        if marker == _EOI:
            return walk.finish()
        at = walk.segment(marker, at, body)
        if head_only and walk.size is not None:
            return CodedPicture("jpeg", *walk.size)
    raise refuse(f"JPEG with more than {limits.max_segments} segments")


@dataclass(repr=False)
class _Walk:
    """What the segments so far have said, and which of them the decoder gets."""

    data: memoryview
    limits: FrameLimits
    size: tuple[int, int] | None = None
    orientation: int = 1
    scans: int = 0
    kept: list[memoryview | bytes] = field(default_factory=lambda: [SOI])

    def segment(self, marker: int, at: int, body: int) -> int:
        """Take one segment in; returns where the next one begins."""
        end = _segment_end(self.data, body)
        if marker in _FRAMES:
            self._frame(body, end)
        elif marker == _SOS:
            end = self._scan(end)
        elif marker == _APP1:
            self._exif(body, end)
        elif marker in _OTHER_FRAMES:
            raise refuse("JPEG that is lossless, hierarchical or arithmetic coded")
        elif marker not in _KEPT and marker not in _SKIPPED:
            raise refuse("JPEG with a marker that has no place there")
        if marker in _KEPT:
            self.kept.append(self.data[at:end])
        return end

    def finish(self) -> CodedPicture:
        """The picture, at its end marker."""
        if not self.scans or self.size is None:
            raise refuse("JPEG without a scan")
        self.kept.append(b"\xff\xd9")
        return CodedPicture("jpeg", *self.size, self.orientation, self.scans, b"".join(self.kept))

    def _frame(self, body: int, end: int) -> None:
        if self.size is not None:
            raise refuse("JPEG with two frame headers")
        self.size = _frame_size(self.data[body:end])
        check_size(*self.size, self.limits)

    def _scan(self, end: int) -> int:
        if self.size is None:
            raise refuse("JPEG scan before its frame header")
        self.scans += 1
        cost = self.scans * self.size[0] * self.size[1]
        if self.scans > self.limits.max_jpeg_scans or cost > self.limits.max_scan_pixels:
            raise refuse(f"JPEG with {self.scans} scans or more")
        return _scan_end(self.data, end)

    def _exif(self, body: int, end: int) -> None:
        if bytes(self.data[body + 2 : body + 8]) == b"Exif\0\0":
            self.orientation = exif_orientation(bytes(self.data[body + 8 : end]))


def _marker(data: memoryview, at: int) -> tuple[int, int]:
    """The marker at `at`, and where its body begins."""
    for here in range(at + 1, min(at + 1 + _MAX_FILL, len(data))):
        if data[here - 1] != 0xFF:
            break
        if data[here] != 0xFF:
            return data[here], here + 1
    raise refuse("JPEG cut off, or not at a marker")


def _segment_end(data: memoryview, body: int) -> int:
    length = int.from_bytes(data[body : body + 2], "big")
    if length < 2 or body + length > len(data):
        raise refuse("JPEG segment that ends outside the file")
    return body + length


def _frame_size(body: memoryview) -> tuple[int, int]:
    """(width, height) px from a frame header."""
    if len(body) < 8:
        raise refuse("JPEG frame header too short")
    components = body[7]
    if len(body) != 8 + 3 * components:
        raise refuse("JPEG frame header of the wrong length")
    if body[2] != 8:
        raise refuse("JPEG that is not 8 bit")
    if components not in (1, 3):
        raise refuse("JPEG that is neither grey nor three colours")
    for sampling in body[9::3]:
        if not (1 <= sampling >> 4 <= 4 and 1 <= sampling & 15 <= 4):
            raise refuse("JPEG with impossible sampling")
    height = int.from_bytes(body[3:5], "big")
    width = int.from_bytes(body[5:7], "big")
    if not height or not width:
        raise refuse("JPEG without a size")
    return width, height


def _scan_end(data: memoryview, at: int) -> int:
    """Where the entropy-coded data that begins at `at` ends."""
    while at < len(data):
        found = _NEXT_MARKER.search(data, at, at + _WINDOW)
        if found is not None:
            return found.start()
        at += _WINDOW - 1  # a marker may lie across the border
    raise refuse("JPEG cut off")
