"""Coded and raw pictures: JPEG by markers, PNG by chunks, then the real decoder."""

from __future__ import annotations

import struct
import zlib
from random import Random
from typing import Any

import cv2
import frames_kit
import numpy as np
from fuzz.harness import Family, Parser
from fuzz.mutate import CANARY_BYTES, INTEGERS, change_bytes

from edged.errors import FrameError
from edged.transport import coded, images, jpeg, png
from edged.transport.header import FrameHeader
from edged.transport.images import admit, decode, probe
from edged.transport.limits import FrameLimits
from edged.verdicts import Reason

Segments = list[tuple[int, bytes, bytes]]
"""Of a JPEG: marker, body behind the length, entropy-coded data behind the segment."""
Chunks = list[tuple[bytes, bytes]]
_SIDES = (1, 2, 8, 15, 16, 17, 40, 64, 128, 129, 255, 4096, 16_384, 16_385, 65_535, 0)
_MARKERS = (*range(0xC0, 0x100), 0x01, 0x00, 0xFF)
_SMALL = FrameLimits(max_pixels=128 * 128, max_side_px=160, max_segments=40, max_chunks=30,
                     max_jpeg_scans=12, max_scan_pixels=12 * 128 * 64)  # fmt: skip
_REAL = FrameLimits()


class Images(Family):
    """A payload against its header: what is refused before decoding, and what decodes."""

    name = "images"
    refusals = (FrameError,)
    peak_bytes = 600 << 20
    """A picture of 16 million px may be decoded twice at a time, with its coefficients."""

    def parsers(self) -> tuple[Parser, ...]:
        return Parser(images), Parser(jpeg), Parser(png), Parser(coded)

    def __init__(self) -> None:
        colour = frames_kit.picture(32, 48)
        grey, tiny = colour[:, :, 0], frames_kit.picture(16, 16)
        q = (cv2.IMWRITE_JPEG_QUALITY, 40)
        self._jpegs = [
            segments(frames_kit.jpeg(picture, *q, *flags))
            for picture in (colour, grey, tiny)
            for flags in (
                (), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
                (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
            )
        ]  # fmt: skip
        alpha = np.dstack([tiny, grey[:16, :16]])
        wide = (tiny.astype(np.uint16) << 8) | 1
        self._pngs = [chunks(frames_kit.png(one)) for one in (colour, grey, tiny, alpha, wide)]
        self._pngs.append(_palette())

    def make(self, rng: Random) -> Any:
        """(header, payload, limits)."""
        kind = rng.random()
        shape = rng.choice((None,) * 9 + ((32, 48), (32, 48, 3), (48, 32), (16, 16, 3), (9, 9)))
        if kind < 0.55:
            payload, encoding = self._jpeg(rng), rng.choice(("jpeg", "jpeg", "coded", "png"))
        elif kind < 0.9:
            payload, encoding = self._png(rng), rng.choice(("png", "png", "coded", "jpeg"))
        elif kind < 0.92:
            payload, encoding = rng.choice((b"", b"\xff", CANARY_BYTES, rng.randbytes(40))), "coded"
        else:
            sides = rng.choices((*_SIDES[:9], 0, 65_535), k=2)
            shape = rng.choice((tuple(sides), (*sides, rng.choice((1, 3, 3, 4, 0))), None))
            count = min(int(np.prod(shape or (9,))) + rng.choice((0,) * 5 + (1, -1)), 60_000)
            payload, encoding = bytes(max(0, count)), rng.choice(("bgr8", "rgb8"))
        header = FrameHeader(None, "booth", "poster", 1, encoding, shape)
        return header, payload, _REAL if rng.random() < 0.002 else _SMALL

    def feed(self, item: Any) -> bool:
        header, payload, limits = item
        try:
            admit(header, payload, limits)
        except FrameError as error:
            assert error.reason in (Reason.BAD_IMAGE, Reason.BAD_SHAPE, Reason.TOO_LARGE)
            refused = True
        else:
            refused = False
        try:
            picture = decode(header, payload, limits)
        except FrameError as error:
            assert error.reason in (Reason.BAD_IMAGE, Reason.BAD_SHAPE, Reason.TOO_LARGE)
            raise
        assert not refused, "decoded, though it would not have been queued"
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3
        assert picture.flags.c_contiguous
        height, width = picture.shape[:2]
        assert limits.min_side_px <= min(height, width), "smaller than anything is allowed"
        assert height * width <= limits.max_pixels, "larger than anything is allowed"
        if header.encoding not in ("bgr8", "rgb8"):
            found = probe(payload, limits)
            assert {found.width, found.height} == {width, height}, "another size than the head"
        return True

    # -- JPEG ----------------------------------------------------------------------------

    def _jpeg(self, rng: Random) -> bytes:
        parts = list(rng.choice(self._jpegs))
        if rng.random() < 0.3:
            parts.insert(rng.randint(0, len(parts) - 1), (0xE1, exif(rng), b""))
        if rng.random() < 0.1:
            parts.insert(rng.randint(0, len(parts) - 1), (0xFE, CANARY_BYTES * 3, b""))
        for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
            self._change_segments(rng, parts)
        data = b"".join(self._segment(rng, *one) for one in parts)
        data = b"\xff\xd8" + data + b"\xff\xd9" * (rng.random() < 0.97)
        return _rough(rng, data)

    def _change_segments(self, rng: Random, parts: Segments) -> None:
        if not parts:
            return
        at = rng.randrange(len(parts))
        marker, body, tail = parts[at]
        how = rng.randrange(9)
        if how == 0:
            del parts[at]
        elif how == 1:
            parts.insert(rng.randint(0, len(parts)), parts[at])
        elif how == 2:
            parts.insert(rng.randint(0, len(parts)), parts.pop(at))
        elif how == 3:
            parts[at] = (rng.choice(_MARKERS), body, tail)
        elif how == 4:
            parts[at] = (marker, change_bytes(rng, body, tail), tail)
        elif how == 5:
            parts[at] = (marker, body, change_bytes(rng, tail, body))
        elif how == 6:  # many scans, many segments
            parts[at:at] = [parts[at]] * rng.choice((2, 11, 13, 45))
        else:  # the frame header: precision, size, components
            for n, (one, old, rest) in enumerate(parts):
                if 0xC0 <= one <= 0xC2 and len(old) >= 6:
                    parts[n] = (rng.choice((one, one, 0xC0, 0xC1, 0xC2)), _frame(rng, old), rest)

    @staticmethod
    def _segment(rng: Random, marker: int, body: bytes, tail: bytes) -> bytes:
        length = len(body) + 2
        draw = rng.random()
        if draw < 0.004:
            length = rng.choice((0, 1, 2, length - 1, length + 1, 65_535))
        fill = b"\xff" * rng.choice((1, 2, 15, 16, 17, 300)) if draw > 0.99 else b"\xff"
        return fill + bytes([marker]) + struct.pack(">H", length & 0xFFFF) + body + tail

    # -- PNG -----------------------------------------------------------------------------

    def _png(self, rng: Random) -> bytes:
        parts = list(rng.choice(self._pngs))
        if rng.random() < 0.3:
            parts.insert(rng.randint(1, len(parts) - 1), (b"eXIf", exif(rng)[6:]))
        if rng.random() < 0.1:
            kind = rng.choice((b"tEXt", b"iCCP", b"acTL", b"tRNS", b"gAMA", b"IDAX", b"\0\0\0\0"))
            parts.insert(rng.randint(0, len(parts)), (kind, CANARY_BYTES))
        for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
            self._change_chunks(rng, parts)
        out = [png.SIGNATURE]
        for kind, body in parts:
            length = len(body) if rng.random() > 0.003 else rng.choice(INTEGERS[:34]) % (1 << 32)
            check = zlib.crc32(kind + body) if rng.random() > 0.01 else rng.getrandbits(32)
            out.append(struct.pack(">I", length) + kind + body + struct.pack(">I", check))
        return _rough(rng, b"".join(out))

    @staticmethod
    def _change_chunks(rng: Random, parts: Chunks) -> None:
        if not parts:
            return
        at = rng.randrange(len(parts))
        kind, body = parts[at]
        how = rng.randrange(9)
        if how == 0:
            del parts[at]
        elif how == 1:
            parts.insert(rng.randint(0, len(parts)), parts[at])
        elif how == 2:
            parts.insert(rng.randint(0, len(parts)), parts.pop(at))
        elif how == 3:
            other = bytes(rng.choices(b"aIDATPLEND\0\xff", k=4))
            parts[at] = (rng.choice((other, b"PLTE", b"IDAT", b"IEND")), body)
        elif how == 4:
            parts[at] = (kind, change_bytes(rng, body, body))
        elif how == 5:  # picture data in several pieces, or many chunks
            cut = rng.randint(0, len(body))
            parts[at : at + 1] = [(kind, body[:cut]), (kind, body[cut:])]
        elif how == 6:
            parts[at:at] = [(b"teXt", b"")] * rng.choice((2, 29, 31))
        elif how == 7:  # well packed, but not the picture that the header says
            raw = bytes(rng.choice((0, 1, 100, 5000, 200_000)))
            parts[at] = (b"IDAT", zlib.compress(raw))
        else:
            for n, (one, old) in enumerate(parts):
                if one == b"IHDR" and len(old) >= 13:
                    parts[n] = (one, _png_header(rng, old))


def segments(data: bytes) -> Segments:
    """A sound JPEG in pieces, without its first and last marker."""
    found: Segments = []
    at = 2
    while data[at + 1] != 0xD9:
        body = at + 4
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        following = end
        if data[at + 1] == 0xDA:
            following = jpeg._scan_end(memoryview(data), end)
        found.append((data[at + 1], data[body:end], data[end:following]))
        at = following
    return found


def chunks(data: bytes) -> Chunks:
    """A sound PNG in pieces."""
    found: Chunks = []
    at = 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def exif(rng: Random) -> bytes:
    """An EXIF block with an orientation among its entries, most often a sound one."""
    order, mark = rng.choice((("<", b"II"), (">", b"MM"), ("<", b"XX")))
    entries = [(rng.choice((0x0100, 0x8769)), 3, 1, 5)] * rng.choice((0, 0, 1, 300))
    value = rng.choice((*range(10), 65_535))
    entries.append((0x0112, rng.choice((3, 3, 3, 4)), rng.choice((1, 1, 1, 2)), value))
    start = rng.choice((8, 8, 8, 8, 0, 9, 60_000, 2**32 - 1))
    count = len(entries) + rng.choice((0,) * 6 + (1, 60_000))
    head = mark + struct.pack(order + "HI", rng.choice((42, 42, 42, 43)), start)
    body = struct.pack(order + "H", count & 0xFFFF)
    body += b"".join(struct.pack(order + "HHIHxx", *entry) for entry in entries)
    whole = b"Exif\0\0" + head + body + bytes(4)
    return whole[: rng.randrange(len(whole))] if rng.random() < 0.1 else whole


def _frame(rng: Random, old: bytes) -> bytes:
    """A JPEG's frame header with another size, precision or number of components."""
    precision, height, width, components = struct.unpack_from(">BHHB", old)
    how = rng.randrange(6)
    if how == 5:  # as large as any is allowed: what decoding costs then is measured, too
        height, width = rng.choice(((4000, 4000), (976, 16_384), (4000, 4001)))
    elif how == 0:
        precision = rng.choice((0, 8, 12, 16, 255))
    elif how == 1:
        height = rng.choice(_SIDES)
    elif how == 2:
        width = rng.choice(_SIDES)
    elif how == 3:
        components = rng.choice((0, 1, 2, 3, 4, 255))
    tail = change_bytes(rng, old[6:], old) if how == 4 else old[6:]
    if how == 3 and rng.random() < 0.7:
        tail = (tail * 90)[: 3 * components]
    return struct.pack(">BHHB", precision, height, width, components) + tail


def _png_header(rng: Random, old: bytes) -> bytes:
    """A PNG's header chunk with another size or kind."""
    width, height, *kinds = struct.unpack(">II5B", old[:13])
    how = rng.randrange(5)
    if how == 4:
        width, height = 4000, rng.choice((4000, 4001))
    elif how == 0:
        width = rng.choice((*_SIDES, 2**31, 2**32 - 1))
    elif how == 1:
        height = rng.choice((*_SIDES, 2**31, 2**32 - 1))
    elif how == 2:
        kinds[rng.randrange(5)] = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 255))
    else:
        kinds[:2] = rng.choice(((1, 0), (2, 3), (8, 3), (16, 6), (8, 4), (4, 0), (16, 0), (8, 6)))
    return struct.pack(">II5B", width, height, *kinds)


def _palette() -> Chunks:
    """A PNG of 16 x 16 px whose four colours are in a palette."""
    rows = b"".join(b"\0" + bytes([0b00011011] * 4) for _ in range(16))
    return [
        (b"IHDR", struct.pack(">II5B", 16, 16, 2, 3, 0, 0, 0)),
        (b"PLTE", bytes(range(12))),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]


def _rough(rng: Random, data: bytes) -> bytes:
    draw = rng.random()
    if draw < 0.1:
        return change_bytes(rng, data, data)
    if draw < 0.12:
        return data + CANARY_BYTES
    return data
