"""Token buckets, one a client, in a bounded table.

Knows no sockets; a client is a key.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class RateLimiter:
    """Lets each client do `burst` things at once and `rate_per_s` in the long run.

    Not safe for several threads; its owner is one.

    Args:
        rate_per_s: tokens that a bucket gains.
        burst: tokens that a bucket holds.
        clients: buckets remembered; the least recently used one is forgotten, and its
            client begins with a full one again.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        rate_per_s: float,
        burst: int,
        *,
        clients: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._clients = clients
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def allow(self, client: Hashable) -> bool:
        """Take a token from the client's bucket; False when it has none."""
        now = self._clock()
        tokens, then = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate_per_s)
        allowed = tokens >= 1.0
        self._buckets[client] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return allowed

    def __len__(self) -> int:
        return len(self._buckets)
