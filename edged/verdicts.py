"""What a sender is told of its frame: verdict, reason, one fixed sentence.

The words are closed sets, so that nothing from the wire can be echoed through
them.  Knows nothing of sockets, pictures or models.
"""

from __future__ import annotations

from enum import Enum


class Verdict(str, Enum):
    """What became of a frame."""

    QUEUED = "queued"
    """A picture of it is durable in the outbox."""
    SHOWN = "shown"
    """It went to the local view only."""
    REFUSED = "refused"
    """The guard or a consent rule kept it in."""
    DROPPED = "dropped"
    """A newer stream frame took its place."""
    FAILED = "failed"
    """It could not be used or processed."""


class Reason(str, Enum):
    """Why, in one word; every value has a sentence in :data:`SENTENCES`."""

    OK = "ok"
    # -- bad input (failed)
    BAD_MESSAGE = "bad-message"
    BAD_HEADER = "bad-header"
    BAD_SHAPE = "bad-shape"
    BAD_IMAGE = "bad-image"
    TOO_LARGE = "too-large"
    UNKNOWN_CAMERA = "unknown-camera"
    UNKNOWN_SCENE = "unknown-scene"
    RATE_LIMITED = "rate-limited"
    ID_REUSED = "id-reused"
    # -- stream (dropped)
    SUPERSEDED = "superseded"
    # -- guard and consent (refused)
    NO_FACE = "no-face"
    NO_CONSENT = "no-consent"
    SURPLUS_FACES = "surplus-faces"
    CONSENT_UNMATCHED = "consent-unmatched"
    FACE_UNCHANGED = "face-unchanged"
    FACE_RECOGNISABLE = "face-recognisable"
    FACE_UNEXPECTED = "face-unexpected"
    NOT_LIVE = "not-live"
    CONTENT = "content"
    NOT_CALIBRATED = "not-calibrated"
    GUARD_ERROR = "guard-error"
    PUBLISH_BARRED = "publish-barred"
    # -- own trouble (failed)
    DEADLINE = "deadline"
    PIPELINE_ERROR = "pipeline-error"
    PROVENANCE_ERROR = "provenance-error"
    OUTBOX_FULL = "outbox-full"
    OUTBOX_ERROR = "outbox-error"
    PAUSED = "paused"
    STOPPING = "stopping"
    PURGED = "purged"


SENTENCES: dict[Reason, str] = {
    Reason.OK: "Done.",
    Reason.BAD_MESSAGE: "The message is not [header, payload]; see the wire format in the README.",
    Reason.BAD_HEADER: "The header is not valid JSON of the documented form.",
    Reason.BAD_SHAPE: "Shape, dtype and encoding do not fit the number of bytes sent.",
    Reason.BAD_IMAGE: "The picture cannot be decoded; send a JPEG or PNG that other programs open.",
    Reason.TOO_LARGE: "The picture is larger than the configured limit; send a smaller one.",
    Reason.UNKNOWN_CAMERA: "This camera is not in the configuration.",
    Reason.UNKNOWN_SCENE: "This scene is not in the configuration.",
    Reason.RATE_LIMITED: "Too many messages from this client; wait a moment and send it again.",
    Reason.ID_REUSED: "This shot id was used for another picture; use a new id for each shot.",
    Reason.SUPERSEDED: "A newer frame of this camera came first.",
    Reason.NO_FACE: "No face was found; move into the light, look at the camera, try again.",
    Reason.NO_CONSENT: "A portrait needs one consent reference for each person; none was given.",
    Reason.SURPLUS_FACES: "More people are in the picture than gave consent; let the others step "
    "aside, or send a new shot that has the box of its face with each consent.",
    Reason.CONSENT_UNMATCHED: "No usable face, or no single one, is where a consent says; check "
    "its box against the picture sent and try again.",
    Reason.FACE_UNCHANGED: "A face could not be changed well enough; the picture was kept in.",
    Reason.FACE_RECOGNISABLE: "A face could still be recognised; the picture was kept in.",
    Reason.NOT_LIVE: "A face looks like a picture of one; stand before the camera yourself.",
    Reason.CONTENT: "This picture shows what must not be shown here.",
    Reason.FACE_UNEXPECTED: "A face appeared where none should be; the picture was kept in.",
    Reason.NOT_CALIBRATED: "The guard has no calibrated threshold for these models; calibrate it.",
    Reason.GUARD_ERROR: "The privacy check could not be finished; the picture was kept in.",
    Reason.PUBLISH_BARRED: "The built-in models publish to a loopback broker only.",
    Reason.DEADLINE: "The frame took too long; try again.",
    Reason.PIPELINE_ERROR: "An internal step failed; try again, and call the operator if it stays.",
    Reason.PROVENANCE_ERROR: "The picture could not be signed; the operator must look at the "
    "certificate and the clock.",
    Reason.OUTBOX_FULL: "The outbox is full; the operator must look at the broker link.",
    Reason.OUTBOX_ERROR: "The outbox could not be written; the operator must look at the disk.",
    Reason.PAUSED: "The device is paused by its operator.",
    Reason.STOPPING: "The device is stopping; send the shot again in a moment.",
    Reason.PURGED: "The result of this shot was purged.",
}
