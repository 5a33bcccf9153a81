"""What the walkers of coded pictures share: their result, their refusal, EXIF orientation.

Knows no decoder.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from edged.errors import FrameError
from edged.transport.limits import FrameLimits
from edged.verdicts import Reason

_ORIENTATION_TAG = 0x0112
_SHORT = 3
_MAX_ENTRIES = 256


@dataclass(frozen=True, repr=False)
class CodedPicture:
    """A JPEG or PNG as its own markers describe it.

    Attributes:
        format: which of the two.
        width, height: px as coded, before the orientation is applied.
        orientation: EXIF's 1..8; 1 is upright.
        scans: of a JPEG; 1 for a PNG.
        file: what the decoder is given: the same picture without metadata, comments,
            thumbnails, animation or anything behind its end.  Empty when only the head
            was read.
    """

    format: Literal["jpeg", "png"]
    width: int
    height: int
    orientation: int = 1
    scans: int = 1
    file: bytes = b""

    @property
    def upright_shape(self) -> tuple[int, int]:
        """(h, w) px once the orientation is applied."""
        if self.orientation >= 5:
            return self.width, self.height
        return self.height, self.width


def refuse(message: str) -> FrameError:
    """The error of a picture that is damaged or of a kind that is not taken."""
    return FrameError(Reason.BAD_IMAGE, message)


def check_size(width: int, height: int, limits: FrameLimits) -> None:
    """Hold a picture's size against the limits.

    Raises:
        FrameError: it is larger, or too small to hold a face.
    """
    if width * height > limits.max_pixels or max(width, height) > limits.max_side_px:
        raise FrameError(Reason.TOO_LARGE, f"picture of {width} x {height} px is above the limit")
    if min(width, height) < limits.min_side_px:
        raise FrameError(
            Reason.BAD_SHAPE, f"picture of {width} x {height} px is below {limits.min_side_px} px"
        )


def exif_orientation(tiff: bytes) -> int:
    """Orientation from an EXIF block (a TIFF header and its first directory).

    Anything unusual in it counts as upright: a wrong tag must not cost a good picture.

    Args:
        tiff: from the byte-order mark on.

    Returns:
        1..8, numbered as TIFF 6.0 does, page 36.
    """
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return 1
    magic, start = struct.unpack_from(order + "HI", tiff, 2)
    if magic != 42 or start + 2 > len(tiff):
        return 1
    (entries,) = struct.unpack_from(order + "H", tiff, start)
    for n in range(min(entries, _MAX_ENTRIES)):
        at = start + 2 + 12 * n
        if at + 12 > len(tiff):
            return 1
        tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, at)
        if tag == _ORIENTATION_TAG:
            return value if kind == _SHORT and count == 1 and 1 <= value <= 8 else 1
    return 1
