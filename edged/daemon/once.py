"""Sees to it that a command is done once, however often it is handed over.

An uplink that dies between handing a command on and acknowledging it to the broker gets it
again when it is back, and has forgotten it.  The engine outlives it and has not: it gives
the reply that it gave before.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from edged.transport.ipc import CommandIn
from edged.transport.wire import Command, ReplyDoc

READS: frozenset[Command] = frozenset({"ping", "diagnostics"})
"""Done each time anew: an old answer would mislead, and a second one harms nobody."""
_KEPT = 64
"""Replies; the largest, a purge's receipt, is a few tens of kB."""
KEPT_S = 360.0
"""Longer than a command can be sent again with the same time; an id may be used anew then, as
by somebody who gives all his commands the same one."""


class Once:
    """Does commands of the broker; used by one thread.

    Args:
        do: does one.
        clock: monotonic time, s.
    """

    def __init__(
        self, do: Callable[[CommandIn], ReplyDoc], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._do = do
        self._clock = clock
        self._done: OrderedDict[tuple[Command, str], tuple[ReplyDoc, float]] = OrderedDict()

    def __call__(self, command: CommandIn) -> ReplyDoc:
        """The reply, which is the first one of this name and id."""
        if command.name in READS:
            return self._do(command)
        key, now_s = (command.name, command.id), self._clock()
        while self._done and now_s > next(iter(self._done.values()))[1] + KEPT_S:
            self._done.popitem(last=False)
        if key not in self._done:
            while len(self._done) >= _KEPT:
                self._done.popitem(last=False)
            self._done[key] = self._do(command), now_s
        return self._done[key][0]
