"""Messages of made-up devices, as the real documents encode them."""

from __future__ import annotations

import hashlib

import msgspec

from edged.transport.wire import (
    EventDoc,
    GapDoc,
    GuardNote,
    PictureNote,
    ResultDoc,
    StatusDoc,
)
from edged.transport.wire_health import HealthDoc, OutboxFigures, StageTimes
from edged.transport.wire_info import (
    GuardInfo,
    HardeningInfo,
    InfoDoc,
    IsolationInfo,
    ModelInfo,
    ProvenanceInfo,
    ResidentInfo,
    RuntimeInfo,
)

JPEG = b"\xff\xd8\xff\xe0" + bytes(60) + b"\xff\xd9"
SHA256 = hashlib.sha256(JPEG).hexdigest()


def status(state="online", reason="ok"):
    return msgspec.json.encode(
        StatusDoc(ts_ms=1, clock_synced=True, state=state, reason=reason, since_ms=1, boot="b")
    )


def health(*, depth=0, oldest_s=0.0, shown=0, refused=0, clock_synced=True, **more):
    return msgspec.json.encode(
        HealthDoc(
            ts_ms=1, clock_synced=clock_synced, uptime_s=9.0, fps=more.pop("fps", 10.0),
            stages={"swap": StageTimes(wall_p50_ms=3.0, wall_p95_ms=4.0)},
            verdicts={"shown": shown, "refused": refused}, reasons={}, guard={}, restore={},
            cameras={}, troubles={}, outbox=OutboxFigures(depth=depth, oldest_unsent_s=oldest_s),
            **more,
        )
    )  # fmt: skip


def info(*, runtime="cpu", precision="fp32", wished=True, isolation="namespace", **changes):
    """As a device with one camera says it; texts that are made up may be anything."""
    serving = RuntimeInfo(name=runtime, precision=precision, reason="", wished=wished)
    parts = {
        "boot": "b", "session": "s", "receipt_key": "", "edged": "1.0", "python": "", "machine": "",
        "provenance": ProvenanceInfo(source_type="xmp", c2pa={}), "packages": {},
        "runtime": serving, "resident": ResidentInfo(runtime="", reason="", host_scenes={}),
        "models": {}, "builtin": True,
        "guard": GuardInfo(calibrated=True, recogniser="r", families=("a", "b"), settings={}),
        "isolation": IsolationInfo(mode=isolation, proof={}),
        "hardening": HardeningInfo(
            core_dumps=False, dumpable=False, new_privileges=False, swap="none"
        ),
        "scenes": {"hide": "disguise"}, "cameras": {"booth": "hide"}, "hides": "",
        "config_digest": "d",
    }  # fmt: skip
    return msgspec.json.encode(InfoDoc(ts_ms=1, clock_synced=True, **{**parts, **changes}))


def model(runtime="cpu", **texts):
    """One model of `info`."""
    plain = {"kind": "swapper", "licence": "l", "verified": "real", "sha256": "", **texts}
    serving = RuntimeInfo(name=runtime, precision="fp32", reason="", wished=True)
    return ModelInfo(commercial=True, builtin=True, runtime=serving, **plain)


def event(name="guard-refused", reason="guard-error"):
    return msgspec.json.encode(EventDoc(ts_ms=1, clock_synced=True, event=name, reason=reason))


def gap(first=1, last=3, reason="overflow"):
    return msgspec.json.encode(
        GapDoc(ts_ms=1, clock_synced=True, session="s", camera="booth", first=first, last=last,
               reason=reason)
    )  # fmt: skip


def result(shot="shot-1", seq=1, *, historical=False):
    return msgspec.json.encode(
        ResultDoc(
            ts_ms=1, clock_synced=True, id=shot, camera="booth", scene="hide", mode="disguise",
            faces=(), latency_ms={"total": 9.0}, engines={}, builtin=True, seq=seq,
            guard=GuardNote(families=("a",), looks=1, faces_in=0, swapped=0, filled=0,
                            refilled=0, verified_by="r"),
            image=PictureNote(sha256=SHA256, size_bytes=len(JPEG), width_px=8, height_px=8),
            historical=historical,
        )
    )  # fmt: skip
