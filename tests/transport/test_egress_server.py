"""Behaviour of the engine's side of egress.sock, against a real DEALER."""

import itertools
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from egress_kit import PATIENCE_S, Uplink
from mosquitto import wait_for
from outbox_kit import ok_reply, put

from edged.errors import FrameError, OperatorError
from edged.transport.egress_server import EgressServer
from edged.transport.ipc import (
    Beat,
    CommandIn,
    DocOut,
    Hello,
    ReplyOut,
    RowAck,
    RowAside,
    RowOut,
    pack,
    unpack,
)
from edged.transport.outbox import Outbox, PurgeSelector
from edged.transport.wire import GapDoc, ReplyDoc, ResultDoc


@pytest.fixture
def outbox(tmp_path: Path):
    box = Outbox.open(tmp_path / "o")
    yield box
    box.close()


@contextmanager
def serving(tmp_path, outbox, on_command=lambda command: ok_reply(command.id), events=None):
    sink = (lambda *_: None) if events is None else (lambda *event: events.append(event))
    server = EgressServer(f"ipc://{tmp_path}/egress.sock", outbox, on_command, sink)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def server(tmp_path, outbox):
    with serving(tmp_path, outbox) as running:
        yield running


@pytest.fixture
def connect(tmp_path):
    made: list[Uplink] = []

    def make() -> Uplink:
        made.append(Uplink(f"ipc://{tmp_path}/egress.sock"))
        return made[-1]

    yield make
    for uplink in made:
        uplink.close()


def test_rows_come_after_hello_and_only_as_many_as_the_window(outbox, server, connect):
    """Nothing before hello, then a window full in order, then one for each acknowledged."""
    for _ in range(5):
        put(outbox)
    uplink = connect()
    uplink.socket.send_multipart(pack(Beat(broker="present")))  # a stranger's is not answered
    uplink.say(Hello(broker="present", window=2))
    first = uplink.hear(RowOut, 2)
    docs = [msgspec.json.decode(blobs[0], type=ResultDoc) for _, blobs in first]
    assert [doc.seq for doc in docs] == [1, 2]
    assert [len(blobs[1]) for _, blobs in first] == [3000, 3000]
    uplink.settle()
    assert not uplink.has(RowOut)
    uplink.say(RowAck(first[1][0].row))
    assert [row.row for row in uplink.rows(1)] == [3]
    wait_for(lambda: server.uplink_state().in_flight == 2, what="two in flight")


def test_a_new_row_is_handed_out_at_once(outbox, server, connect):
    """`wake` after `put` is enough."""
    uplink = connect()
    uplink.say(Hello(broker="present"))
    uplink.settle()
    took_s = []
    for _ in range(3):
        shot_id = put(outbox)
        begun_s = time.monotonic()
        server.wake()
        assert uplink.rows(1)[0].id == shot_id
        took_s.append(time.monotonic() - begun_s)
    # Not by the tick of a second, which the second and third would wait for in full; a busy
    # machine may hold one up.
    assert sorted(took_s)[1] < 0.9


@pytest.mark.usefixtures("server")
def test_acknowledged_rows_do_not_come_again(outbox, connect):
    """A second uplink gets what the first did not acknowledge, as history."""
    for _ in range(3):
        put(outbox)
    uplink = connect()
    uplink.say(Hello(broker="present"))
    uplink.rows(3)
    uplink.say(RowAck(2))
    uplink.settle()
    other = connect()
    other.say(Hello(broker="present"))
    again = other.hear(RowOut, 2)
    docs = [msgspec.json.decode(blobs[0], type=ResultDoc) for _, blobs in again]
    assert [(doc.seq, doc.historical) for doc in docs] == [(1, True), (3, True)]


def test_only_the_newest_uplink_counts(outbox, server, connect):
    """What an uplink says after another one's hello changes nothing."""
    put(outbox)
    old, new = connect(), connect()
    old.say(Hello(broker="present"))
    old.rows(1)
    new.say(Hello(broker="present"))
    new.rows(1)
    old.say(RowAck(1))
    old.say(RowAside(1, "rejected"))
    put(outbox)
    server.wake()
    new.rows(1)
    assert outbox.stats().depth == 2
    assert not old.has(RowOut)


@pytest.mark.usefixtures("server")
def test_a_broker_without_our_session_gets_everything_again(outbox, connect):
    """A "fresh" hello brings acknowledged rows back, a "present" one does not."""
    put(outbox)
    uplink = connect()
    uplink.say(Hello(broker="present"))
    uplink.rows(1)
    uplink.say(RowAck(1))
    uplink.say(Hello(broker="present"))
    uplink.settle()
    assert not uplink.has(RowOut)
    uplink.say(Hello(broker="fresh"))
    _, blobs = uplink.hear(RowOut)[0]
    assert msgspec.json.decode(blobs[0], type=ResultDoc).historical


@pytest.mark.parametrize("how", ["hello", "beat"])
def test_no_rows_while_the_broker_is_down(outbox, server, connect, how):
    """They wait for the next hello, whichever way the uplink said that it is down."""
    uplink = connect()
    uplink.say(Hello(broker="down" if how == "hello" else "present"))
    uplink.say(Beat(broker="down"))
    uplink.hear(Beat, 2)
    put(outbox)
    server.wake()
    uplink.say(Beat(broker="down"))
    uplink.hear(Beat)
    assert not uplink.has(RowOut)
    uplink.say(Hello(broker="present"))
    uplink.rows(1)


@pytest.mark.usefixtures("server")
def test_a_row_set_aside_makes_way(outbox, connect):
    """The next row and the gap come; the row itself does not."""
    put(outbox)
    put(outbox)
    uplink = connect()
    uplink.say(Hello(broker="present", window=1))
    uplink.rows(1)
    uplink.say(RowAside(1, "too-large"))
    assert uplink.rows(1)[0].row == 2
    uplink.say(RowAck(2))
    ((row, blobs),) = uplink.hear(RowOut)
    assert row.kind == "gap"
    assert msgspec.json.decode(blobs[0], type=GapDoc).reason == "poison"


@pytest.mark.usefixtures("server")
def test_acknowledgements_that_cannot_be_noted_wait(outbox, connect, monkeypatch):
    """On a full disk: their rows do not come again meanwhile, and are not lost."""
    put(outbox)
    put(outbox)
    real, full = outbox.ack, [1]

    def ack(*rows):
        if full:
            raise FrameError("outbox-full", "no room")
        real(*rows)

    monkeypatch.setattr(outbox, "ack", ack)
    uplink = connect()
    uplink.say(Hello(broker="present"))
    first, second = uplink.rows(2)
    uplink.say(RowAck(first.row))
    uplink.say(RowAck(second.row))
    uplink.settle()
    assert not uplink.has(RowOut)
    assert outbox.stats().depth == 2
    full.clear()
    wait_for(lambda: outbox.stats().depth == 0, what="both noted")
    assert not uplink.has(RowOut)


@pytest.mark.usefixtures("server")
def test_every_hello_and_beat_is_answered(connect):
    """The uplink can tell by it that the engine is there, without any document."""
    uplink = connect()
    uplink.say(Hello(broker="down"))
    uplink.hear(Beat)
    uplink.say(Beat(broker="down"))
    uplink.hear(Beat)


def test_a_new_uplink_gets_the_newest_documents(server, connect):
    """Status, info and health as they are now, not as they were."""
    server.publish("status", b'{"n":1}')
    server.publish("status", b'{"n":2}')
    server.publish("info", b'{"i":1}')
    for _ in range(2):
        uplink = connect()
        uplink.say(Hello(broker="present"))
        docs = {message.topic: blobs[0] for message, blobs in uplink.hear(DocOut, 2)}
        assert docs == {"status": b'{"n":2}', "info": b'{"i":1}'}
    server.publish("status", b'{"n":3}')
    assert uplink.hear(DocOut)[0][1] == [b'{"n":3}']


def test_events_wait_for_a_broker(server, connect):
    """They come in order, once, and of too many the newest."""
    for number in range(300):
        server.publish("event", str(number).encode())
    uplink = connect()
    uplink.say(Hello(broker="down"))
    uplink.hear(Beat)
    assert not uplink.has(DocOut)
    uplink.say(Hello(broker="present"))
    events = [blobs[0] for _, blobs in uplink.hear(DocOut, 256)]
    assert events == [str(number).encode() for number in range(44, 300)]
    uplink.say(Hello(broker="present"))
    uplink.settle()
    assert not uplink.has(DocOut)


def test_a_command_is_done_and_answered(tmp_path, outbox, connect):
    """Also a slow one, while rows go on; an error becomes an error reply without its text."""
    gate = itertools.count()

    def handler(command: CommandIn) -> ReplyDoc:
        if command.name == "selftest":
            put(outbox)
            server.wake()
            end_s = time.monotonic() + PATIENCE_S
            while not outbox.stats().retained and time.monotonic() < end_s:
                time.sleep(0.01)  # busy until its row came out and was acknowledged
        if command.name == "pause":
            raise RuntimeError("the secret of a face")
        if command.name == "replay":
            raise ValueError("the range is empty")
        return ok_reply(command.id, n=next(gate))

    with serving(tmp_path, outbox, handler) as server:
        uplink = connect()
        uplink.say(Hello(broker="present"))
        for number, name in enumerate(("selftest", "pause", "replay", "ping")):
            uplink.say(CommandIn(name=name, id=f"id-{number}", data={}))
        uplink.say(RowAck(uplink.rows(1)[0].row))
        replies = uplink.hear(ReplyOut, 4)
        docs = [msgspec.json.decode(blobs[0], type=ReplyDoc) for _, blobs in replies]
        assert [(out.name, out.id) for out, _ in replies] == [
            ("selftest", "id-0"),
            ("pause", "id-1"),
            ("replay", "id-2"),
            ("ping", "id-3"),
        ]
        assert [doc.status for doc in docs] == ["ok", "error", "error", "ok"]
        assert docs[1].text == "internal error; see the engine's log"
        assert docs[2].text == "the range is empty"


def test_a_purge_while_rows_are_under_way(outbox, server, connect):
    """What the uplink holds is gone here; its late acknowledgement hurts nobody."""
    put(outbox)
    uplink = connect()
    uplink.say(Hello(broker="present"))
    row = uplink.rows(1)[0]
    outbox.purge(PurgeSelector(all=True))
    server.wake()
    assert uplink.rows(1)[0].kind == "gap"
    uplink.say(RowAck(row.row))
    uplink.settle()
    stats = outbox.stats()
    assert (stats.depth, stats.retained) == (1, 0)


@pytest.mark.usefixtures("server")
def test_rubbish_is_dropped(outbox, connect):
    """Random parts on the socket cost nothing; the next hello works."""
    uplink = connect()
    for parts in (
        [b""],
        [b"hello"],
        [b"hello", b"{}"],
        [b"ack", b'{"row":"x"}'],
        [b"x"] * 9,
        [b"hello", b"[" * 5000],
        [b"row", b'{"row":1,"kind":"gap","camera":"a"}'],
    ):
        uplink.socket.send_multipart(parts)
    put(outbox)
    uplink.say(Hello(broker="present"))
    uplink.rows(1)


@pytest.mark.usefixtures("server")
def test_a_rows_numbers_cannot_be_guessed_away(outbox, connect):
    """Only rows in flight can be acknowledged."""
    put(outbox)
    put(outbox)
    uplink = connect()
    uplink.say(Hello(broker="present", window=1))
    uplink.rows(1)
    uplink.say(RowAck(2))
    uplink.say(RowAck(99))
    uplink.settle()
    assert outbox.stats().depth == 2


def test_the_state_says_who_is_there(tmp_path, outbox, connect):
    """Connected after hello, with what it told; the coming is an event."""
    events: list = []
    with serving(tmp_path, outbox, events=events) as server:
        assert not server.uplink_state().connected
        uplink = connect()
        uplink.say(Hello(broker="fresh", protocol="5", max_packet_bytes=100_000))
        uplink.say(Beat(broker="present", published=7, reconnects=2))
        uplink.hear(Beat, 2)
        state = server.uplink_state()
        assert (state.connected, state.broker, state.protocol) == (True, "present", "5")
        assert (state.published, state.reconnects, state.max_packet_bytes) == (7, 2, 100_000)
        assert state.last_beat_age_s < PATIENCE_S
        assert events == [("uplink-connected", "", {})]


@pytest.mark.usefixtures("server")
def test_the_socket_has_one_owner(tmp_path, outbox):
    """A second engine is refused, and the socket is the owner's alone."""
    with pytest.raises(OperatorError, match="in use"):
        EgressServer(f"ipc://{tmp_path}/egress.sock", outbox, ok_reply).start()
    assert (tmp_path / "egress.sock").stat().st_mode & 0o777 == 0o600


def test_it_stops_with_an_uplink_that_does_not_read(tmp_path, outbox, connect):
    """A full pipe holds nobody up, neither rows nor the stop."""
    with serving(tmp_path, outbox) as server:
        uplink = connect()
        uplink.say(Hello(broker="present", window=64))
        uplink.hear(Beat)
        for _ in range(64):
            put(outbox, size_bytes=100_000)
        server.wake()
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < 5


@pytest.mark.parametrize("json", [b"", b"\xff", b'{"broker":"do\xc0wn"}', b"[" * 100_000, b"{}"])
def test_a_message_that_is_none_is_told_in_fixed_words(json):
    """Nothing of it is in the text that is logged, nor what a decoder says of its bytes."""
    with pytest.raises(ValueError, match=r"^not a valid Beat$"):
        unpack([b"beat", json])
