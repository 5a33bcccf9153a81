"""Turns a payload from the wire into pixels, or into one error that says why not.

Sizes are read and bounded before anything is allocated; a coded picture is decoded from a
clean copy that :mod:`edged.transport.jpeg` and :mod:`edged.transport.png` have made, and
must come out as large as they said.

Knows no sockets.  Nothing here logs, and no error holds a byte of a payload.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from edged.errors import FrameError
from edged.faces import Image
from edged.transport import jpeg, png
from edged.transport.coded import CodedPicture, check_size, refuse
from edged.transport.header import FrameHeader
from edged.transport.limits import FrameLimits
from edged.verdicts import Reason

_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
"""Always BGR; we apply the orientation ourselves, since the decoder's copy has none."""


@dataclass(frozen=True)
class ImageInfo:
    """What the head of a coded picture says: format, and size in px as coded."""

    format: Literal["jpeg", "png"]
    width: int
    height: int


def probe(data: bytes | memoryview, limits: FrameLimits | None = None) -> ImageInfo:
    """Read a coded picture's head; costs microseconds, whatever the bytes are.

    Raises:
        FrameError: neither JPEG nor PNG, damaged, or above the limits.
    """
    found = _walk(memoryview(data), limits or FrameLimits(), head_only=True)
    return ImageInfo(found.format, found.width, found.height)


def admit(header: FrameHeader, payload: bytes | memoryview, limits: FrameLimits) -> None:
    """Decide from header and head alone whether a payload is worth queueing.

    Raises:
        FrameError: it certainly cannot be decoded.
    """
    if header.encoding in ("bgr8", "rgb8"):
        _raw_shape(header, len(payload), limits)
    else:
        info = probe(payload, limits)
        _check_format(header, info.format)


def decode(header: FrameHeader, payload: bytes | memoryview, limits: FrameLimits) -> Image:
    """The picture.

    Args:
        header: as :mod:`edged.transport.header` read it.
        payload: its bytes.
        limits: bounds.

    Returns:
        (h, w, 3) uint8 BGR, C-contiguous.  A `bgr8` picture of three channels is a
        read-only view of the payload and lives as long as it; others are own memory.

    Raises:
        FrameError: the payload is not what its header says, damaged, or too large.
    """
    if header.encoding in ("bgr8", "rgb8"):
        return _raw(header, payload, limits)
    coded = _walk(memoryview(payload), limits, head_only=False)
    _check_format(header, coded.format)
    if header.shape is not None and header.shape not in (
        coded.upright_shape,
        (*coded.upright_shape, 3),
    ):
        raise FrameError(Reason.BAD_SHAPE, "coded picture that differs from its header's shape")
    try:
        picture = cv2.imdecode(np.frombuffer(coded.file, np.uint8), _FLAGS)
    except cv2.error:
        raise refuse("the decoder failed") from None
    if picture is None or picture.shape != (coded.height, coded.width, 3):
        raise refuse("the decoder gave nothing, or another size than the head")
    return _upright(np.ascontiguousarray(picture, np.uint8), coded.orientation)


def _walk(data: memoryview, limits: FrameLimits, *, head_only: bool) -> CodedPicture:
    if data[:2] == jpeg.SOI:
        return jpeg.read_jpeg(data, limits, head_only=head_only)
    if data[:8] == png.SIGNATURE:
        return png.read_png(data, limits, head_only=head_only)
    raise refuse("neither JPEG nor PNG")


def _check_format(header: FrameHeader, found: str) -> None:
    if header.encoding not in ("coded", found):
        raise refuse("picture of another format than its header says")


def _raw_shape(header: FrameHeader, size_bytes: int, limits: FrameLimits) -> tuple[int, int, int]:
    """(h, w, c) of a raw picture whose byte count agrees; c is 1 or 3."""
    if header.shape is None:
        raise FrameError(Reason.BAD_SHAPE, "raw picture without a shape")
    height, width, channels = (*header.shape, 1)[:3]
    if channels not in (1, 3):
        raise FrameError(Reason.BAD_SHAPE, "raw picture of neither one nor three channels")
    check_size(width, height, limits)
    if height * width * channels != size_bytes:
        raise FrameError(Reason.BAD_SHAPE, "raw picture whose bytes do not fit its shape")
    return height, width, channels


def _raw(header: FrameHeader, payload: bytes | memoryview, limits: FrameLimits) -> Image:
    shape = _raw_shape(header, len(payload), limits)
    pixels = np.frombuffer(payload, np.uint8).reshape(shape)
    pixels.flags.writeable = False  # a ZeroMQ frame's memory is writable; a raw frame is not
    if shape[2] == 1:
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    if header.encoding == "rgb8":
        return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
    return pixels


def _upright(picture: Image, orientation: int) -> Image:
    """Apply an EXIF orientation (2..8: the turns and mirrors that TIFF 6.0 numbers)."""
    if orientation == 1:
        return picture
    if orientation in (2, 3, 4):
        turned = cv2.flip(picture, {2: 1, 3: -1, 4: 0}[orientation])
    else:
        turned = cv2.transpose(picture)
        if orientation != 5:
            turned = cv2.flip(turned, {6: 1, 7: -1, 8: 0}[orientation])
    return np.ascontiguousarray(turned, np.uint8)
