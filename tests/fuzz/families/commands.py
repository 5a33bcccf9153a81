"""Commands from the broker, through the whole uplink and into the engine; and from the box."""

from __future__ import annotations

import importlib
import pkgutil
import re
from random import Random
from typing import Any, get_args

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fakes.outbox_stub import SESSION, StubFrames, StubOutbox
from fuzz.harness import Family, Parser
from fuzz.mutate import CANARY, INTEGERS, TEXTS, Pairs, changed, text

from edged import daemon
from edged.daemon import once, orders, uplink_events
from edged.daemon.command_reply import OrderError
from edged.daemon.once import Once
from edged.daemon.orders import Orders
from edged.daemon.uplink_state import LinkState
from edged.errors import EdgedError
from edged.health import Health
from edged.transport import control, ipc, link, outbox_rows, topics
from edged.transport.ipc import Beat, CommandIn
from edged.transport.link import Arrived, Connected, Publish, UplinkSettings
from edged.transport.receipts import Notary
from edged.transport.wire import Command, ReplyDoc

_NAMES = get_args(Command)
_BASE = "edged/hall/booth-1"
_IDS = "abcXYZ0189_-"
_WALL_MS = 1_760_000_000_000
_KNOWN_ID = re.compile(r"[A-Za-z0-9_-]{0,64}")


class Commands(Family):
    """MQTT messages to the uplink and on to the engine's orders; requests on the box's socket."""

    name = "commands"
    refusals = (ValueError,)  # of the box's own socket
    block = 5000
    """The gate remembers ids for minutes."""

    def parsers(self) -> tuple[Parser, ...]:
        every = [found.name for found in pkgutil.iter_modules(daemon.__path__)]
        modules = [
            importlib.import_module(f"edged.daemon.{name}")
            for name in every
            if name.startswith("command_")
        ]
        data = ("Orders.__call__", "Orders._record", "Orders._replay", "Orders._purge", "_fail")
        return (
            *(Parser(module) for module in modules),
            Parser(orders, only=data),
            Parser(once),
            Parser(topics, only=("Topics.command_of", "is_name")),
            Parser(outbox_rows, only=("PurgeSelector",)),
            Parser(control, only=("read_request",)),
        )

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.fresh()

    def fresh(self) -> None:
        self._now_s, self._wall_ms, self._synced = 1000.0, _WALL_MS, True
        self._once = Once(self._answered)
        self._asked: list[tuple[str, Pairs]] = []
        self._mood = ""
        settings = UplinkSettings(site="hall", device="booth-1")
        self._link = LinkState(
            settings, clock_synced=lambda: self._synced, wall_ms=lambda: self._wall_ms,
            jitter=lambda: 0.5,
        )  # fmt: skip
        for event in (uplink_events.Start(), uplink_events.EngineFound(), uplink_events.Tick(),
                      Connected(session_present=True, protocol="5")):  # fmt: skip
            self._link.feed(event, self._now_s)
        self._orders = Orders(
            outbox=StubOutbox(), frames=StubFrames(), health=Health(0.0, 0),
            cameras=lambda: ("booth", "hall"),
            wake=lambda: None, state_changed=lambda: None, event=self._event,
            overview=lambda: {"state": "online"}, notary=Notary(self._key, "booth-1", "hall"),
            more=dict.fromkeys(("reload", "selftest", "calibrate"), self._more),
        )  # type: ignore[arg-type]  # fmt: skip

    def make(self, rng: Random) -> Any:
        """(seconds to pass, ms that the clock is set by, synchronised, topic, payload, flags)."""
        if rng.random() < 0.003:  # a while in which the engine does not answer, or time stands
            self._mood = rng.choice(("", "", "slow", "silent", "hurry"))
        passed_s = rng.choice((0.0, 0.2, 0.2, 0.3, 1.0, 90.0))
        if self._mood:
            passed_s = 0.0 if self._mood == "hurry" else 0.2
        set_ms = rng.choice((-3_600_000, 3_600_000, 2000)) if rng.random() < 0.01 else 0
        name = rng.choice((*_NAMES, "purge", "replay"))
        draw = rng.random()
        if draw < 0.15:
            tree = Pairs([("name", rng.choice((*_NAMES, "calibrate", "outbox", "status")))])
            tree += [("id", text(rng, _IDS, 0, 40)), ("data", self._data(rng, tree[0][1]))]
            return passed_s, set_ms, True, None, changed(rng, tree), (False, False)
        if draw < 0.35 and self._asked:  # the same again, or with the nonce that was asked for
            name, tree = self._asked.pop(rng.randrange(len(self._asked)))
            passed_s = rng.choice((0.2, 0.2, 0.2, 61.0))
        else:
            now_ms = self._wall_ms + int(passed_s * 1000) + set_ms
            tree = Pairs([("v", 1), ("id", text(rng, _IDS, 1, 20))])
            ago_ms = rng.choice((0,) * 8 + (400, -20_000, 20_000, 29_000, -31_000, 400_000))
            tree.append(("ts_ms", now_ms - ago_ms))
            if rng.random() < 0.7:
                tree.append(("ttl_s", rng.choice((30, 30.0, 300, 1, 0.001, 301, 0, -1))))
            if rng.random() < 0.8:
                tree.append(("data", self._data(rng, name)))
            if rng.random() < 0.05:
                tree.append(("nonce", rng.choice(TEXTS)))
            rng.shuffle(tree)
            if len(self._asked) < 200:
                self._asked.append((name, Pairs(tree)))
        topic = f"{_BASE}/cmd/{name}"
        if rng.random() < 0.05:
            topic = rng.choice((f"{_BASE}/cmd/", f"{_BASE}/cmd/shell", f"edged/+/{name}",
            f"{topic}/x",
                                name, "", f"{_BASE}/status", f"{_BASE}/cmd/{CANARY}",
                                "é\0"))  # fmt: skip
        flags = (rng.random() < 0.03, rng.random() < 0.2)
        payload = changed(rng, tree, whole=0.6)
        if rng.random() < 0.002:
            payload += b" " * (1 << 16)
        return passed_s, set_ms, rng.random() < 0.95, topic, payload, flags

    def feed(self, item: Any) -> bool:
        passed_s, set_ms, self._synced, topic, payload, (retained, repeated) = item
        self._now_s += passed_s
        self._wall_ms += int(passed_s * 1000) + set_ms
        if topic is None:
            return self._obey(control.read_request(payload))
        if self._mood != "silent":
            self._link.feed(uplink_events.FromEngine(Beat(broker="present")), self._now_s)
        event = Arrived(topic, payload, retained=retained, repeated=repeated)
        forwarded = False
        for effect in self._link.feed(event, self._now_s):
            if isinstance(effect, Publish) and "/status" not in effect.topic:
                self._harmless(effect.payload, effect.topic)
                self._link.feed(link.Acked(effect.token), self._now_s)
            elif isinstance(effect, uplink_events.Send) and isinstance(effect.message, CommandIn):
                forwarded = True
                assert not retained, "a retained command was forwarded"
                command, _ = ipc.unpack(ipc.pack(effect.message))
                self._obey(command)
                if self._mood == "slow":
                    continue
                out = ipc.ReplyOut(name=command.name, id=command.id)
                self._link.feed(uplink_events.FromEngine(out, (b"{}",)), self._now_s)
        return forwarded

    def _obey(self, command: Any) -> bool:
        """The engine's part; its answer tells nothing of the command but its id."""
        reply = self._once(command) if isinstance(command, CommandIn) else self._answered(command)
        assert reply.id == command.id
        if CANARY not in reply.id:
            reply.data.pop("receipt", None)  # holds a digest of what was asked
            assert CANARY not in msgspec.json.encode(reply).decode(), "a reply repeats its command"
        return reply.status == "ok"

    def _answered(self, command: Any) -> ReplyDoc:
        try:
            return self._orders(command)
        except (EdgedError, ValueError) as error:
            raise AssertionError("orders answer errors themselves") from error

    @staticmethod
    def _more(data: Any) -> dict[str, Any]:
        if data:
            raise OrderError("bad-data", "it takes no data", {"at_most": 0})
        return {"done": ["well", 1.0, None]}

    def _harmless(self, payload: bytes, topic: str) -> None:
        """What the broker is told: a fixed form, and of the command its well-formed id at most."""
        plain = msgspec.json.decode(payload)
        assert CANARY not in topic, "a topic of the sender's own words"
        if "/reply/" in topic:
            reply = msgspec.convert(plain, ReplyDoc)
            assert _KNOWN_ID.fullmatch(reply.id), "an id that is none is given back"
            if nonce := reply.data.get("nonce"):
                for name, tree in self._asked:
                    if ("id", reply.id) in tree and topic.endswith(name):
                        tree[:] = [pair for pair in tree if pair[0] != "nonce"]
                        tree.append(("nonce", nonce))
            told = payload.decode().replace(reply.id or "\0", "")
            assert CANARY not in told, "a reply repeats its command"

    def _event(self, name: str, _reason: str, data: dict[str, Any]) -> None:
        assert name in ("command-done", "command-failed")
        self._told = data

    def _data(self, rng: Random, name: str) -> Pairs:
        if name == "purge":
            return Pairs([rng.choice((
                ("all", True), ("all", 1), ("shot", text(rng, _IDS, 1, 40)), ("before_ms",
                rng.choice(INTEGERS)),
                ("consent", text(rng, _IDS, 1, 70)), ("shot", "x" * 200), ("consent", CANARY + "!"),
            ))] * rng.choice((0, 1, 1, 1, 1, 2)))  # fmt: skip
        if name == "replay":
            return Pairs([
                ("camera", rng.choice(("booth", "hall", "nobody", CANARY))), ("from",
                rng.choice(INTEGERS)),
                ("to", rng.choice(INTEGERS)), ("session", rng.choice((SESSION, CANARY, "x" * 65, 5,
                None))),
            ][: rng.choice((1, 2, 3, 3, 4, 4))])  # fmt: skip
        if rng.random() < 0.3:
            return Pairs(
                [(text(rng, _IDS, 0, 8), rng.choice(TEXTS)) for _ in range(rng.choice((1, 3, 40)))]
            )
        return Pairs()
