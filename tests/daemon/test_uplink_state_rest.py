"""Commands, events, beats and the clean stop in the uplink's state machine."""

from __future__ import annotations

from transcript import HEARD, KEPT, command, row, up

from edged.daemon.uplink_events import (
    EngineGone,
    FromEngine,
    Send,
    Stop,
    Tick,
)
from edged.transport.ipc import (
    Beat,
    DocOut,
    ReplyOut,
)
from edged.transport.link import (
    Lost,
)


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
    script.on(HEARD, after_s=10.0).gives(
        "publish reply/purge a-1 error timeout", "publish event command-refused purge timeout"
    )


def test_command_while_engine_is_away() -> None:
    """Without an engine a command is answered at once."""
    script = up().on(EngineGone()).on(command("ping", "a-1"))
    script.gives(
        "publish reply/ping a-1 error engine-silent",
        "publish event command-refused ping engine-silent",
    )


def test_refused_command() -> None:
    """A refused command is answered with its word and told, an unknown one not at all."""
    script = up().on(command("pause", "a-1", retained=True))
    script.gives(
        "publish reply/pause a-1 error retained", "publish event command-refused pause retained"
    )
    script.on(command("shell", "a-2")).gives()


def test_redelivered_command() -> None:
    """A command that the broker delivers twice is done once, without an error."""
    script = up().on(command("ping", "a-1")).gives("command ping a-1")
    script.on(command("ping", "a-1", repeated=True)).gives()
    script.on(command("ping", "a-1"), after_s=1.0)
    script.gives(
        "publish reply/ping a-1 error replayed", "publish event command-refused ping replayed"
    )


def test_a_flood_of_refusals_is_one_event_a_second() -> None:
    """Each is answered; those between two events are counted in the next."""
    script = up().on(*[command("pause", f"a-{n}", retained=True) for n in range(5)])
    assert [line.split()[1] for line in script.lines].count("event") == 1
    script.on(command("pause", "b-1", retained=True), after_s=1.0)
    assert script.lines[-1] == "publish event command-refused pause retained"


def test_challenged_command() -> None:
    """A command from before the start is asked back for, and is no event."""
    script = up()
    script.state._desk._gate._horizon.ms = 1_000_000
    script.on(command("pause", "a-1")).gives("publish reply/pause a-1 error challenge")


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
