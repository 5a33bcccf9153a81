"""Which commands reach the engine."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.daemon.command_gate import BURST, MAX_BYTES, CommandGate, Refused, json_depth
from edged.transport.ipc import CommandIn

NOW_MS = 1_760_000_000_000


class Gate:
    """A gate and its clock."""

    def __init__(self) -> None:
        self.gate = CommandGate()
        self.now_s = 0.0

    def check(
        self, payload: bytes | None = None, *, name: str = "pause", retained: bool = False,
        synced: bool = True, **fields: object,
    ) -> CommandIn | Refused:  # fmt: skip
        """Check a good command, or one that differs in some field, a second later."""
        doc = {"v": 1, "id": "a-1", "ts_ms": NOW_MS, "ttl_s": 30, "data": {}} | fields
        self.now_s += 1.0
        return self.gate.check(
            name, json.dumps(doc).encode() if payload is None else payload, retained=retained,
            now_s=self.now_s, wall_ms=NOW_MS, clock_synced=synced,
        )  # fmt: skip


def test_good() -> None:
    """A well-formed, timely command passes with its data."""
    found = Gate().check(name="replay", data={"camera": "cam"})
    assert found == CommandIn(name="replay", id="a-1", data={"camera": "cam"})


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ts_ms": NOW_MS - 31_000}, "expired"),
        ({"ts_ms": NOW_MS + 31_000}, "ahead"),
        ({"retained": True}, "retained"),
        ({"synced": False}, "clock-unsynchronised"),
    ],
)
def test_untimely(fields, why) -> None:
    """A command for another time is refused, with its id."""
    assert Gate().check(**fields) == Refused(why, "a-1")


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""}, {"id": "x" * 65}, {"id": "a/b"}, {"id": 7}, {"v": 2}, {"ttl_s": 0},
        {"ttl_s": -1}, {"ttl_s": 301}, {"ts_ms": "now"}, {"data": []}, {"id": "a\n"},
    ],
)  # fmt: skip
def test_malformed(fields) -> None:
    """A command of another form is refused, and nothing of it is given back."""
    assert Gate().check(**fields) == Refused("bad-message")


def test_ping_without_clock() -> None:
    """Without a synchronised clock only `ping` passes."""
    assert isinstance(Gate().check(name="ping", synced=False), CommandIn)


def test_repeated() -> None:
    """An id is good once for each command."""
    gate = Gate()
    assert isinstance(gate.check(), CommandIn)
    assert gate.check() == Refused("replayed", "a-1")
    assert isinstance(gate.check(name="resume"), CommandIn)


def test_too_large() -> None:
    """Size is looked at before anything else."""
    assert Gate().check(b" " * (MAX_BYTES + 1)) == Refused("too-large")


def test_rate() -> None:
    """More commands than the rate allows are refused, and the next second is good again."""
    gate = Gate()
    found = [
        gate.gate.check(
            "ping", b'{"v":1,"id":"i%d","ts_ms":%d}' % (i, NOW_MS), retained=False, now_s=0.0,
            wall_ms=NOW_MS, clock_synced=True,
        )
        for i in range(BURST + 10)
    ]  # fmt: skip
    assert found[BURST:] == [Refused("rate-limited")] * 10
    assert isinstance(gate.check(), CommandIn)


def test_memory_is_bounded() -> None:
    """Ids are forgotten when their command could only be refused as expired."""
    gate = CommandGate()
    for i in range(20_000):
        gate.check(
            "ping", b'{"v":1,"id":"i%d","ts_ms":%d}' % (i, NOW_MS), retained=False,
            now_s=float(i), wall_ms=NOW_MS, clock_synced=True,
        )  # fmt: skip
    assert len(gate._seen) <= 4096


@given(st.binary(max_size=400))
def test_any_bytes(payload) -> None:
    """Whatever bytes come, the answer is a refusal or a command, never an exception."""
    assert isinstance(Gate().check(payload), CommandIn | Refused)


@given(st.recursive(st.none() | st.text(), st.lists, max_leaves=20))
def test_depth(value) -> None:
    """The depth of valid JSON is that of its lists."""

    def depth(item: object) -> int:
        return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0

    assert json_depth(msgspec.json.encode(value)) == depth(value)
