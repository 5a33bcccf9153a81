"""Every document that edged writes or reads on a wire, as msgspec structs.

Three groups: the answer to a sender of frames, the documents that go to the broker,
and the messages between engine and uplink.  A field that is not here cannot cross.
Knows no sockets, no pictures' pixels and no broker.

Units are in the names: `_ms` milliseconds (wall clock: since the Unix epoch), `_px`
pixels of the outgoing picture, `_bytes`.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec

from edged.verdicts import SENTENCES, Reason, Verdict

VERSION = 1
"""`v` of every document; raised when a reader of the old form would be misled."""

State = Literal["online", "degraded", "paused", "offline"]
Command = Literal[
    "ping",
    "pause",
    "resume",
    "reload",
    "replay",
    "purge",
    "selftest",
    "rotate-identity",
    "diagnostics",
]
DocTopic = Literal["status", "info", "health", "event"]

NAME = r"^[a-z0-9-]{1,32}\Z"
"""Names of cameras, scenes, identities, sites and devices (`$` would let a newline pass)."""
CONSENT = r"^[A-Za-z0-9_-]{1,64}\Z"
"""Opaque consent references."""
_Place = Annotated[float, msgspec.Meta(ge=-65536.0, le=65536.0)]
"""A coordinate in px: a box may reach over the edge of a frame, but not to infinity."""


class Doc(msgspec.Struct, kw_only=True, omit_defaults=False):
    """What every JSON payload begins with."""

    v: int = VERSION
    ts_ms: int
    clock_synced: bool


# -- what a sender says of the people in a frame -------------------------------------


class ConsentEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The consent of one person, and perhaps where that person is.

    Attributes:
        ref: opaque reference, `[A-Za-z0-9_-]{1,64}`.
        box_px: x1, y1, x2, y2 around the person's face in the frame, upright.
        point_px: x, y of a point on it, instead of a box.
    """

    ref: Annotated[str, msgspec.Meta(pattern=CONSENT, max_length=64)]
    box_px: tuple[_Place, _Place, _Place, _Place] | None = None
    point_px: tuple[_Place, _Place] | None = None

    def __repr__(self) -> str:
        """Nothing of it: where a face is stays out of every text, and so does the reference."""
        return "ConsentEntry(...)"

    @property
    def placed(self) -> bool:
        """Whether it says where the person is."""
        return self.box_px is not None or self.point_px is not None

    @property
    def sound(self) -> bool:
        """Whether it has one kind of place at most, and a box has an inside."""
        if self.box_px is None:
            return True
        x1, y1, x2, y2 = self.box_px
        return self.point_px is None and x1 < x2 and y1 < y2


# -- the answer to a sender of frames ---------------------------------------------


class VerdictDoc(msgspec.Struct, kw_only=True, omit_defaults=True):
    """First part of the answer to a native frame message.

    Attributes:
        id: the shot's UUID (or the one given to a published stream frame).
        numbers: bounded counts for machines: faces, swapped, filled, bystanders, and not_live
            where a scene asks for live faces and some are not.
        text: the fixed sentence of the reason.
        session, seq: where the result is found on the broker, for `queued`.
        builtin: true when the built-in pack made the picture.
    """

    v: int = VERSION
    verdict: Verdict
    reason: Reason
    text: str = ""
    id: str = ""
    numbers: dict[str, int] = {}
    session: str = ""
    seq: int = 0
    latency_ms: float = 0.0
    builtin: bool = False


def answer(verdict: Verdict, reason: Reason, **rest: Any) -> VerdictDoc:
    """A verdict with the sentence that belongs to its reason."""
    return VerdictDoc(verdict=verdict, reason=reason, text=SENTENCES[reason], **rest)


# -- documents for the broker -------------------------------------------------------


class FaceNote(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What happened to one face.  Never an embedding, never a landmark.

    Attributes:
        box_px: x1, y1, x2, y2 in the outgoing picture.
        action: what was done.
        identity: the configured character's name (disguise).
        slot: number of the template slot (portrait).
        consent: the visitor's consent reference (portrait); empty when a shot brought more
            references than people, and none says whose it is.
        restored: blend of the restorer's output that is in the picture, 0..1.
        identity_drift: how far restoring moved the face from who it was made to be, 1 -
            cosine by the guard's recogniser, at most.
        liveness: probability that the face is live and no print or screen, where the
            scene asks; absent where the networks cannot tell.
        live: what follows, blinks included.
    """

    box_px: tuple[int, int, int, int]
    action: Literal["swapped", "filled", "slot"]
    identity: str = ""
    slot: int | None = None
    consent: str = ""
    restored: float = 0.0
    identity_drift: float | None = None
    liveness: float | None = None
    live: bool | None = None


class GuardNote(msgspec.Struct, kw_only=True):
    """What the guard did before it let the picture go.

    Attributes:
        families: detector families that searched.
        looks: detector runs on input and output together, close looks at single faces apart.
        faces_in: faces in the union of the input search.
        swapped, filled: how they left; refilled: filled only after a failed check.
        verified_by: recogniser of the identity test.
        embedded: faces of the input that it looked at; the others are known from the
            frames before.
    """

    families: tuple[str, ...]
    looks: int
    faces_in: int
    swapped: int
    filled: int
    refilled: int
    verified_by: str
    embedded: int = 0


class PictureNote(msgspec.Struct, kw_only=True):
    """Describes the JPEG on the image topic.

    Attributes:
        sha256: of exactly the bytes that are sent.
        digital_source_type: term of the IPTC vocabulary that its XMP packet bears.
        c2pa: whether it bears a signed C2PA manifest.
    """

    sha256: str
    size_bytes: int
    width_px: int
    height_px: int
    media_type: str = "image/jpeg"
    digital_source_type: str = ""
    c2pa: bool = False


class ResultDoc(Doc, kw_only=True, omit_defaults=False):
    """Payload of `result/<camera>`.

    `session`, `seq` and `historical` are filled in by the outbox.  `consents` are all
    references that the shot was sent with: a purge by any of them takes the result.
    """

    id: str
    camera: str
    scene: str
    mode: Literal["disguise", "portrait"]
    faces: tuple[FaceNote, ...]
    guard: GuardNote
    latency_ms: dict[str, float]
    engines: dict[str, str]
    builtin: bool
    image: PictureNote
    bystanders: int = 0
    consents: tuple[str, ...] = ()
    session: str = ""
    seq: int = 0
    historical: bool = False


class GapDoc(Doc, kw_only=True):
    """Payload of `gap/<camera>`: sequence numbers that will never come (again).

    `from` and `to` are inclusive.
    """

    session: str
    camera: str
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    reason: Literal["overflow", "purge", "poison", "expired", "damaged"]


class StatusDoc(Doc, kw_only=True):
    """Payload of `status`, retained, and of the last will."""

    state: State
    reason: str
    since_ms: int
    boot: str


class EventDoc(Doc, kw_only=True):
    """Payload of `event`."""

    event: str
    reason: str = ""
    data: dict[str, Any] = {}


class CommandDoc(msgspec.Struct, kw_only=True):
    """Payload of `cmd/<name>`.

    `nonce` is that of a reply `challenge` to the same command, sent again with it.
    """

    v: int
    id: str
    ts_ms: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
    ttl_s: float = 30.0
    data: dict[str, Any] = {}
    nonce: str = ""


class ReplyDoc(msgspec.Struct, kw_only=True):
    """Payload of `reply/<name>`.

    Attributes:
        error: a fixed word, empty when all is well.
        text: what that means and what to do, for people; nothing of the command is in it.
    """

    v: int = VERSION
    id: str
    ts_ms: int
    clock_synced: bool = False
    status: Literal["ok", "error"]
    error: str = ""
    text: str = ""
    data: dict[str, Any] = {}

    @property
    def said(self) -> str:
        """Why not, in the best words that there are."""
        return self.text or self.error


class OutgoingPicture:
    """An encoded picture that has passed the guard.

    Made by :func:`edged.privacy.egress.seal` alone (a test holds that); the outbox,
    the answer to a sender and view.sock take nothing else.

    Attributes:
        jpeg: the bytes.
        note: size and SHA-256 of exactly these bytes.
    """

    __slots__ = ("jpeg", "note")

    def __init__(
        self,
        jpeg: bytes,
        width_px: int,
        height_px: int,
        *,
        source: str = "",
        signed: bool = False,
    ) -> None:
        self.jpeg = jpeg
        self.note = PictureNote(
            sha256=hashlib.sha256(jpeg).hexdigest(),
            size_bytes=len(jpeg),
            width_px=width_px,
            height_px=height_px,
            digital_source_type=source,
            c2pa=signed,
        )
