"""Messages of made-up devices, as the real documents encode them."""

from __future__ import annotations

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

JPEG = b"\xff\xd8\xff\xe0" + bytes(60) + b"\xff\xd9"


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
            image=PictureNote(sha256="0" * 64, size_bytes=66, width_px=8, height_px=8),
            historical=historical,
        )
    )  # fmt: skip
