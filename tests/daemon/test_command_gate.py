"""Which commands reach the engine."""

from __future__ import annotations

import json
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.daemon.command_gate import BURST, MAX_BYTES, CommandGate, Refused, json_depth
from edged.daemon.command_time import MAX_AHEAD_MS, MAX_NONCES, NONCE_LIFE_S
from edged.transport.ipc import CommandIn
from edged.transport.wire import Command

NOW_MS = 1_760_000_000_000


class Gate:
    """A gate and its clocks; it was there long before the first command."""

    def __init__(self, age_s: float = 3600.0) -> None:
        self.gate = CommandGate()
        self.now_s, self.set_by_ms = age_s, 0
        self.gate.see_clocks(NOW_MS - round(age_s * 1000), 0.0)

    @property
    def wall_ms(self) -> int:
        """The wall clock stands still for the reader, and moves on behind the scenes."""
        return NOW_MS + self.set_by_ms

    def check(
        self, payload: bytes | None = None, *, name: str = "pause", retained: bool = False,
        synced: bool = True, **fields: object,
    ) -> CommandIn | Refused:  # fmt: skip
        """Check a good command, or one that differs in some field, half a second later."""
        doc = {"v": 1, "id": "a-1", "ts_ms": self.wall_ms, "ttl_s": 30, "data": {}} | fields
        self.now_s += 0.5
        self.set_by_ms += 500
        return self.gate.check(
            name, json.dumps(doc).encode() if payload is None else payload, retained=retained,
            now_s=self.now_s, wall_ms=self.wall_ms, clock_synced=synced,
        )  # fmt: skip


def asked(found: CommandIn | Refused) -> str:
    """The nonce of a challenge."""
    assert isinstance(found, Refused), found
    assert found.why == "challenge", found
    assert found.nonce
    return found.nonce


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
    ],
)
def test_untimely(fields, why) -> None:
    """A command for another time is refused, with its id."""
    assert Gate().check(**fields) == Refused(why, "a-1")


@pytest.mark.parametrize(
    "fields",
    [
        {"ts_ms": 10**400},
        {"ts_ms": -1},
        {"id": ""}, {"id": "x" * 65}, {"id": "a/b"}, {"id": 7}, {"v": 2}, {"ttl_s": 0},
        {"ttl_s": -1}, {"ttl_s": 301}, {"ts_ms": "now"}, {"data": []}, {"id": "a\n"},
    ],
)  # fmt: skip
def test_malformed(fields) -> None:
    """A command of another form is refused, and nothing of it is given back."""
    assert Gate().check(**fields) == Refused("bad-message")


def test_ping_without_clock() -> None:
    """Without a synchronised clock `ping` passes as it is."""
    assert isinstance(Gate().check(name="ping", synced=False), CommandIn)


@pytest.mark.parametrize("name", [name for name in get_args(Command) if name != "ping"])
def test_a_challenge_stands_in_for_the_time(name) -> None:
    """Without a synchronised clock a command passes when it comes again with its nonce, once."""
    gate = Gate()
    nonce = asked(gate.check(name=name, synced=False, ts_ms=5))
    again = {"name": name, "synced": False, "ts_ms": 5, "nonce": nonce}
    assert isinstance(gate.check(**again), CommandIn)
    assert gate.check(**again) == Refused("replayed", "a-1")


@pytest.mark.parametrize(
    "other", [{"id": "a-2"}, {"name": "resume"}, {"nonce": "x"}, {"nonce": "\u00e9"}]
)
def test_a_nonce_is_one_commands(other) -> None:
    """With another id, name or nonce it is refused, and a wrong guess voids it."""
    gate = Gate()
    given = {"synced": False, "nonce": asked(gate.check(synced=False))}
    assert gate.check(**given | other).why == "bad-nonce"
    if "nonce" in other:
        assert gate.check(**given).why == "bad-nonce"


def test_a_nonce_lives_a_minute() -> None:
    """An answer that comes later is refused, and asked for anew."""
    gate = Gate()
    nonce = asked(gate.check(synced=False))
    gate.now_s += NONCE_LIFE_S
    assert gate.check(synced=False, nonce=nonce).why == "bad-nonce"
    assert asked(gate.check(synced=False)) != nonce


def test_challenges_are_bounded() -> None:
    """A crowd of commands keeps no more than so many nonces, the newest."""
    gate = Gate()
    nonces = [asked(gate.check(synced=False, id=f"i{n}")) for n in range(3 * MAX_NONCES)]
    assert len(gate.gate._nonces._open) == MAX_NONCES
    assert isinstance(gate.check(synced=False, id="i191", nonce=nonces[191]), CommandIn)
    assert gate.check(synced=False, id="i0", nonce=nonces[0]).why == "bad-nonce"


def test_a_new_uplink_trusts_no_time_from_before_it() -> None:
    """A command that the uplink before may have done is asked back for, one of later is not."""
    gate = Gate(age_s=10.0)
    before, after = NOW_MS - 10_000, NOW_MS - 10_000 + MAX_AHEAD_MS
    asked(gate.check(ts_ms=before))
    asked(gate.check(ts_ms=after))  # its sender's clock may be so much ahead
    assert isinstance(gate.check(ts_ms=after + 1), CommandIn)


@pytest.mark.parametrize("step_ms", [-3_600_000, -5_000, 5_000, 3_600_000])
def test_a_set_clock_makes_times_doubtful(step_ms) -> None:
    """After a step of the clock, to either side, ids that are forgotten can not come again."""
    gate = Gate()
    assert isinstance(gate.check(), CommandIn)
    done_ms = NOW_MS
    gate.set_by_ms += step_ms
    gate.now_s += 600.0  # the id is forgotten
    gate.set_by_ms += 600_000
    replayed = gate.check(ts_ms=done_ms, ttl_s=300)
    assert isinstance(replayed, Refused)
    assert replayed.why in ("expired", "ahead", "challenge")


@given(st.lists(st.tuples(
    st.floats(0.0, 400.0), st.integers(-400_000, 400_000), st.booleans(), st.booleans(),
    st.sampled_from(["a", "b"]), st.integers(-40_000, 340_000), st.booleans(),
), max_size=30))  # fmt: skip
def test_no_command_is_done_twice(steps) -> None:
    """Whatever clocks do and uplinks die, one message is never taken twice without a new nonce."""
    gate, now_s, wall_ms, done = CommandGate(), 0.0, NOW_MS, set()
    gate.see_clocks(wall_ms, now_s)
    for wait_s, step_ms, synced, dies, its_id, ahead_ms, steps_clock in steps:
        now_s += wait_s
        wall_ms += round(wait_s * 1000) + (step_ms if steps_clock else 0)
        if dies:
            gate = CommandGate()
            gate.see_clocks(wall_ms, now_s)
        message = (its_id, NOW_MS + ahead_ms)
        payload = b'{"v":1,"id":"%s","ts_ms":%d,"ttl_s":300}' % (its_id.encode(), message[1])
        found = gate.check(
            "pause", payload, retained=False, now_s=now_s, wall_ms=wall_ms, clock_synced=synced
        )
        if isinstance(found, CommandIn):
            assert message not in done
            done.add(message)


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
    """More commands than the rate allows are refused, and half a second later one is good again.

    A small one learns its id; a large one is not read for it.
    """
    gate = Gate()
    found = [
        gate.gate.check(
            "ping", b'{"v":1,"id":"i%d","ts_ms":%d}' % (i, NOW_MS), retained=False,
            now_s=gate.now_s, wall_ms=NOW_MS, clock_synced=True,
        )
        for i in range(BURST + 10)
    ]  # fmt: skip
    assert found[BURST:] == [Refused("rate-limited", f"i{BURST + i}") for i in range(10)]
    large = b'{"v":1,"id":"x","ts_ms":%d,"data":{"a":"%s"}}' % (NOW_MS, b"x" * 5000)
    late = gate.gate.check(
        "ping", large, retained=False, now_s=gate.now_s, wall_ms=NOW_MS, clock_synced=True
    )
    assert late == Refused("rate-limited")
    assert isinstance(gate.check(), CommandIn)


def test_memory_is_bounded() -> None:
    """Ids are forgotten when their command could only be refused as expired."""
    gate = CommandGate()
    for i in range(20_000):
        gate.check(
            "ping", b'{"v":1,"id":"i%d","ts_ms":%d}' % (i, NOW_MS), retained=False,
            now_s=i / 10, wall_ms=NOW_MS, clock_synced=True,
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
