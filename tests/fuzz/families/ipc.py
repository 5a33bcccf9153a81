"""Messages between engine and uplink in both directions, and answers to senders and the box."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any, get_args

import msgspec
import zmq
from fakes.outbox_stub import StubOutbox
from fuzz.harness import Family, Parser
from fuzz.mutate import CANARY, CANARY_BYTES, INTEGERS, TEXTS, Pairs, change_bytes, changed

from edged.daemon import status_board, uplink_docs, uplink_events, uplink_rows, uplink_state
from edged.daemon.uplink_state import LinkState
from edged.errors import LinkError
from edged.transport import client, control, egress_server, ipc
from edged.transport.egress_server import EgressServer
from edged.transport.link import Acked, Connected, Lost, Publish, UplinkSettings
from edged.transport.wire import Command, DocTopic, ReplyDoc, VerdictDoc

_COMMANDS, _TOPICS = get_args(Command), get_args(DocTopic)
_BROKER = ("down", "present", "fresh")
_LINK = ("_on_engine", "_on_doc", "_release", "_on_acked", "_tell_row")
_SERVER = (
    "_receive", "_take", "_greet", "_flush_acks", "_send_rows", "_send_row", "_send",
    "_send_answers",
)  # fmt: skip
_OWN = ("edged/hall/booth-1/",)


class _Socket:
    """The engine's end: gives out what was put in, takes what is sent."""

    def __init__(self) -> None:
        self.inbox: deque[list[bytes]] = deque()
        self.full = False
        self.gone = False

    def recv_multipart(self, _flags: int) -> list[bytes]:
        if not self.inbox:
            raise zmq.Again
        return self.inbox.popleft()

    def send_multipart(self, parts: list[bytes], _flags: int) -> None:
        if self.full:
            raise zmq.Again
        if self.gone:
            raise zmq.ZMQError(zmq.EHOSTUNREACH)
        assert all(isinstance(part, bytes) for part in parts)


class Ipc(Family):
    """`egress.sock` as engine and uplink read it, and replies as senders and the box do."""

    name = "ipc"
    refusals = (ValueError, LinkError)
    silent = False
    """The cause names the field; only the outer text is logged, and is looked at in `feed`."""

    def parsers(self) -> tuple[Parser, ...]:
        return (
            Parser(ipc),
            Parser(uplink_rows),
            Parser(uplink_docs),
            Parser(status_board),
            Parser(uplink_state, only=tuple(f"LinkState.{name}" for name in _LINK)),
            Parser(egress_server, only=tuple(f"EgressServer.{name}" for name in _SERVER)),
            Parser(client, only=("_answer",)),
            Parser(control, only=("read_reply",)),
        )

    def __init__(self) -> None:
        self._engine = EgressServer("ipc:///nowhere", StubOutbox(), self._refuse)  # type: ignore[arg-type]
        self._engine._socket = _Socket()
        self.fresh()

    def fresh(self) -> None:
        self._now_s = 1000.0
        settings = UplinkSettings(site="hall", device="booth-1", inflight_rows=4)
        self._link = LinkState(
            settings, clock_synced=lambda: True, wall_ms=lambda: 1, jitter=lambda: 0.5
        )
        for event in (uplink_events.Start(), uplink_events.EngineFound(), uplink_events.Tick()):
            self._link.feed(event, self._now_s)
        self._tokens: deque[int] = deque(maxlen=32)
        self._engine._retry_at_s = 0.0
        self._engine._greet(b"u", ipc.Hello(broker="present"))

    def close(self) -> None:
        self._engine._wakeup.close()

    def make(self, rng: Random) -> Any:
        """(to whom, what else happens, parts)."""
        to = rng.choice(("engine", "engine", "uplink", "uplink", "sender", "box"))
        if to == "engine":
            kind, tree = self._from_uplink(rng)
        elif to == "uplink":
            kind, tree = self._from_engine(rng)
        else:
            kind, tree = b"", self._answer(rng, to)
        parts = [kind, changed(rng, tree, whole=0.5)]
        if to in ("uplink", "sender"):
            blobs = [self._document(rng)] * (rng.random() < 0.95)
            blobs += [
                rng.choice((b"\xff\xd8picture", b"", CANARY_BYTES * 100, bytes(3000)))
            ] * rng.choice((0, 1, 1, 2))
            parts += blobs
        draw = rng.random()
        if draw < 0.02:
            parts[0] = rng.choice((b"", b"ro", b"rows", b"\xff", CANARY_BYTES, *ipc._KINDS))
        elif draw < 0.03:
            parts = parts[: rng.randint(0, 2)]
        elif draw < 0.032:
            parts[1] += b" " * ipc.MAX_JSON_BYTES
        elif draw < 0.05:
            parts.reverse()
        aside = rng.choice(
            ("", "", "", "ack", "ack", "ack", "refuse", "lost", "full", "gone", "up", "peer")
        )
        return to, (aside, rng.choice((0, 0, 0, 0x80, 0x87, 0x95, 0x97, 0x99))), parts

    def feed(self, item: Any) -> bool:
        to, (aside, code), parts = item
        self._now_s += 0.05
        if to in ("sender", "box"):
            try:
                if to == "sender":
                    client._answer(parts[1:] or [b""])
                else:
                    control.read_reply(b"".join(parts[1:2]))
            except ValueError as error:
                raise AssertionError("not the documented LinkError") from error
            return True
        if to == "engine":
            return self._to_engine(aside, parts)
        return self._to_uplink(aside, code, parts)

    def _to_engine(self, aside: str, parts: list[bytes]) -> bool:
        sock = self._engine._socket
        sock.full, sock.gone = aside == "full", aside == "gone"
        sock.inbox.append([b"u" if aside != "peer" else b"other", *parts])
        self._engine._receive()
        self._engine._send_due()
        sock.full = sock.gone = False
        assert len(self._engine._in_flight) <= 64, "more rows than any window"
        self._engine._runner._queue.queue.clear()  # its thread does not run here
        self._engine._runner.replies.clear()
        ipc.unpack(parts)
        return True

    def _to_uplink(self, aside: str, code: int, parts: list[bytes]) -> bool:
        events: list[Any] = []
        try:
            message, blobs = ipc.unpack(parts)
        except ValueError as error:
            assert CANARY not in str(error), "an error repeats its input"
            raise
        events.append(uplink_events.FromEngine(message, tuple(blobs)))
        if aside == "up":
            events.insert(
                0, Connected(session_present=code == 0, protocol="5", max_packet_bytes=code * 16)
            )
        elif aside == "lost":
            events.append(Lost("closed"))
            self._now_s += 40.0
        elif aside in ("ack", "refuse"):
            while self._tokens:
                events.append(Acked(self._tokens.popleft(), code if aside == "refuse" else 0))
        for event in events:
            for effect in self._link.feed(event, self._now_s):
                if isinstance(effect, Publish):
                    assert effect.topic.startswith(_OWN), "a topic of another device"
                    assert "#" not in effect.topic
                    assert "+" not in effect.topic
                    assert "\0" not in effect.topic
                    assert effect.packet_bytes() < 1 << 28
                    self._tokens.append(effect.token)
        return True

    def _refuse(self, _command: Any) -> ReplyDoc:
        raise AssertionError("no thread runs commands here")

    def _from_uplink(self, rng: Random) -> tuple[bytes, Pairs]:
        kind = rng.choice((b"hello", b"ack", b"ack", b"aside", b"command", b"beat"))
        row = rng.choice((*range(1, 12), *INTEGERS))
        trees = {
            b"hello": [("broker", rng.choice(_BROKER)), ("window", rng.choice((1, 4, 8,
            *INTEGERS))),
                       ("protocol", "5"), ("max_packet_bytes", rng.choice(INTEGERS))],
            b"ack": [("row", row)],
            b"aside": [("row", row), ("reason", rng.choice(("too-large", "not-authorised",
            "rejected")))],
            b"command": [("name", rng.choice(_COMMANDS)), ("id", rng.choice(TEXTS)), ("data",
            Pairs())],
            b"beat": [("broker", rng.choice(_BROKER)), ("in_flight", 1), ("published", 5)],
        }  # fmt: skip
        return kind, Pairs(trees[kind])

    def _from_engine(self, rng: Random) -> tuple[bytes, Pairs]:
        kind = rng.choice((b"row", b"row", b"row", b"doc", b"reply", b"beat"))
        trees = {
            b"row": [("row", rng.choice((*range(1, 40), *INTEGERS))), ("kind",
            rng.choice(("result", "gap"))),
                     ("camera", rng.choice(("booth", "hall", "#", "a/b", "+", ""))), ("id", "x1")],
            b"doc": [("topic", rng.choice(_TOPICS))],
            b"reply": [("name", rng.choice(_COMMANDS)), ("id", rng.choice(TEXTS))],
            b"beat": [("broker", rng.choice(_BROKER))],
        }  # fmt: skip
        return kind, Pairs(trees[kind])

    def _document(self, rng: Random) -> bytes:
        state = rng.choice(("online", "degraded", "paused", "offline", CANARY))
        tree = Pairs([("v", 1), ("ts_ms", 1), ("clock_synced", True), ("state", state), ("reason",
        "ok"),
                      ("since_ms", 5), ("boot", "b")])  # fmt: skip
        data = changed(rng, tree, whole=0.5)
        return change_bytes(rng, data, data) if rng.random() < 0.1 else data

    def _answer(self, rng: Random, to: str) -> Pairs:
        if to == "box":
            doc = msgspec.to_builtins(ReplyDoc(id="1", ts_ms=1, status="ok", data={"n": 1}))
        else:
            verdict, reason = rng.choice(
                (("queued", "ok"), ("refused", "paused"), ("failed", "bad-header"))
            )
            doc = msgspec.to_builtins(
                VerdictDoc(verdict=verdict, reason=reason, text="x", numbers={"faces": 2})
            )
        return Pairs(
            (key, Pairs(value.items()) if isinstance(value, dict) else value)
            for key, value in doc.items()
        )
