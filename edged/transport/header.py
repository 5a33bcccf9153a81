"""Reads the header of a frame message, native or imagezmq, into one value.

Everything here is hostile until it has passed: size and depth are bounded before JSON is
decoded, names must be configured ones, ids and references have their one form.  Errors
name a reason and never repeat the message.  Knows no sockets and no pixels.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec

from edged.errors import FrameError
from edged.transport.limits import FrameLimits
from edged.transport.wire import CONSENT, NAME, VERSION, ConsentEntry
from edged.verdicts import Reason

Encoding = Literal["bgr8", "rgb8", "jpeg", "png", "coded"]
"""`coded` is imagezmq's compressed form: JPEG or PNG, told by its first bytes."""

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\Z"
_ShotId = Annotated[str, msgspec.Meta(pattern=_UUID, max_length=36)]
_Name = Annotated[str, msgspec.Meta(pattern=NAME, max_length=32)]
_Consent = Annotated[str, msgspec.Meta(pattern=CONSENT, max_length=64)]
_Length = Annotated[int, msgspec.Meta(ge=1, le=1 << 24)]
_Shape = Annotated[tuple[_Length, ...], msgspec.Meta(min_length=2, max_length=3)]
_Millis = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


@dataclass(frozen=True, repr=False)
class FrameHeader:
    """What a sender says of its frame, checked.

    Attributes:
        shot: UUID in lower case, or None for a stream frame.
        camera: configured name.
        scene: configured name; the camera's own when the sender named none.
        ts_ms: the sender's clock, or the engine's at reception for imagezmq.
        encoding: of the payload.
        shape: (h, w) or (h, w, c) of a raw picture; None or what a coded one must have.
        consent: of each person, every reference once.
        want: whether the picture is part of the answer.
    """

    shot: str | None
    camera: str
    scene: str
    ts_ms: int
    encoding: Encoding
    shape: tuple[int, ...] | None = None
    consent: tuple[ConsentEntry, ...] = ()
    want: Literal["verdict", "image"] = "verdict"


@dataclass(frozen=True)
class Names:
    """The configured names that a header may use.

    Attributes:
        cameras: camera -> its scene.
        scenes: all scenes.
        default_camera: of a message that names none; without one the only camera is it.
    """

    cameras: Mapping[str, str]
    scenes: Collection[str] = field(default_factory=tuple)
    default_camera: str | None = None

    def fallback(self) -> str | None:
        """The camera of messages that name none."""
        if self.default_camera is not None:
            return self.default_camera
        return next(iter(self.cameras)) if len(self.cameras) == 1 else None


class _Peek(msgspec.Struct):
    """Tells the forms apart without decoding the rest."""

    v: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    shot: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    msg: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Native(msgspec.Struct, forbid_unknown_fields=True):
    v: Literal[1]
    ts_ms: _Millis
    encoding: Literal["bgr8", "rgb8", "jpeg", "png"]
    camera: _Name | None = None
    shot: _ShotId | None = None
    scene: _Name | None = None
    shape: _Shape | None = None
    consent: tuple[_Consent | ConsentEntry, ...] = ()
    want: Literal["verdict", "image"] = "verdict"


class _ImageZmq(msgspec.Struct):
    msg: object = None
    dtype: str | None = None
    shape: _Shape | None = None


_PEEK = msgspec.json.Decoder(_Peek)
_NATIVE = msgspec.json.Decoder(_Native)
_IMAGEZMQ = msgspec.json.Decoder(_ImageZmq)
_SHOT = msgspec.json.Decoder(_ShotId)
_NESTING = re.compile(rb'"(?:[^"\\]+|\\.|\\\Z)*(?:"|\Z)|[\[\]{}]', re.DOTALL)
"""Strings and brackets; an open string ends at the end, so that the search is linear."""
assert VERSION == 1, "a new wire version needs a new _Native"


@dataclass(frozen=True, repr=False)
class Parsed:
    """A header, or why there is none.

    Attributes:
        header: the header, if it is good.
        error: why not, if it is not.
        imagezmq: the sender speaks imagezmq, so the answer is one text part.
        shot: UUID of a native message, also of a bad one, so that its sender can match
            the answer; "" without.
    """

    header: FrameHeader | None = None
    error: FrameError | None = None
    imagezmq: bool = False
    shot: str = ""


def read_header(
    data: bytes | memoryview,
    names: Names,
    limits: FrameLimits,
    *,
    now_ms: int,
    camera: str | None = None,
) -> Parsed:
    """Read a header of either form; never raises for what the bytes hold.

    Args:
        data: the JSON part.
        names: configured names.
        limits: bounds of size, depth and consents.
        now_ms: wall clock, for imagezmq, which has no time of its own.
        camera: that the socket or the sender's key belongs to, for messages that name none.
    """
    try:
        peek = _peek(data, limits)
    except FrameError as error:
        return Parsed(error=error)
    if peek.v is msgspec.UNSET and peek.msg is not msgspec.UNSET:
        try:
            return Parsed(header=_imagezmq(data, names, now_ms, camera), imagezmq=True)
        except FrameError as error:
            return Parsed(error=error, imagezmq=True)
    shot = _peek_shot(peek)
    try:
        return Parsed(header=_native(data, names, limits, camera), shot=shot)
    except FrameError as error:
        return Parsed(error=error, shot=shot)


def parse_header(
    data: bytes | memoryview, names: Names, limits: FrameLimits, *, now_ms: int
) -> FrameHeader:
    """Read a header of either form.

    Raises:
        FrameError: it is not one, or it names what is not configured.
    """
    parsed = read_header(data, names, limits, now_ms=now_ms)
    if parsed.header is None:
        raise parsed.error or _bad("no header")
    return parsed.header


def _peek(data: bytes | memoryview, limits: FrameLimits) -> _Peek:
    if len(data) > limits.max_header_bytes:
        raise _bad(f"header above {limits.max_header_bytes} bytes")
    depth = deepest = 0
    for match in _NESTING.finditer(data):
        token = match.group()
        if token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
    if deepest > limits.max_json_depth:
        raise _bad(f"JSON nested deeper than {limits.max_json_depth}")
    try:
        return _PEEK.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _bad("not a JSON object") from None


def _peek_shot(peek: _Peek) -> str:
    if isinstance(peek.shot, msgspec.Raw):
        try:
            return _SHOT.decode(peek.shot).lower()
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
    return ""


def _native(
    data: bytes | memoryview, names: Names, limits: FrameLimits, of_key: str | None = None
) -> FrameHeader:
    try:
        found = _NATIVE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _bad("not a native header") from None  # the cause would repeat the message
    camera = found.camera if found.camera is not None else of_key or names.fallback()
    if camera is None or camera not in names.cameras:
        raise FrameError(Reason.UNKNOWN_CAMERA, "header names no configured camera")
    scene = found.scene if found.scene is not None else names.cameras[camera]
    if scene not in names.scenes:
        raise FrameError(Reason.UNKNOWN_SCENE, "header names no configured scene")
    if found.encoding in ("bgr8", "rgb8") and found.shape is None:
        raise _bad("a raw picture without a shape")
    return FrameHeader(
        shot=None if found.shot is None else found.shot.lower(),
        camera=camera,
        scene=scene,
        ts_ms=found.ts_ms,
        encoding=found.encoding,
        shape=found.shape,
        consent=_consents(found.consent, limits),
        want=found.want,
    )


def _consents(
    given: tuple[str | ConsentEntry, ...], limits: FrameLimits
) -> tuple[ConsentEntry, ...]:
    """Entries of one form; a plain reference says nothing of where its person is."""
    if len(given) > limits.max_consents:
        raise _bad(f"more than {limits.max_consents} consent references")
    entries = tuple(ConsentEntry(one) if isinstance(one, str) else one for one in given)
    if len({entry.ref for entry in entries}) != len(entries):
        raise _bad("a consent reference is given twice")  # each covers one person
    if not all(entry.sound for entry in entries):
        raise _bad("a consent's place is one box with an inside, or one point")
    return entries


def _imagezmq(
    data: bytes | memoryview, names: Names, now_ms: int, of_socket: str | None
) -> FrameHeader:
    try:
        found = _IMAGEZMQ.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _bad("not an imagezmq header") from None
    # By that library's habit `msg` is a camera's name, or "name|anything".
    spoken = found.msg.partition("|")[0].strip() if isinstance(found.msg, str) else ""
    camera = spoken if spoken in names.cameras else of_socket or names.fallback()
    if camera is None or camera not in names.cameras:
        raise FrameError(Reason.UNKNOWN_CAMERA, "imagezmq message for no configured camera")
    if (found.dtype is None) != (found.shape is None):
        raise _bad("imagezmq header with one of dtype and shape")
    if found.dtype is not None and found.dtype not in ("uint8", "|u1"):
        raise FrameError(Reason.BAD_SHAPE, "imagezmq picture that is not uint8")
    return FrameHeader(
        shot=None,
        camera=camera,
        scene=names.cameras[camera],
        ts_ms=now_ms,
        encoding="coded" if found.shape is None else "bgr8",
        shape=found.shape,
    )


def _bad(message: str) -> FrameError:
    return FrameError(Reason.BAD_HEADER, message)
