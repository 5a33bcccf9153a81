"""Decides which commands from the broker reach the engine.

Everything about a command is hostile until it has passed here: size, nesting, name,
id, age, repetition, rate.  What is refused is answered with a fixed word; nothing of the
message but a well-formed id is ever given back.

Sans I/O.  Knows what a command looks like and not what it does.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Literal

import msgspec

from edged.transport.ipc import CommandIn
from edged.transport.wire import VERSION, Command, CommandDoc

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_TTL_S = 300.0
"""Longest life of a command; a longer `ttl_s` is refused."""
MAX_AHEAD_S = 30.0
"""How far the sender's clock may be ahead of ours."""
RATE_PER_S = 5.0
BURST = 20
_REMEMBERED = 4096
"""More ids than the rate lets through while one lives: 300 s * 5/s + 20, and some."""
_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")

Refusal = Literal[
    "retained", "too-large", "bad-message", "expired", "ahead", "replayed", "rate-limited",
    "clock-unsynchronised",
]  # fmt: skip


class Refused(msgspec.Struct, frozen=True):
    """Why a command does not go further.

    Attributes:
        why: the fixed word for the reply.
        id: the command's id where it had a well-formed one, else "".
    """

    why: Refusal
    id: str = ""


class CommandGate:
    """Checks one command after the other, with a bounded memory of ids."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], int] = OrderedDict()  # -> forget at, ms
        self._tokens = float(BURST)
        self._refilled_s = 0.0

    def check(
        self, name: Command, payload: bytes, *, retained: bool, now_s: float, wall_ms: int,
        clock_synced: bool,
    ) -> CommandIn | Refused:  # fmt: skip
        """The command to forward, or why not.

        Args:
            name: from the topic, one of the allow-list.
            payload: as it came.
            retained: the broker had kept it: it was meant for another time.
            now_s: monotonic time, s.
            wall_ms: wall clock, ms since the epoch.
            clock_synced: without it ages mean nothing, and only `ping` passes.
        """
        doc = _parse(payload) if self._has_token(now_s) else Refused("rate-limited")
        if isinstance(doc, Refused):
            return doc
        key = (name, doc.id)
        why: Refusal | None = None
        if retained:
            why = "retained"
        elif key in self._seen:
            why = "replayed"
        elif clock_synced:
            why = _age(doc, wall_ms)
        elif name != "ping":
            why = "clock-unsynchronised"
        if why is not None:
            return Refused(why, doc.id)
        self._remember(key, wall_ms)
        return CommandIn(name=name, id=doc.id, data=doc.data)

    def _remember(self, key: tuple[str, str], wall_ms: int) -> None:
        # Entries are in order of arrival and all live equally long, so old ones lead.
        while self._seen and next(iter(self._seen.values())) < wall_ms:
            self._seen.popitem(last=False)
        while len(self._seen) >= _REMEMBERED:
            self._seen.popitem(last=False)
        self._seen[key] = wall_ms + int((MAX_TTL_S + MAX_AHEAD_S) * 1000)

    def _has_token(self, now_s: float) -> bool:
        passed_s = max(0.0, now_s - self._refilled_s)
        self._tokens = min(BURST, self._tokens + passed_s * RATE_PER_S)
        self._refilled_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


def _parse(payload: bytes) -> CommandDoc | Refused:
    if len(payload) > MAX_BYTES:
        return Refused("too-large")
    if json_depth(payload) > MAX_DEPTH:
        return Refused("bad-message")
    try:
        doc = msgspec.json.decode(payload, type=CommandDoc)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refused("bad-message")
    if _ID.fullmatch(doc.id) is None or doc.v != VERSION or not 0 < doc.ttl_s <= MAX_TTL_S:
        return Refused("bad-message")
    return doc


def _age(doc: CommandDoc, wall_ms: int) -> Literal["expired", "ahead"] | None:
    if wall_ms > doc.ts_ms + doc.ttl_s * 1000:
        return "expired"
    if doc.ts_ms > wall_ms + MAX_AHEAD_S * 1000:
        return "ahead"
    return None


def json_depth(payload: bytes) -> int:
    """Deepest nesting of brackets outside strings, whether or not it is valid JSON."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in payload:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:  # backslash
                escaped = True
            elif byte == 0x22:  # quote
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
