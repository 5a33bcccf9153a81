"""The uplink's state machine between engine and broker, as transcripts."""

from __future__ import annotations

import pytest
from transcript import FRESH, HEARD, KEPT, Transcript, row, status, up

from edged.daemon.uplink_events import (
    EngineFound,
    EngineGone,
    FromEngine,
    Start,
    Tick,
)
from edged.transport.ipc import (
    Beat,
    DocOut,
    RowOut,
)
from edged.transport.link import (
    Acked,
    Connected,
    Lost,
    Refused,
)


def test_start() -> None:
    """It greets the engine, connects with a last will, tells the engine, and is born."""
    script = Transcript()
    script.on(Start()).gives("open 5 will offline/connection-lost")
    script.on(EngineFound()).gives("hello down")
    script.on(status("online")).gives()
    script.on(FRESH).gives("hello fresh", "subscribe", "publish status online/ok kept")


def test_start_without_engine() -> None:
    """Without an engine it is born as `starting` after a second."""
    script = Transcript().on(Start(), FRESH)
    script.gives("open 5 will offline/connection-lost", "subscribe")
    script.on(Tick(), after_s=1.0).gives("publish status degraded/starting kept")


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
    script = Transcript().on(Start(), FRESH).on(Tick(), after_s=1.0)
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


def test_poison_or_restart() -> None:
    """A row is rejected for hang-ups of a live broker, not for those of one that restarts."""
    for session_present in (True, False):
        script = up(engine_silent_s=1e9)
        for _ in range(3):
            script.on(row(1), Lost("closed")).on(Tick(), after_s=30.0)
            script.tokens.clear()
            script.on(Connected(session_present=session_present, protocol="5")).ack("status")
        script.on(row(1))
        assert (script.lines == ["aside 1 rejected"]) == session_present
    script = up(engine_silent_s=1e9)
    for _ in range(5):
        script.on(row(1), Lost("closed")).on(Tick(), after_s=30.0)
        script.on(Refused("unreachable", "x")).on(Tick(), after_s=30.0)
        script.tokens.clear()
        script.on(KEPT).ack("status")
    script.on(row(1)).gives("publish image/cam jpeg1", "publish result/cam doc1")


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
    script = Transcript(max_packet_bytes=2000).on(Start(), EngineFound(), status("online"))
    script.on(Connected(session_present=True, protocol=protocol)).ack("status")
    out = RowOut(row=1, kind="result", camera="cam", id="i")
    script.on(FromEngine(out, (b"doc", b"j" * 2001)))
    assert (script.lines == ["aside 1 too-large"]) == bool(limit)
