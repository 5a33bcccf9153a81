"""The uplink's state machine, as transcripts: what happened, and what it did about it."""

from __future__ import annotations

import msgspec
import pytest

from edged.daemon.uplink_events import (
    Close,
    Effect,
    Ended,
    EngineFound,
    EngineGone,
    Event,
    FromEngine,
    Leave,
    Open,
    Send,
    Start,
    Stop,
    Subscribe,
    Tick,
)
from edged.daemon.uplink_state import LinkState
from edged.transport.ipc import (
    Beat,
    CommandIn,
    DocOut,
    Hello,
    ReplyOut,
    RowAck,
    RowAside,
    RowOut,
)
from edged.transport.link import (
    Acked,
    Arrived,
    Connected,
    Lost,
    Publish,
    Refused,
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
    """Connected on both sides, everything acknowledged."""
    script = Transcript(**settings)
    script.on(Start(), EngineFound(), status("online"), KEPT, HEARD)
    script.ack("status")
    return script


def test_start() -> None:
    """It greets the engine, connects with a last will, tells the engine, and is born."""
    script = Transcript()
    script.on(Start()).gives("open 5 will offline/connection-lost")
    script.on(EngineFound()).gives("hello down")
    script.on(status("online")).gives()
    script.on(FRESH).gives("hello fresh", "subscribe", "publish status online/ok kept")


def test_start_without_engine() -> None:
    """Without an engine it is born as `starting`."""
    Transcript().on(Start(), FRESH).gives(
        "open 5 will offline/connection-lost", "subscribe", "publish status degraded/starting kept"
    )


def test_row() -> None:
    """A row is its picture and then its result, and done when both are acknowledged."""
    script = up()
    script.on(row(7)).gives("publish image/cam jpeg7", "publish result/cam doc7")
    script.ack("result/cam").gives()
    script.ack("image/cam").gives("ack 7")


def test_gap_row() -> None:
    """A gap is one message."""
    script = up().on(row(8, "gap")).gives("publish gap/cam doc8")
    script.ack("gap/cam").gives("ack 8")


def test_connection_lost_in_mid_row() -> None:
    """What was not acknowledged is handed out again; an old acknowledgement means nothing."""
    script = up().on(row(7))
    old = script.tokens["image/cam"][0], script.tokens["result/cam"][0]
    script.on(Lost("closed")).gives("hello down")
    script.on(Tick(), after_s=1.0).gives("open 5 will offline/connection-lost")
    script.on(KEPT).gives("hello present", "subscribe", "publish status online/ok kept")
    script.on(Acked(old[0]), Acked(old[1])).gives()
    script.ack("status").gives()
    script.on(row(7)).gives("publish image/cam jpeg7", "publish result/cam doc7")


def test_rows_wait_for_the_broker() -> None:
    """A row that comes while the broker is away is not taken: hello will bring it again."""
    up().on(Lost("closed")).on(row(1)).gives()


def test_engine_gone() -> None:
    """A new engine is greeted, and acknowledgements of the old one's rows are not for it."""
    script = up().on(row(7))
    script.on(EngineGone()).gives()
    script.on(EngineFound()).gives("hello present")
    script.ack("image/cam").gives()
    script.ack("result/cam").gives()


def test_fresh_is_said_until_heard() -> None:
    """`fresh` is repeated until an engine has answered it, and again when that one dies soon."""
    script = Transcript().on(Start(), FRESH)
    script.on(EngineFound()).gives("hello fresh")
    script.on(Tick(), after_s=2.0).gives("hello fresh")
    script.on(HEARD, EngineGone(), EngineFound(), after_s=0.5).gives("hello fresh")
    script.on(HEARD, after_s=0.5).on(Tick(), after_s=6.0)
    script.on(EngineGone(), EngineFound()).gives("hello present")


def test_silence() -> None:
    """An engine that is silent for 15 s makes the device degraded until it speaks."""
    script = up()
    script.on(Tick(), after_s=14.9).gives()
    script.on(Tick(), after_s=0.2).gives("publish status degraded/engine-silent kept")
    script.on(Tick(), after_s=60.0).gives()
    script.on(FromEngine(Beat(broker="present"))).gives("publish status online/ok kept")


def test_status_changes() -> None:
    """A new state of the engine is published once, its repetition not."""
    script = up()
    script.on(status("paused", "operator")).gives("publish status paused/operator kept")
    script.on(status("paused", "operator")).gives()


def test_back_off() -> None:
    """Attempts are spaced 1, 2, 4 ... 30 s; a connection that took a row begins anew."""
    script = Transcript().on(Start())
    for wait_s in (1, 2, 4, 8, 16, 30, 30):
        script.on(Refused("unreachable", "no")).gives()
        script.on(Tick(), after_s=wait_s - 0.1).gives()
        script.on(Tick(), after_s=0.1).gives("open 5 will offline/connection-lost")
    script.on(KEPT, EngineFound(), row(1)).ack("status").ack("image/cam")
    script.ack("result/cam").gives("ack 1")
    script.on(Lost("closed")).on(Tick(), after_s=1.0)
    script.gives("open 5 will offline/connection-lost")


def test_falls_back() -> None:
    """A broker that refuses MQTT 5 is tried with 3.1.1 at once, and what worked is kept."""
    script = Transcript().on(Start())
    script.on(Refused("version", "no")).gives("open 3.1.1 will offline/connection-lost")
    script.on(Connected(session_present=False, protocol="3.1.1"))
    script.on(Lost("closed")).on(Tick(), after_s=30.0)
    script.gives("open 3.1.1 will offline/connection-lost")


def test_hangs_up_on_version_5() -> None:
    """A broker that hangs up twice before CONNACK is tried with 3.1.1, but not once 5 worked."""
    script = Transcript().on(Start())
    script.on(Refused("closed", "x")).on(Tick(), after_s=30).gives(
        "open 5 will offline/connection-lost"
    )
    script.on(Refused("closed", "x")).on(Tick(), after_s=30).gives(
        "open 3.1.1 will offline/connection-lost"
    )
    proven = up()
    for _ in range(4):
        proven.on(Lost("closed")).on(Tick(), after_s=30.0)
        proven.on(Refused("closed", "x")).on(Tick(), after_s=30.0)
        assert "open 5 will offline/connection-lost" in proven.lines
        proven.on(KEPT)


def test_no_answer() -> None:
    """An attempt that never ends is given up."""
    script = Transcript(connect_timeout_s=5.0).on(Start())
    script.on(Tick(), after_s=20.0).gives("close")
    script.on(Tick(), after_s=1.0).gives("open 5 will offline/connection-lost")


def test_taken_over() -> None:
    """A client that fights for our id is given way: the back-off grows at once."""
    script = up().on(Lost("taken-over")).gives("hello down").on(HEARD)
    script.on(Tick(), after_s=14.0).gives()
    script.on(HEARD, after_s=15.0).gives()
    script.on(Tick(), after_s=1.0).gives("open 5 will offline/connection-lost")


def test_broker_has_no_room() -> None:
    """A quota that is used up ends the connection and is no reason to give a row up."""
    script = up()
    for _ in range(5):
        script.on(row(1)).ack("image/cam", 0x97).gives("close", "hello down")
        script.on(Tick(), after_s=30.0).on(KEPT).ack("status")
        script.tokens.clear()


def test_denied_document() -> None:
    """A document that the broker refuses is not sent again for ten minutes."""
    script = up()
    health = FromEngine(DocOut("health"), (b"{}",))
    script.on(health).gives("publish health {}")
    script.ack("health", 0x87).gives()
    script.on(health).gives()
    script.on(HEARD, after_s=601.0)
    script.on(health).gives("publish health {}")


def test_large_document() -> None:
    """A document above the broker's packet limit is left out."""
    script = Transcript().on(Start(), EngineFound())
    script.on(Connected(session_present=True, protocol="5", max_packet_bytes=1000))
    script.on(FromEngine(DocOut("health"), (b"x" * 1001,))).gives()


@pytest.mark.parametrize(("protocol", "limit"), [("5", 0), ("3.1.1", 2000)])
def test_packet_limit(protocol, limit) -> None:
    """On 3.1.1 the configured packet limit is assumed, on 5 the broker would have named one."""
    script = Transcript(max_packet_bytes=2000).on(Start(), EngineFound())
    script.on(Connected(session_present=True, protocol=protocol)).ack("status")
    out = RowOut(row=1, kind="result", camera="cam", id="i")
    script.on(FromEngine(out, (b"doc", b"j" * 2001)))
    assert (script.lines == ["aside 1 too-large"]) == bool(limit)


def test_commands() -> None:
    """A command goes to the engine and its answer to the broker."""
    script = up().on(command("ping", "a-1")).gives("command ping a-1")
    reply = b'{"id":"a-1","status":"ok"}'
    script.on(FromEngine(ReplyOut(name="ping", id="a-1"), (reply,)))
    script.gives("publish reply/ping a-1 ok")


def test_unanswered_command() -> None:
    """A command that the engine does not answer within a minute is answered with `timeout`."""
    script = up().on(command("purge", "a-1"))
    for _ in range(5):
        script.on(HEARD, after_s=10.0).gives()
    script.on(HEARD, after_s=10.0).gives("publish reply/purge a-1 error timeout")


def test_command_while_engine_is_away() -> None:
    """Without an engine a command is answered at once."""
    script = up().on(EngineGone()).on(command("ping", "a-1"))
    script.gives("publish reply/ping a-1 error engine-silent")


def test_refused_command() -> None:
    """A refused command is answered with its word, an unknown one not at all."""
    script = up().on(command("pause", "a-1", retained=True))
    script.gives("publish reply/pause a-1 error retained")
    script.on(command("shell", "a-2")).gives()


def test_redelivered_command() -> None:
    """A command that the broker delivers twice is done once, without an error."""
    script = up().on(command("ping", "a-1")).gives("command ping a-1")
    script.on(command("ping", "a-1", repeated=True)).gives()
    script.on(command("ping", "a-1")).gives("publish reply/ping a-1 error replayed")


def test_events_wait() -> None:
    """Events that the engine says while the broker is away are kept, the newest 64."""
    script = up().on(Lost("closed"))
    for number in range(70):
        script.on(FromEngine(DocOut("event"), (b"e%d" % number,))).gives()
    script.on(Tick(), after_s=1.0).on(KEPT)
    events = [line for line in script.lines if line.startswith("publish event")]
    assert events == [f"publish event e{number}" for number in range(6, 70)]


def test_clean_stop() -> None:
    """It says `stopped`, waits for what is in flight, takes nothing new, and leaves."""
    script = up().on(row(1))
    script.on(Stop()).gives("publish status offline/stopped kept")
    script.on(row(2)).gives()
    script.ack("status").gives()
    script.ack("image/cam").gives()
    script.ack("result/cam").gives("ack 1", "hello down", "leave", "ended")


def test_clean_stop_does_not_wait_for_ever() -> None:
    """After 2 s it leaves whatever is not acknowledged."""
    script = up().on(Stop())
    script.on(Tick(), after_s=1.9).gives()
    script.on(Tick(), after_s=0.2).gives("hello down", "leave", "ended")


def test_second_stop() -> None:
    """A second stop does not wait."""
    up().on(row(1)).on(Stop()).on(Stop()).gives("hello down", "leave", "ended")


def test_stop_without_broker() -> None:
    """Without a connection there is nothing to say."""
    up().on(Lost("closed")).on(Stop()).gives("hello down", "close", "ended")


def test_beats() -> None:
    """Once a second the engine hears how many rows are in flight."""
    script = up().on(row(1))
    beats = []
    for _ in range(24):
        script.now_s += 0.125
        effects = script.state.feed(Tick(), script.now_s)
        beats += [e.message for e in effects if isinstance(e, Send)]
    assert beats == [Beat(broker="present", in_flight=1)] * 3
