"""Sees to it that a command is done once, however often it is handed over.

An uplink that dies between handing a command on and acknowledging it to the broker gets it
again when it is back, and has forgotten it.  The engine outlives it and has not: it gives
the reply that it gave before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from edged.transport.ipc import CommandIn
from edged.transport.wire import Command, ReplyDoc

READS: frozenset[Command] = frozenset({"ping", "diagnostics"})
"""Done each time anew: an old answer would mislead, and a second one harms nobody."""
_KEPT = 64
"""Replies; the largest, a purge's receipt, is a few tens of kB."""


class Once:
    """Does commands of the broker; used by one thread.

    Args:
        do: does one.
    """

    def __init__(self, do: Callable[[CommandIn], ReplyDoc]) -> None:
        self._do = do
        self._done: OrderedDict[tuple[Command, str], ReplyDoc] = OrderedDict()

    def __call__(self, command: CommandIn) -> ReplyDoc:
        """The reply, which is the first one of this name and id."""
        if command.name in READS:
            return self._do(command)
        key = (command.name, command.id)
        if key not in self._done:
            while len(self._done) >= _KEPT:
                self._done.popitem(last=False)
            self._done[key] = self._do(command)
        return self._done[key]
