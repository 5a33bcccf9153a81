"""The only way out: a picture that the guard passed becomes bytes or a view image.

`seal` and `show` take nothing but :class:`edged.privacy.guard.Passed`, and only this
module makes the transport's `OutgoingPicture` and `GuardedImage` (a test holds that).
Each picture says of itself that it was made by a machine: :mod:`edged.privacy.provenance`.
Knows JPEG; knows no sockets and no outbox.
"""

from __future__ import annotations

import cv2
import numpy as np

from edged.errors import EngineError
from edged.faces import Image
from edged.privacy.guard import Passed
from edged.privacy.provenance import Marker, source_of, xmp_segment
from edged.transport.view import GuardedImage
from edged.transport.wire import OutgoingPicture

UNSIGNED = Marker()
SOI = b"\xff\xd8"
COMMENT = b"\xff\xfe"
COMMENT_PREFIX = b"edged:"
"""Begins the COM segment that carries a result's id inside its JPEG."""


def seal(
    passed: Passed, *, result_id: str, quality: int, swapped: bool, marker: Marker = UNSIGNED
) -> OutgoingPicture:
    """Encode a passed picture, with its id in a COM segment and its provenance in XMP.

    The picture is encoded from pixels alone, so no metadata of the camera's file is in it.

    Args:
        passed: from the guard.
        result_id: UUID of the result.
        quality: JPEG quality, 50 to 100.
        swapped: whether a network's faces are in it.
        marker: signs it, where that is configured.

    Raises:
        EngineError: the encoder failed.
        FrameError: it has to be signed and cannot be.
    """
    done, data = cv2.imencode(".jpg", passed.image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        msg = "the JPEG encoder failed"
        raise EngineError(msg)
    source = source_of(swapped=swapped)
    comment = comment_segment(COMMENT_PREFIX + result_id.encode("ascii"))
    jpeg, signed = marker(with_segments(data.tobytes(), xmp_segment(source), comment), source)
    height, width = passed.image.shape[:2]
    return OutgoingPicture(jpeg, width, height, source=source, signed=signed)


def reopen(jpeg: bytes) -> OutgoingPicture:
    """A picture that was sealed before and comes back from the outbox, to answer again."""
    return OutgoingPicture(jpeg, 0, 0)


def comment_segment(text: bytes) -> bytes:
    """A COM segment, marker and length included."""
    return COMMENT + (len(text) + 2).to_bytes(2, "big") + text


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments behind its first application segment.

    Raises:
        EngineError: the bytes do not begin as a JPEG does.
    """
    if jpeg[:2] != SOI or len(jpeg) < 6:
        msg = "the JPEG encoder gave no JPEG"
        raise EngineError(msg)
    at = 2
    if jpeg[2:4] == b"\xff\xe0":  # JFIF must come first
        at = 4 + int.from_bytes(jpeg[4:6], "big")
    return b"".join([jpeg[:at], *segments, jpeg[at:]])


def show(passed: Passed) -> GuardedImage:
    """A passed picture for view.sock; the memory is not to be written any more."""
    pixels: Image = np.ascontiguousarray(passed.image).view()
    return GuardedImage(pixels)
