"""Decides which commands from the broker reach the engine.

Everything about a command is hostile until it has passed here: size, nesting, name,
id, age, repetition, rate.  What is refused is answered with a fixed word; nothing of the
message but a well-formed id is ever given back.  A command whose time cannot say that it is
new is asked back for (:mod:`edged.daemon.command_time`).

Sans I/O.  Knows what a command looks like and not what it does.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Literal

import msgspec

from edged.daemon.command_time import MAX_AHEAD_MS, Horizon, Nonces
from edged.transport.ipc import CommandIn
from edged.transport.wire import VERSION, Command, CommandDoc

MAX_BYTES = 64 * 1024
MAX_DEPTH = 16
MAX_TTL_S = 300.0
"""Longest life of a command; a longer `ttl_s` is refused."""
RATE_PER_S = 5.0
BURST = 20
_CHEAP_BYTES = 4096
"""A message above the rate is looked into for its id only where that costs nothing."""
_REMEMBERED = 4096
"""More ids than the rate lets through while one lives: 330 s * 5/s + 20, and some."""
_LIVES_S = MAX_TTL_S + MAX_AHEAD_MS / 1000
TIMELESS: frozenset[Command] = frozenset({"ping"})
"""Commands that an old or repeated one of does no harm."""
_ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")

Refusal = Literal[
    "retained", "too-large", "bad-message", "expired", "ahead", "replayed", "rate-limited",
    "challenge", "bad-nonce",
]  # fmt: skip


class Refused(msgspec.Struct, frozen=True):
    """Why a command does not go further.

    Attributes:
        why: the fixed word for the reply.
        id: the command's id where it had a well-formed one, else "".
        nonce: for a "challenge".
    """

    why: Refusal
    id: str = ""
    nonce: str = ""


class CommandGate:
    """Checks one command after the other, with a bounded memory of ids."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()  # -> forget at, s
        self._tokens = float(BURST)
        self._refilled_s = 0.0
        self._horizon = Horizon()
        self._nonces = Nonces()

    def see_clocks(self, wall_ms: int, now_s: float) -> None:
        """Look at both clocks, at the start and about once a second.

        Args:
            wall_ms: wall clock, ms since the epoch.
            now_s: monotonic time, s.
        """
        self._horizon.see(wall_ms, now_s)

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
            clock_synced: without it ages mean nothing, and a nonce is asked for.
        """
        self.see_clocks(wall_ms, now_s)
        in_rate = self._has_token(now_s)
        if not in_rate and len(payload) > _CHEAP_BYTES:
            return Refused("rate-limited")
        doc = _parse(payload)
        if isinstance(doc, Refused):
            return doc
        if not in_rate:  # said to whom it concerns, as the sender may be an honest one
            return Refused("rate-limited", doc.id)
        key = (name, doc.id)
        why: Refusal | None = None
        if retained:
            why = "retained"
        elif self._remembers(key, now_s):
            why = "replayed"
        elif doc.nonce:
            why = None if self._nonces.redeem(key, doc.nonce, now_s) else "bad-nonce"
        else:
            why = self._untimely(name, doc, wall_ms if clock_synced else None)
        if why is not None:
            nonce = self._nonces.ask(key, now_s) if why == "challenge" else ""
            return Refused(why, doc.id, nonce)
        self._remember(key, now_s)
        return CommandIn(name=name, id=doc.id, data=doc.data)

    def _untimely(self, name: Command, doc: CommandDoc, wall_ms: int | None) -> Refusal | None:
        """What its time says against a command; None for `wall_ms` means that nobody knows."""
        why: Refusal | None = None if wall_ms is None else _age(doc, wall_ms)
        doubtful = wall_ms is None or doc.ts_ms <= self._horizon.ms
        return "challenge" if why is None and doubtful and name not in TIMELESS else why

    def _remembers(self, key: tuple[str, str], now_s: float) -> bool:
        # Entries are in order of arrival and all live equally long, so old ones lead.
        while self._seen and next(iter(self._seen.values())) < now_s:
            self._seen.popitem(last=False)
        return key in self._seen

    def _remember(self, key: tuple[str, str], now_s: float) -> None:
        while len(self._seen) >= _REMEMBERED:
            self._seen.popitem(last=False)
        self._seen[key] = now_s + _LIVES_S

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
    if doc.ts_ms > wall_ms + MAX_AHEAD_MS:
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
