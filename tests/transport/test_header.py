"""Headers: what is read, and that whatever else comes is one FrameError."""

from __future__ import annotations

import json
import time

import pytest
from frames_kit import CAMERAS, SCENES, SHOT, head
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import FrameError
from edged.transport.header import FrameHeader, Names, parse_header, read_header
from edged.transport.limits import FrameLimits
from edged.transport.wire import ConsentEntry
from edged.verdicts import Reason

NAMES = Names(CAMERAS, SCENES, "booth")
LIMITS = FrameLimits()


def parse(data: bytes, names: Names = NAMES) -> FrameHeader:
    return parse_header(data, names, LIMITS, now_ms=77)


def reason(data: bytes, names: Names = NAMES) -> str:
    with pytest.raises(FrameError) as caught:
        parse(data, names)
    return Reason(caught.value.reason).value


def test_native_header_is_read_whole():
    """Every field of a native header arrives, the id in lower case."""
    found = parse(
        head(
            shot=SHOT.upper(),
            scene="masks",
            encoding="rgb8",
            shape=[4, 6, 3],
            consent=["a-1", "B_2"],
            want="image",
            ts_ms=5,
        )
    )
    assert found == FrameHeader(
        shot=SHOT,
        camera="booth",
        scene="masks",
        ts_ms=5,
        encoding="rgb8",
        shape=(4, 6, 3),
        consent=(ConsentEntry("a-1"), ConsentEntry("B_2")),
        want="image",
    )


def test_a_consent_may_say_where_its_person_is():
    """Plain references, boxes and points stand side by side, in the order sent."""
    found = parse(
        head(
            consent=[
                "a",
                {"ref": "b", "box_px": [-3.5, 2, 30, 40]},
                {"ref": "c", "point_px": [70, 8]},
            ]
        )
    )
    assert found.consent == (
        ConsentEntry("a"),
        ConsentEntry("b", box_px=(-3.5, 2, 30, 40)),
        ConsentEntry("c", point_px=(70, 8)),
    )


def test_a_consent_does_not_show_in_texts():
    """An exception that names one tells neither the reference nor the place."""
    assert repr(ConsentEntry("canary", box_px=(1, 2, 3, 4))) == "ConsentEntry(...)"


def test_scene_defaults_to_the_cameras_own():
    """A header without a scene gets the camera's."""
    assert parse(head(camera="hall")).scene == "masks"


def test_imagezmq_raw_header():
    """An imagezmq raw header selects its camera by `msg` up to the bar and is BGR."""
    found = parse(b'{"msg": "hall|front door", "dtype": "uint8", "shape": [4, 6, 3]}')
    assert (found.camera, found.encoding, found.shape) == ("hall", "bgr8", (4, 6, 3))
    assert (found.shot, found.scene, found.ts_ms) == (None, "masks", 77)


@pytest.mark.parametrize("msg", ['"rpi-in-the-attic"', '""', "7", "null", '["hall"]'])
def test_imagezmq_msg_that_is_no_camera_is_ignored(msg):
    """Any other `msg` means the default camera."""
    assert parse(b'{"msg": %s}' % msg.encode()).camera == "booth"


def test_brackets_in_a_text_are_no_depth():
    """Depth is that of the JSON, not of what its texts look like."""
    assert parse(b'{"msg": "hall|[[[[[[[[[[\\"[[[[[["}').camera == "hall"


def test_socket_camera_comes_before_the_default():
    """A subscription's own camera is that of its messages that name none."""
    parsed = read_header(b'{"msg": "?"}', NAMES, LIMITS, now_ms=0, camera="hall")
    assert parsed.header is not None
    assert parsed.header.camera == "hall"


def test_only_camera_is_the_default():
    """With one camera configured nobody needs to name it, with two everybody must."""
    assert parse(head(camera=None), Names({"solo": "masks"}, SCENES)).camera == "solo"
    assert reason(head(camera=None), Names(CAMERAS, SCENES)) == "unknown-camera"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (head(camera="cellar"), "unknown-camera"),
        (head(camera="edged/+/#"), "bad-header"),
        (head(camera="../booth"), "bad-header"),
        (head(camera="booth\u0000"), "bad-header"),
        (head(camera="booth\n"), "bad-header"),
        (head(scene="opera"), "unknown-scene"),
        (head(shot="17"), "bad-header"),
        (head(shot=SHOT + "\n"), "bad-header"),
        (head(consent=["a\n"]), "bad-header"),
        (head(shot=SHOT + "0"), "bad-header"),
        (head(shot="{" + SHOT + "}"), "bad-header"),
        (head(v=2), "bad-header"),
        (head(v=None), "bad-header"),
        (head(ts_ms=None), "bad-header"),
        (head(ts_ms=-1), "bad-header"),
        (head(ts_ms=1e400), "bad-header"),
        (head(encoding="bgr8"), "bad-header"),
        (head(encoding="coded"), "bad-header"),
        (head(encoding="bgr8", shape=[4]), "bad-header"),
        (head(encoding="bgr8", shape=[4, -6, 3]), "bad-header"),
        (head(encoding="bgr8", shape=[4, 6, 3, 1]), "bad-header"),
        (head(encoding="bgr8", shape=[2**63, 2**63, 3]), "bad-header"),
        (head(consent=["a b"]), "bad-header"),
        (head(consent=["a", "a"]), "bad-header"),
        (head(consent=[f"c{n}" for n in range(17)]), "bad-header"),
        (head(consent=["a", {"ref": "a"}]), "bad-header"),
        (head(consent=[{"box_px": [1, 2, 3, 4]}]), "bad-header"),
        (head(consent=[{"ref": "a b"}]), "bad-header"),
        (head(consent=[{"ref": "a", "name": "b"}]), "bad-header"),
        (head(consent=[{"ref": "a", "box_px": [1, 2, 3]}]), "bad-header"),
        (head(consent=[{"ref": "a", "box_px": [3, 2, 1, 4]}]), "bad-header"),
        (head(consent=[{"ref": "a", "box_px": [1, 2, 3, "4"]}]), "bad-header"),
        (head(consent=[{"ref": "a", "box_px": [1, 2, 1e9, 4]}]), "bad-header"),
        (head(consent=[{"ref": "a", "point_px": [1, None]}]), "bad-header"),
        (head(consent=[{"ref": "a", "point_px": [1, 2], "box_px": [1, 2, 3, 4]}]), "bad-header"),
        (head(consent=["a"]).replace(b'"a"', b'{"ref":"a","point_px":[NaN,1]}'), "bad-header"),
        (head(consent=["a"]).replace(b'"a"', b'{"ref":"a","point_px":[1e999,1]}'), "bad-header"),
        (head(consents=["a"]), "bad-header"),
        (head(want="raw"), "bad-header"),
        (head(x="y" * 20_000), "bad-header"),
        (b'{"msg": "booth", "dtype": "uint8"}', "bad-header"),
        (b'{"msg": "booth", "dtype": "float64", "shape": [4, 6, 3]}', "bad-shape"),
        (b'{"msg": "booth", "dtype": "object", "shape": [4, 6, 3]}', "bad-shape"),
        (b'{"msg": "booth", "x": [[[[[[[[1]]]]]]]]}', "bad-header"),
        (b"", "bad-header"),
        (b"[]", "bad-header"),
        (b"null", "bad-header"),
        (b"{}", "bad-header"),
        (b'{"msg": ' + b"[" * 5000 + b"]" * 5000 + b"}", "bad-header"),
        (b'{"v": 1, "x": ' + b'{"a":' * 2000 + b"1" + b"}" * 2001, "bad-header"),
        (b"\xff\xfe{}", "bad-header"),
    ],
)
def test_bad_header_has_its_reason(data, expected):
    """Each kind of bad header is refused for its own reason."""
    assert reason(data) == expected


def test_an_error_names_nothing_from_the_wire():
    """The refusal of a header repeats none of it, neither in its text nor in its cause."""
    with pytest.raises(FrameError) as caught:
        parse(head(camera="SECRET", scene="SECRET"))
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_bad_native_header_still_says_whose_it_is():
    """The id of a bad header is kept when it is a good one, so that the sender can match."""
    parsed = read_header(head(shot=SHOT, want="raw"), NAMES, LIMITS, now_ms=0)
    assert parsed.header is None
    assert parsed.shot == SHOT


@pytest.mark.parametrize("unit", [b'"', b'\\"', b'"\\', b'"a', b"[", b"{", b'"["'])
def test_depth_check_is_linear(unit):
    """No text of brackets and open strings makes the depth check slow."""
    data = b'{"v": 1, "x": "' + unit * (16_000 // len(unit))
    began = time.perf_counter()
    read_header(data, NAMES, LIMITS, now_ms=0)
    assert time.perf_counter() - began < 0.25


@given(st.binary(max_size=300))
def test_random_bytes_never_raise(data):
    """Whatever the bytes, reading a header gives a header or an error."""
    parsed = read_header(data, NAMES, LIMITS, now_ms=0)
    assert (parsed.header is None) != (parsed.error is None)


WORD = st.text("abz09-_/+#\n\0\u00e9", max_size=8)
LEAF = st.sampled_from([None, True, 0, -1, 1.5, 2**70, 10**400]) | st.integers(0, 99) | WORD
JSON = LEAF | st.lists(LEAF, max_size=4) | st.dictionaries(WORD, LEAF, max_size=2)
KEYS = st.sampled_from(
    [
        "v",
        "ts_ms",
        "camera",
        "scene",
        "shot",
        "encoding",
        "shape",
        "consent",
        "want",
        "msg",
        "dtype",
        "x",
    ]
)
GOOD = {
    "v": st.just(1),
    "ts_ms": st.integers(0, 2**40),
    "camera": st.sampled_from(["booth", "hall"]),
    "encoding": st.sampled_from(["bgr8", "jpeg", "png"]),
    "shape": st.just([8, 8, 3]),
}


@given(st.fixed_dictionaries(GOOD), st.dictionaries(KEYS, JSON, max_size=3))
def test_a_header_that_passes_holds_configured_values_only(good, odd):
    """A good header with odd fields is refused, or all it holds is of its documented form."""
    parsed = read_header(json.dumps({**good, **odd}).encode(), NAMES, LIMITS, now_ms=0)
    if parsed.header is None:
        assert parsed.error is not None
        return
    header = parsed.header
    assert header.camera in CAMERAS
    assert header.scene in SCENES
    assert header.encoding in ("bgr8", "rgb8", "jpeg", "png", "coded")
    assert header.shape is None or all(type(n) is int and n > 0 for n in header.shape)
    assert len(header.consent) <= LIMITS.max_consents
    assert header.want in ("verdict", "image")
