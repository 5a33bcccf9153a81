"""Transcripts of the uplink's state machine: what happened, and what it did about it."""

from __future__ import annotations

import msgspec

from edged.daemon.uplink_events import (
    Close,
    Effect,
    Ended,
    EngineFound,
    Event,
    FromEngine,
    Leave,
    Open,
    Send,
    Start,
    Subscribe,
)
from edged.daemon.uplink_state import LinkState
from edged.transport.ipc import (
    Beat,
    CommandIn,
    DocOut,
    Hello,
    RowAck,
    RowAside,
    RowOut,
)
from edged.transport.link import (
    Acked,
    Arrived,
    Connected,
    Publish,
    UplinkSettings,
)
from edged.transport.wire import StatusDoc

FRESH = Connected(session_present=False, protocol="5")
KEPT = Connected(session_present=True, protocol="5")
HEARD = FromEngine(Beat(broker="down"))


class Transcript:
    """Feeds events and notes the effects, each as a short line; beats are left out."""

    def __init__(self, **settings: object) -> None:
        options = {"site": "lab", "device": "box-1", "reconnect_min_s": 1.0} | settings
        self.now_s = 0.0
        self.lines: list[str] = []
        self.tokens: dict[str, list[int]] = {}  # topic -> tokens in order
        self.state = LinkState(
            UplinkSettings(**options),
            clock_synced=lambda: True,
            wall_ms=lambda: 1_000_000 + int(self.now_s * 1000),
            jitter=lambda: 1.0,
        )

    def on(self, *events: Event, after_s: float = 0.0) -> Transcript:
        """Something happens, `after_s` later."""
        self.now_s += after_s
        self.lines = []
        for event in events:
            for effect in self.state.feed(event, self.now_s):
                self.lines += self._line(effect)
        return self

    def gives(self, *lines: str) -> Transcript:
        """Exactly this is done about it."""
        assert self.lines == list(lines)
        return self

    def ack(self, topic: str, code: int = 0) -> Transcript:
        """The broker acknowledges the oldest message of a topic."""
        return self.on(Acked(self.tokens[topic].pop(0), code))

    def _line(self, effect: Effect) -> list[str]:
        if isinstance(effect, Publish):
            topic = effect.topic.removeprefix("edged/lab/box-1/")
            self.tokens.setdefault(topic, []).append(effect.token)
            return [f"publish {topic} {_gist(topic, effect.payload)}{' kept' * effect.retain}"]
        if isinstance(effect, Send):
            return _said(effect.message)
        if isinstance(effect, Open):
            return [f"open {effect.protocol} will {_gist('status', effect.will)}"]
        simple = {Close: "close", Leave: "leave", Ended: "ended", Subscribe: "subscribe"}
        return [simple[type(effect)]]


def _gist(topic: str, payload: bytes) -> str:
    if topic == "status":
        doc = msgspec.json.decode(payload, type=StatusDoc)
        return f"{doc.state}/{doc.reason}"
    if topic.startswith("reply/"):
        doc = msgspec.json.decode(payload)
        return f"{doc['id']} {doc['status']} {doc.get('error', '')}".strip()
    if topic == "event" and payload.startswith(b'{"v"'):
        doc = msgspec.json.decode(payload)
        return f"{doc['event']} {doc['reason']} {doc['data']['outcome']}"
    return payload.decode()


def _said(message: object) -> list[str]:
    if isinstance(message, Hello):
        return [f"hello {message.broker}"]
    if isinstance(message, RowAck):
        return [f"ack {message.row}"]
    if isinstance(message, RowAside):
        return [f"aside {message.row} {message.reason}"]
    if isinstance(message, CommandIn):
        return [f"command {message.name} {message.id}"]
    assert isinstance(message, Beat)
    return []


def status(state: str, reason: str = "ok") -> FromEngine:
    doc = StatusDoc(ts_ms=1, clock_synced=True, state=state, reason=reason, since_ms=1, boot="b")
    return FromEngine(DocOut("status"), (msgspec.json.encode(doc),))


def row(number: int, kind: str = "result", camera: str = "cam") -> FromEngine:
    out = RowOut(row=number, kind=kind, camera=camera, id=f"id-{number}")
    blobs = (f"doc{number}".encode(),) + (f"jpeg{number}".encode(),) * (kind == "result")
    return FromEngine(out, blobs)


def command(name: str, command_id: str, ts_ms: int = 1_000_000, **rest: bool) -> Arrived:
    payload = f'{{"v":1,"id":"{command_id}","ts_ms":{ts_ms}}}'.encode()
    return Arrived(f"edged/lab/box-1/cmd/{name}", payload, **rest)


def up(**settings: object) -> Transcript:
    """Connected on both sides, everything acknowledged, for so long that times count."""
    script = Transcript(**settings)
    script.on(Start(), EngineFound(), status("online"), KEPT, HEARD)
    script.ack("status")
    script.state._desk._gate._horizon.ms = 0
    return script
