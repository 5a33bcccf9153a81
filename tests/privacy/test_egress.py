"""The only way out: JPEG of a passed picture, its id inside, and nothing else inside."""

from __future__ import annotations

import ast
import hashlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import EngineError
from edged.privacy.egress import COMMENT_PREFIX, comment_segment, reopen, seal, show, with_segments
from edged.privacy.guard import Passed
from edged.transport.view import GuardedImage

ID = "0b8b5d8e-5a0c-4f0e-9a57-6a2f7f6b1c11"


def picture(height=48, width=64):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def sealed_of(image, quality=90, *, swapped=True):
    return seal(Passed(image), result_id=ID, quality=quality, swapped=swapped)


def segments(jpeg):
    """(marker, payload) of each segment before the scan."""
    at, found = 2, []
    while jpeg[at + 1] != 0xDA:
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append((jpeg[at + 1], jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
    return found


def test_the_id_is_in_a_comment_segment():
    """Picture and result find each other without a database."""
    sealed = sealed_of(picture())
    comments = [payload for marker, payload in segments(sealed.jpeg) if marker == 0xFE]
    assert comments == [COMMENT_PREFIX + ID.encode()]


def test_nothing_but_the_picture_and_the_id_is_in_it():
    """No EXIF, no profile, no thumbnail: JFIF, one XMP packet, one comment, tables, the frame."""
    found = segments(sealed_of(picture()).jpeg)
    markers = [marker for marker, _ in found]
    assert markers[:3] == [0xE0, 0xE1, 0xFE]
    assert found[1][1].startswith(b"http://ns.adobe.com/xap/1.0/\0")
    assert set(markers[3:]) <= {0xDB, 0xC0, 0xC4}


def test_it_is_the_picture():
    """Any decoder opens it and shows what passed."""
    sealed = sealed_of(picture(), 95)
    shown = cv2.imdecode(np.frombuffer(sealed.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(shown.astype(int) - picture()).mean() < 6


def test_the_note_describes_these_bytes():
    """Size, extents and SHA-256 of what is sent."""
    sealed = sealed_of(picture(48, 64))
    assert sealed.note.sha256 == hashlib.sha256(sealed.jpeg).hexdigest()
    assert sealed.note.size_bytes == len(sealed.jpeg)
    assert (sealed.note.width_px, sealed.note.height_px) == (64, 48)


def test_quality_is_the_scene_s():
    """A better one is a larger file."""
    sizes = [len(sealed_of(picture(), q).jpeg) for q in (50, 75, 100)]
    assert sizes == sorted(set(sizes))


def test_an_encoder_that_fails_is_an_engine_error(monkeypatch):
    """Nothing goes out in its place."""
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    with pytest.raises(EngineError, match="encoder failed"):
        sealed_of(picture())


@given(st.binary(max_size=40), st.binary(max_size=60))
def test_segments_are_added_and_nothing_else(header, text):
    """With a JFIF segment they come behind it, without one they are the first."""
    body = b"\xff\xdb\x00\x04\x01\x02\xff\xd9"
    jfif = b"\xff\xe0" + (len(header) + 2).to_bytes(2, "big") + header
    segment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
    assert comment_segment(text) == segment
    two = (b"\xff\xe1\x00\x02", segment)
    head = b"\xff\xd8" + jfif
    assert with_segments(head + body, *two) == head + b"".join(two) + body
    assert with_segments(b"\xff\xd8" + body, segment) == b"\xff\xd8" + segment + body


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_jpeg_gets_no_segment(data):
    """It is an error of the encoder."""
    with pytest.raises(EngineError, match="no JPEG"):
        with_segments(data, b"x")


def test_a_picture_from_the_outbox_is_the_bytes_that_were_sealed():
    """It is answered again as it was."""
    sealed = sealed_of(picture())
    again = reopen(sealed.jpeg)
    assert again.jpeg == sealed.jpeg
    assert again.note.sha256 == sealed.note.sha256


def test_the_view_gets_the_passed_memory_read_only():
    """Zero copies, and the pipeline's own array stays writable."""
    out = picture()
    shown = show(Passed(out))
    assert isinstance(shown, GuardedImage)
    assert np.shares_memory(shown.pixels, out)
    assert not shown.pixels.flags.writeable
    assert out.flags.writeable


def makers(checkout, name):
    """(module, function) of every place in the package where a class is made."""
    found = set()
    for path in sorted((checkout / "edged").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for outer in ast.walk(tree):
            if not isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            for node in ast.walk(outer):
                called = node.func if isinstance(node, ast.Call) else None
                if getattr(called, "id", getattr(called, "attr", "")) == name:
                    module = str(path.relative_to(checkout / "edged"))
                    found.add((module, getattr(outer, "name", "lambda")))
    return found


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("Passed", {("privacy/guard.py", "disguise"), ("privacy/guard.py", "portrait")}),
        (
            "OutgoingPicture",
            {("privacy/egress.py", "seal"), ("privacy/egress.py", "reopen")},
        ),
        ("GuardedImage", {("privacy/egress.py", "show")}),
    ],
)
def test_what_may_leave_is_made_in_one_place(checkout, name, allowed):
    """A pass is the guard's alone, and pictures for the wire are egress's alone."""
    assert makers(checkout, name) == allowed


@pytest.mark.parametrize("name", ["Passed", "OutgoingPicture", "GuardedImage"])
def test_what_may_leave_is_not_made_by_another_name(checkout, name):
    """No alias, no subclass, no `replace` or bare `__new__` of it in the package."""
    for path in sorted((checkout / "edged").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.alias) and node.name == name:
                assert node.asname in (None, name), path
            if isinstance(node, ast.ClassDef):
                assert name not in [getattr(base, "id", "") for base in node.bases], path
            if isinstance(node, ast.Attribute) and node.attr == "__new__":
                assert getattr(node.value, "id", "") != name, path
            if isinstance(node, ast.Assign):
                assert getattr(node.value, "id", "") != name, path
