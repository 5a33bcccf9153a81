"""Takes commands in and sees to it that each is answered once.

A command that passes the gate is given to the engine; one that does not, and one that
the engine does not answer in time, is answered here.  Sans I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from edged.daemon.command_gate import CommandGate, Refused
from edged.transport.ipc import CommandIn
from edged.transport.link import Arrived
from edged.transport.wire import Command, ReplyDoc

log = logging.getLogger(__name__)

ANSWER_WITHIN_S = 60.0
"""A purge of a full outbox on a slow card takes seconds."""
MAX_OPEN = 64


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
            log.warning("a command %s was refused: %s", name, found.why)
            return self._error(found.id, found.why)
        if not engine_ready:
            return self._error(found.id, "engine-silent")
        if len(self._open) >= MAX_OPEN:
            return self._error(found.id, "busy")
        log.info("command %s from the broker", name)
        self._open[(name, found.id)] = now_s + ANSWER_WITHIN_S
        return found

    def answered(self, name: Command, command_id: str) -> None:
        """The engine has answered."""
        self._open.pop((name, command_id), None)

    def overdue(self, now_s: float) -> list[tuple[Command, bytes]]:
        """Replies to commands that the engine did not answer in time."""
        late = [key for key, at_s in self._open.items() if now_s >= at_s]
        for key in late:
            del self._open[key]
        return [(name, self._error(command_id, "timeout")) for name, command_id in late]

    def _error(self, command_id: str, error: str) -> bytes:
        return msgspec.json.encode(
            ReplyDoc(
                id=command_id,
                ts_ms=self._wall_ms(),
                clock_synced=self._clock_synced(),
                status="error",
                error=error,
            )
        )
