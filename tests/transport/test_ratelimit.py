"""Token buckets: bursts, the long run, and a bounded table."""

from __future__ import annotations

from edged.transport.ratelimit import RateLimiter


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_burst_then_rate():
    """A client may do a burst at once and the rate from then on."""
    clock = Clock()
    limiter = RateLimiter(10, 3, clients=8, clock=clock)
    assert [limiter.allow("a") for _ in range(4)] == [True] * 3 + [False]
    clock.now = 0.1
    assert [limiter.allow("a") for _ in range(2)] == [True, False]
    clock.now = 1000
    assert [limiter.allow("a") for _ in range(4)] == [True] * 3 + [False]


def test_clients_do_not_spend_each_others_tokens():
    """One client at its limit leaves the others theirs."""
    limiter = RateLimiter(1, 1, clients=8, clock=Clock())
    assert limiter.allow("a")
    assert not limiter.allow("a")
    assert limiter.allow("b")


def test_table_is_bounded_and_forgets_the_least_recent():
    """A thousand clients leave a table of eight, in which the busy one still is."""
    limiter = RateLimiter(1, 1, clients=8, clock=Clock())
    limiter.allow("busy")
    for n in range(1000):
        limiter.allow(n)
        assert not limiter.allow("busy")
    assert len(limiter) == 8
