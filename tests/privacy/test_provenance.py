"""The XMP packet of an outgoing picture: what other programs read in it, and nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from edged import __version__
from edged.privacy.egress import seal
from edged.privacy.guard import Passed
from edged.privacy.provenance import xmp_segment
from edged.transport.header import FrameHeader
from edged.transport.images import decode
from edged.transport.limits import FrameLimits

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
CANARY = "CANARY-4711"


def packet(source):
    """The parsed packet of a segment."""
    segment = xmp_segment(source)
    marker, length, body = segment[:2], int.from_bytes(segment[2:4], "big"), segment[4:]
    assert (marker, length) == (b"\xff\xe1", len(segment) - 2)
    name, _, xml = body.partition(b"\0")
    assert name == b"http://ns.adobe.com/xap/1.0/"
    return xml


@pytest.mark.parametrize(
    "source", ["compositeWithTrainedAlgorithmicMedia", "algorithmicallyEnhanced"]
)
def test_the_packet_is_xml_that_names_the_source_type(source):
    """As the IPTC standard has it: a URI of its vocabulary, once."""
    (described,) = ET.fromstring(packet(source)).iter(f"{RDF}Description")
    assert described.get(IPTC) == VOCABULARY + source
    assert described.get("{http://ns.adobe.com/xap/1.0/}CreatorTool") == f"edged {__version__}"
    assert set(described.keys()) == {
        IPTC, "{http://ns.adobe.com/xap/1.0/}CreatorTool", f"{RDF}about",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("swapped", "source"),
    [(True, "compositeWithTrainedAlgorithmicMedia"), (False, "algorithmicallyEnhanced")],
)
def test_other_programs_find_it_in_the_file(tmp_path, swapped, source):
    """Pillow reads the packet of a sealed picture."""
    path = tmp_path / "out.jpg"
    grey = Passed(np.full((64, 96, 3), 90, np.uint8))
    sealed = seal(grey, result_id="id", quality=90, swapped=swapped)
    path.write_bytes(sealed.jpeg)
    with Pillow.open(path) as opened:
        (described,) = ET.fromstring(opened.info["xmp"]).iter(f"{RDF}Description")
        assert not opened.getexif()
    assert described.get(IPTC) == VOCABULARY + source
    assert sealed.note.digital_source_type == source


def telling_photo():
    """A JPEG with everything in it that a camera or a person may have written."""
    exif = Pillow.Exif()
    exif[0x010F] = exif[0x013B] = exif[0x9C9C] = CANARY  # maker, artist, comment
    exif[0x0112] = 6  # the camera was turned
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 11.0, 4.0), 29: CANARY})  # where
    exif.get_ifd(0x8769).update({0x927C: CANARY.encode() * 9, 0xA430: CANARY})  # maker note, owner
    noise = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    _, plain = cv2.imencode(".jpg", cv2.GaussianBlur(noise, (0, 0), 2))
    _, thumbnail = cv2.imencode(".jpg", noise[:32, :32])
    small = CANARY.encode() + thumbnail.tobytes()
    app1 = exif.tobytes() + small
    app13 = b"Photoshop 3.0\0" + CANARY.encode()
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x>" + CANARY.encode() + b"</x>"
    parts = [(0xE1, app1), (0xE1, xmp), (0xED, app13), (0xFE, CANARY.encode()), (0xEB, small)]
    added = b"".join(
        b"\xff" + bytes([kind]) + (len(body) + 2).to_bytes(2, "big") + body for kind, body in parts
    )
    return plain.tobytes()[:20] + added + plain.tobytes()[20:] + CANARY.encode()


def test_nothing_that_the_camera_s_file_says_is_in_the_picture():
    """No place, no name, no maker's note, no thumbnail; the turn alone is carried out."""
    photo = telling_photo()
    assert photo.count(CANARY.encode()) >= 10
    header = FrameHeader(None, "booth", "hide", 0, "jpeg")
    image = decode(header, photo, FrameLimits())
    assert image.shape == (128, 96, 3)  # upright
    jpeg = seal(Passed(image), result_id="id", quality=90, swapped=True).jpeg
    for trace in (CANARY.encode(), b"Exif", b"Photoshop", b"GPS", b"ICC_PROFILE"):
        assert trace not in jpeg
    assert jpeg.count(b"\xff\xd8\xff") == 1
