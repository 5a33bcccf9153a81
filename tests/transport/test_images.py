"""Payloads: good ones become the right pixels, bad ones one FrameError, bombs cost nothing."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib

import cv2
import frames_kit as kit
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import FrameError
from edged.transport import images
from edged.transport.header import FrameHeader
from edged.transport.limits import FrameLimits
from edged.verdicts import Reason

LIMITS = FrameLimits()


def header(encoding: str, shape: tuple[int, ...] | None = None) -> FrameHeader:
    return FrameHeader(None, "booth", "poster", 0, encoding, shape)


def decode(data: bytes, encoding: str = "coded", shape=None, limits=LIMITS) -> np.ndarray:
    images.admit(header(encoding, shape), data, limits)
    return images.decode(header(encoding, shape), data, limits)


def reason(data: bytes, encoding: str = "coded", shape=None, limits=LIMITS) -> str:
    with pytest.raises(FrameError) as caught:
        decode(data, encoding, shape, limits)
    return Reason(caught.value.reason).value


def test_raw_bgr_is_a_read_only_view():
    """A raw BGR payload is seen in place and cannot be written to."""
    image = kit.picture()
    memory = bytearray(image.tobytes())
    seen = decode(memoryview(memory), "bgr8", image.shape)
    assert np.array_equal(seen, image)
    assert np.shares_memory(seen, np.frombuffer(memory, np.uint8))
    assert not seen.flags.writeable


def test_raw_rgb_and_grey_become_bgr():
    """RGB is turned round, grey gets three equal channels, both C-contiguous."""
    image = kit.picture()
    assert np.array_equal(decode(image[..., ::-1].tobytes(), "rgb8", image.shape), image)
    for shape in ((48, 64), (48, 64, 1)):
        grey = decode(image[..., 0].tobytes(), "bgr8", shape)
        assert np.array_equal(grey, np.repeat(image[..., :1], 3, axis=2))
        assert grey.flags.c_contiguous


def test_png_is_exact_and_jpeg_is_what_opencv_decodes():
    """The clean copy that the decoder gets shows the same picture as the file."""
    image = kit.picture()
    assert np.array_equal(decode(kit.png(image), "png"), image)
    for flags in ((), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)):
        data = kit.jpeg(image, *flags)
        assert np.array_equal(decode(data, "jpeg"), cv2.imdecode(np.frombuffer(data, np.uint8), 1))


@pytest.mark.parametrize(
    "image",
    [
        kit.picture()[..., 0],
        np.dstack([kit.picture(), np.full((48, 64), 255, np.uint8)]),
        kit.picture().astype(np.uint16) * 257,
        kit.picture()[..., 0].astype(np.uint16) * 257,
    ],
    ids=["grey", "alpha", "16 bit", "16 bit grey"],
)
def test_png_colour_types_come_out_as_bgr(image):
    """Grey, alpha and 16 bit PNGs are taken as 8 bit BGR."""
    seen = decode(kit.png(image), "png")
    expected = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    expected = expected[..., :3] // (257 if image.dtype == np.uint16 else 1)
    assert np.array_equal(seen, expected)


def test_grey_jpeg_comes_out_as_bgr():
    """A JPEG of one component has three equal channels."""
    seen = decode(kit.jpeg(kit.picture()[..., 0]), "jpeg")
    assert seen.shape == (48, 64, 3)
    assert np.array_equal(seen[..., 0], seen[..., 2])


def with_exif(data: bytes, orientation: int, order: str) -> bytes:
    tiff = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    tiff += struct.pack(order + "HHIHHI", 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_is_applied_as_opencv_does(orientation, order):
    """All eight orientations, in both byte orders, come out as OpenCV itself shows them."""
    data = with_exif(kit.jpeg(), orientation, order)
    assert np.array_equal(decode(data, "jpeg"), cv2.imdecode(np.frombuffer(data, np.uint8), 1))


def test_header_shape_of_a_coded_picture_must_agree():
    """A coded picture may name its upright shape, and must not name another."""
    data = with_exif(kit.jpeg(), 6, "<")
    assert decode(data, "jpeg", (64, 48, 3)).shape == (64, 48, 3)
    assert reason(data, "jpeg", (48, 64, 3)) == "bad-shape"


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        (48 * 64 * 3 - 1, (48, 64, 3)),
        (48 * 64 * 3 + 1, (48, 64, 3)),
        (0, (48, 64, 3)),
        (48 * 64 * 4, (48, 64, 4)),
        (48 * 64 * 2, (48, 64, 2)),
        (1 * 64 * 3, (1, 64, 3)),
        (48 * 64 * 3, None),
    ],
)
def test_lying_shape_is_refused(size, shape):
    """A raw picture whose bytes do not fit its shape never becomes an array."""
    assert reason(bytes(size), "bgr8", shape) == "bad-shape"


def test_large_raw_shape_is_refused_from_its_header():
    """A shape above the pixel limit is too large, whatever bytes came."""
    assert reason(b"", "bgr8", (4096, 4096, 3)) == "too-large"
    assert reason(b"", "bgr8", (1 << 24, 1, 3)) == "too-large"


def png_of_size(width: int, height: int) -> bytes:
    data = bytearray(kit.png())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize("bomb", [kit.jpeg_of_size(10_000, 10_000), png_of_size(50_000, 50_000)])
def test_bomb_is_refused_before_anything_is_allocated(bomb):
    """A 100-megapixel header costs microseconds and no memory."""
    tracemalloc.start()
    try:
        assert reason(bomb) == "too-large"
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


def test_png_smaller_than_its_head_is_refused():
    """A head that promises more than the data holds gives no picture."""
    assert reason(png_of_size(64, 96)) == "bad-image"


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


JPEG = kit.jpeg()
PROGRESSIVE = kit.jpeg(None, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
SOF_AT = JPEG.index(b"\xff\xc0")
SOF = JPEG[SOF_AT : SOF_AT + 19]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"GIF89a" + bytes(100),
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        JPEG[:-2],
        JPEG[: len(JPEG) // 2],
        replaced(JPEG, b"\xff\xc0", b"\xff\xc3"),
        replaced(JPEG, b"\xff\xc0", b"\xff\xc9"),
        replaced(JPEG, SOF, SOF + SOF),
        replaced(JPEG, SOF, b""),
        replaced(JPEG, SOF[:5], SOF[:4] + b"\x0c"),
        replaced(JPEG, SOF, segment(0xC0, SOF[4:9] + b"\x04" + SOF[10:] + b"\x04\x11\x00")),
        replaced(JPEG, SOF, SOF[:11] + b"\x00" + SOF[12:]),
        kit.jpeg_of_size(64, 0),
        replaced(JPEG, b"\xff\xda", b"\xff\xd8"),
        JPEG[:2] + segment(0xFE, b"") * 2000 + JPEG[2:],
        JPEG[:2] + b"\xff" * 100 + JPEG[2:],
        JPEG[:2] + b"\xff\xe1\xff\xff" + JPEG[2:],
        JPEG[:2] + b"\xff\xe1\x00\x01" + JPEG[2:],
        kit.png()[:40],
        kit.png()[:-12],
        kit.png()[:8] + kit.png()[33:],
        kit.png()[:33] + kit.png()[-12:],
        png_of_size(0, 48),
        replaced(kit.png(), b"\x08\x02\x00\x00\x00", b"\x03\x02\x00\x00\x00"),
        kit.png()[:33] + b"\x00\x00\x00\x00ABCD\x00\x00\x00\x00" + kit.png()[33:],
        kit.png()[:33] + b"\x00\x00\x00\x00abcd\x00\x00\x00\x00" * 20_000 + kit.png()[33:],
        kit.png()[:33] + b"\xff\xff\xff\xf0IDAT" + kit.png()[33:],
    ],
)
def test_damaged_or_odd_picture_is_a_bad_image(data):
    """Each damage and each unusual kind of file is refused before the decoder sees it."""
    with pytest.raises(FrameError) as caught:
        images._walk(memoryview(data), LIMITS, head_only=False)
    assert Reason(caught.value.reason).value == "bad-image"


def test_encoding_must_be_the_files():
    """A PNG sent as a JPEG is refused, and the other way round."""
    assert reason(kit.png(), "jpeg") == "bad-image"
    assert reason(kit.jpeg(), "png") == "bad-image"


def test_scan_bomb_is_refused():
    """A progressive JPEG with hundreds of scans is refused before it is decoded."""
    first = PROGRESSIVE.index(b"\xff\xda")
    second = PROGRESSIVE.index(b"\xff\xda", first + 2)
    scan = PROGRESSIVE[first:second]
    assert reason(PROGRESSIVE[:first] + scan * 65 + PROGRESSIVE[first:]) == "bad-image"
    few = FrameLimits(max_scan_pixels=48 * 64 * 3)
    assert reason(PROGRESSIVE, limits=few) == "bad-image"
    assert decode(kit.jpeg(), limits=few).shape == (48, 64, 3)


def test_decoder_gets_neither_metadata_nor_what_follows():
    """Comments, profiles and data behind the end are taken out, the picture stays."""
    extra = segment(0xFE, b"SECRET") + segment(0xE2, b"ICC_PROFILE\0SECRET")
    data = JPEG[:2] + extra + JPEG[2:] + b"SECRET" * 100
    coded = images._walk(memoryview(data), LIMITS, head_only=False)
    assert b"SECRET" not in coded.file
    assert np.array_equal(decode(data), decode(JPEG))


def test_png_decoder_gets_picture_data_only():
    """Texts, transparency and animation of a PNG are taken out, the picture stays."""
    chunk = b"\x00\x00\x00\x06tEXtSECRET\x00\x00\x00\x00"
    data = kit.png()[:33] + chunk + kit.png()[33:] + b"SECRET"
    assert b"SECRET" not in images._walk(memoryview(data), LIMITS, head_only=False).file
    assert np.array_equal(decode(data), decode(kit.png()))


@pytest.mark.parametrize("window", range(2, 9))
def test_scan_search_misses_no_marker_at_a_border(monkeypatch, window):
    """Wherever the search's windows end, every marker is found."""
    whole = images._walk(memoryview(PROGRESSIVE), LIMITS, head_only=False)
    monkeypatch.setattr("edged.transport.jpeg._WINDOW", window)
    cut = images._walk(memoryview(PROGRESSIVE), LIMITS, head_only=False)
    assert (cut.file, cut.scans) == (whole.file, whole.scans)


def test_walking_hostile_entropy_data_lets_other_threads_run():
    """60 MB of stuffed bytes are walked in bounded time."""
    at = JPEG.index(b"\xff\xda")
    data = JPEG[: at + 14] + b"\xff\x00" * 30_000_000
    began = time.perf_counter()
    assert reason(data) == "bad-image"
    assert time.perf_counter() - began < 5.0


@given(
    st.sampled_from([JPEG, PROGRESSIVE, kit.png(), with_exif(JPEG, 6, "<")]),
    st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "drop", "twice", "insert", "length"]),
            st.floats(0, 1, exclude_max=True),
            st.integers(0, 255),
            st.integers(1, 64),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_mutated_pictures_decode_or_are_refused(data, mutations):
    """Bits, cuts, repeats and lying lengths give a whole picture or a FrameError, nothing else."""
    mutant = bytearray(data)
    for kind, where, value, span in mutations:
        at = int(where * len(mutant))
        if kind == "flip":
            mutant[at] ^= value or 1
        elif kind == "cut":
            del mutant[max(at, 16) :]
        elif kind == "drop":
            del mutant[at : at + span]
        elif kind == "twice":
            mutant[at:at] = mutant[at : at + span]
        elif kind == "insert":
            mutant[at:at] = bytes([0xFF, value]) + bytes(span)
        else:  # the length field of the next segment after `at`
            marker = mutant.find(b"\xff", at)
            mutant[marker + 2 : marker + 4] = bytes([value, span])
        if not mutant:
            return
    small = FrameLimits(max_pixels=200_000, max_side_px=1000)
    try:
        info = images.probe(bytes(mutant), small)
        image = images.decode(header("coded"), bytes(mutant), small)
    except FrameError as error:
        refused = error.reason
    else:
        refused = Reason.BAD_IMAGE
        assert sorted(image.shape[:2]) == sorted((info.height, info.width))
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
    assert refused in (Reason.BAD_IMAGE, Reason.TOO_LARGE, Reason.BAD_SHAPE)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"]))
def test_random_bytes_are_refused(data, start):
    """Random bytes behind a good start are a FrameError."""
    with pytest.raises(FrameError):
        decode(start + data)
