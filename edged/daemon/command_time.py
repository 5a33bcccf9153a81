"""Whether the time of a command can say that it is new, and what stands in where it cannot.

A command's id is remembered by the uplink that took it, and its time says for how long that
matters.  Two things break this: a clock that cannot be believed, and a memory that is gone
because the uplink began anew.  Then the device asks back with a nonce, and does the command
when it comes again with it.  Sans I/O; knows no command.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict

MAX_AHEAD_MS = 30_000
"""How far a sender's clock may be ahead of ours."""
STEP_MS = 1000
"""A wall clock that moved so much against the monotonic one was set.  Slewing moves both."""
NONCE_LIFE_S = 60.0
MAX_NONCES = 64
"""Commands that may be asked back for at a time; the oldest give way."""

Key = tuple[str, str]
"""Name and id of a command."""


class Horizon:
    """Up to which time commands may have been done that this process does not remember.

    That is the time of its start, and that of each step of the clock: after a step to the
    past the same times come again.  In both cases with the error that a sender's clock is
    allowed on top.

    Attributes:
        ms: wall clock; the time of later commands counts.
    """

    def __init__(self) -> None:
        self._offset_ms: int | None = None
        self._highest_ms = 0
        self.ms = 0

    def see(self, wall_ms: int, now_s: float) -> None:
        """Look at both clocks; at the start and about once a second.

        Args:
            wall_ms: wall clock, ms since the epoch.
            now_s: monotonic time, s.
        """
        offset_ms = wall_ms - round(now_s * 1000)
        self._highest_ms = max(self._highest_ms, wall_ms)
        if self._offset_ms is None or abs(offset_ms - self._offset_ms) > STEP_MS:
            self.ms = self._highest_ms + MAX_AHEAD_MS
        self._offset_ms = offset_ms


class Nonces:
    """One-time numbers, each good for one command and a minute."""

    def __init__(self) -> None:
        self._open: OrderedDict[Key, tuple[str, float]] = OrderedDict()

    def ask(self, key: Key, now_s: float) -> str:
        """A new nonce for a command; one that was given for it before is void.

        Args:
            key: name and id of the command.
            now_s: monotonic time, s.
        """
        nonce = secrets.token_urlsafe(18)
        self._open.pop(key, None)
        while len(self._open) >= MAX_NONCES:
            self._open.popitem(last=False)
        self._open[key] = (nonce, now_s + NONCE_LIFE_S)
        return nonce

    def redeem(self, key: Key, nonce: str, now_s: float) -> bool:
        """Whether a nonce is the command's; right or wrong, it is void after this.

        Args:
            key: name and id of the command.
            nonce: as it came.
            now_s: monotonic time, s.
        """
        good, until_s = self._open.pop(key, ("", 0.0))
        return bool(good) and now_s < until_s and hmac.compare_digest(good.encode(), nonce.encode())
