"""Takes commands in and sees to it that each is answered once.

A command that passes the gate is given to the engine; one that does not, and one that
the engine does not answer in time, is answered here, and told as an event.  Sans I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from edged.daemon.command_gate import CommandGate, Refused
from edged.daemon.command_words import refusal
from edged.transport.ipc import CommandIn
from edged.transport.link import Arrived
from edged.transport.wire import Command, EventDoc

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 60.0
"""A purge of a full outbox on a slow card takes seconds."""
MAX_OPEN = 64
TELL_EVERY_S = 1.0
"""Between two events of refused commands; those between are counted in the next."""


class CommandDesk:
    """Commands between arrival and answer.

    Args:
        clock_synced: whether ages of commands mean anything.
        wall_ms: the wall clock, ms since the epoch.
    """

    def __init__(self, clock_synced: Callable[[], bool], wall_ms: Callable[[], int]) -> None:
        self._gate = CommandGate()
        self._clock_synced = clock_synced
        self._wall_ms = wall_ms
        self._open: dict[tuple[Command, str], float] = {}  # -> overdue at, s
        self._told_s = float("-inf")
        self._untold = 0
        self._events: list[bytes] = []

    def receive(
        self, name: Command, message: Arrived, *, now_s: float, engine_ready: bool
    ) -> CommandIn | bytes | None:
        """What to forward, the reply to publish at once, or None for silence."""
        found = self._gate.check(
            name,
            message.payload,
            retained=message.retained,
            now_s=now_s,
            wall_ms=self._wall_ms(),
            clock_synced=self._clock_synced(),
        )
        if isinstance(found, Refused):
            if found.why == "replayed" and message.repeated:
                return None  # the broker was not sure that we had it: QoS 1
            return self._refuse(name, found.id, found.why, now_s, found.nonce)
        if not engine_ready:
            return self._refuse(name, found.id, "engine-silent", now_s)
        if len(self._open) >= MAX_OPEN:
            return self._refuse(name, found.id, "busy", now_s)
        log.info("command %s from the broker", name)
        self._open[(name, found.id)] = now_s + ANSWER_WITHIN_S
        return found

    def answered(self, name: Command, command_id: str) -> None:
        """The engine has answered."""
        self._open.pop((name, command_id), None)

    def overdue(self, now_s: float) -> list[tuple[Command, bytes]]:
        """Replies to commands that the engine did not answer in time; call it every second."""
        self._gate.see_clocks(self._wall_ms(), now_s)
        late = [key for key, at_s in self._open.items() if now_s >= at_s]
        for key in late:
            del self._open[key]
        return [(name, self._refuse(name, its_id, "timeout", now_s)) for name, its_id in late]

    def events(self) -> list[bytes]:
        """Documents of refusals that are to be published, each once."""
        events, self._events = self._events, []
        return events

    def _refuse(
        self, name: Command, command_id: str, word: str, now_s: float, nonce: str = ""
    ) -> bytes:
        ts_ms, synced = self._wall_ms(), self._clock_synced()
        if not nonce:  # to ask back is no refusal yet
            log.warning("a command %s was refused: %s", name, word)
            self._tell(name, command_id, word, now_s)
        return refusal(
            command_id,
            word,
            ts_ms=ts_ms,
            clock_synced=synced,
            data={"nonce": nonce} if nonce else None,
        )

    def _tell(self, name: Command, command_id: str, word: str, now_s: float) -> None:
        if now_s - self._told_s < TELL_EVERY_S:
            self._untold += 1
            return
        data: dict[str, object] = {"who": "broker", "name": name, "id": command_id, "outcome": word}
        if self._untold:
            data["also"] = self._untold
        self._told_s, self._untold = now_s, 0
        doc = EventDoc(
            ts_ms=self._wall_ms(),
            clock_synced=self._clock_synced(),
            event="command-refused",
            reason=name,
            data=data,
        )
        self._events.append(msgspec.json.encode(doc))
