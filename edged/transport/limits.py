"""Bounds of everything that a sender of frames can make the engine spend.

One frozen struct, a part of the configuration (`[frames.limits]`) and the value that
header, images, mailbox and server take.  Knows no sockets and no files.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]
Rate = Annotated[float, msgspec.Meta(gt=0)]


class FrameLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one message, one client and all clients together may cost.

    Attributes:
        max_pixels: of a picture; checked from its header, before anything is allocated.
            16 million is four times 4K UHD's half: any booth camera fits.
        max_side_px: of a picture; OpenCV's remap cannot address more than 32,767.
        min_side_px: of a picture; nothing smaller holds a face.
        max_header_bytes: of the JSON part.
        max_json_depth: of the JSON part.
        max_payload_bytes: of any message part; ZeroMQ closes the connection above it
            before it allocates.
        max_consents: references in one header.
        max_jpeg_scans: of a JPEG; progressive encoders write about ten.
        max_scan_pixels: pixels times scans of a JPEG, which is what decoding costs.
        max_segments: marker segments of a JPEG; an ICC profile alone may take 255.
        max_chunks: of a PNG; libpng writes one for each 8 KiB.
        rate_per_s, burst: messages of one client, of whatever kind.
        shots_per_s, shots_burst: shots of one client.
        shots_waiting, shots_waiting_bytes: bounds of the queue of shots; senders of more
            are held back, not turned away.
        clients: whose rates are remembered; the least recent one is forgotten.
    """

    max_pixels: Count = 16_000_000
    max_side_px: Count = 16_384
    min_side_px: Count = 16
    max_header_bytes: Count = 16 * 1024
    max_json_depth: Count = 8
    max_payload_bytes: Count = 64 * 1024 * 1024
    max_consents: Count = 16
    max_jpeg_scans: Count = 64
    max_scan_pixels: Count = 256_000_000
    max_segments: Count = 1024
    max_chunks: Count = 16_384
    rate_per_s: Rate = 120.0
    burst: Count = 240
    shots_per_s: Rate = 10.0
    shots_burst: Count = 32
    shots_waiting: Count = 16
    shots_waiting_bytes: Count = 256 * 1024 * 1024
    clients: Count = 1024
