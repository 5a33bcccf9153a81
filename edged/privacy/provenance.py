"""What an outgoing picture says of its own making, for machines.

Every JPEG bears the IPTC digital source type in an XMP packet, which search engines,
agencies and viewers read (IPTC Photo Metadata Standard, `Iptc4xmpExt:DigitalSourceType`).
With an operator's certificate it also bears a signed C2PA manifest that says the same.

The packet is written here in full: it holds the source type and the tool, and no word, time
or number of the camera's file.  Knows bytes; knows no pixels and no configuration.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from edged import __version__
from edged.errors import FrameError
from edged.verdicts import Reason

log = logging.getLogger(__name__)

SourceType = Literal["compositeWithTrainedAlgorithmicMedia", "algorithmicallyEnhanced"]
"""Of https://cv.iptc.org/newscodes/digitalsourcetype/.

"Edited using generative AI" for a picture in which a network has put faces: a disguise is a
camera's picture, a portrait a given picture, and both were edited; neither was made by a
network alone, as `trainedAlgorithmicMedia` would say.  "Algorithmically altered" for one
whose faces were all filled with a colour, or that has none.
"""
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""The URIs of the vocabulary begin with http, whatever the page is fetched by."""
TOOL = f"edged {__version__}"

APP1 = b"\xff\xe1"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
"""Begins an XMP packet's segment (XMP specification, part 3, 1.1.3)."""
_PACKET = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/">\
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about=""\
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\
 xmlns:xmp="http://ns.adobe.com/xap/1.0/"\
 Iptc4xmpExt:DigitalSourceType="{source}"\
 xmp:CreatorTool="{tool}"/>\
</rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""

Signer = Callable[[bytes, SourceType], bytes]
"""(JPEG, source type) -> the same JPEG with a signed manifest."""


def source_of(*, swapped: bool) -> SourceType:
    """The source type of a picture in which faces were swapped, or none was."""
    return "compositeWithTrainedAlgorithmicMedia" if swapped else "algorithmicallyEnhanced"


@cache
def xmp_segment(source: SourceType) -> bytes:
    """The APP1 segment of a picture, marker and length included."""
    body = _XMP + _PACKET.format(source=VOCABULARY + source, tool=TOOL).encode()
    return APP1 + (len(body) + 2).to_bytes(2, "big") + body


@dataclass(frozen=True)
class Marker:
    """Signs pictures, where a signer is there, and says what happens when it fails.

    Attributes:
        sign: makes the manifest; None where pictures bear the XMP packet alone.
        required: keep a picture in that cannot be signed; else it leaves unsigned.
        trouble: told a reason when signing fails, and None when it works.
        about: of the certificate, for `info`.
    """

    sign: Signer | None = None
    required: bool = True
    trouble: Callable[[str | None], None] = lambda _reason: None
    about: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, jpeg: bytes, source: SourceType) -> tuple[bytes, bool]:
        """The JPEG as it leaves, and whether it is signed.

        Raises:
            FrameError: it cannot be signed and has to be.
        """
        if self.sign is None:
            return jpeg, False
        try:
            signed = self.sign(jpeg, source)
        except Exception as error:  # noqa: BLE001 - whatever it is, the picture is not signed
            log.error("a picture could not be signed: %s", type(error).__name__)  # noqa: TRY400
            self.trouble("signing-failed")
            if self.required:
                raise FrameError(Reason.PROVENANCE_ERROR, "signing failed") from None
            return jpeg, False
        self.trouble(None)
        return signed, True
