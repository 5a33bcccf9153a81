"""A network between device and broker that breaks, stalls, crawls and lies."""

from __future__ import annotations

import time

from faults.kinds import Kind


def cut(site, chance):
    """Broken off within a packet, and away for a while."""
    before = site.proxy.cuts
    site.proxy.cut_after(chance.randrange(1, 40_000))
    site.until(lambda: site.proxy.cuts > before, 15, "the device sends")
    time.sleep(chance.uniform(0.0, 1.0))
    site.proxy.heal()


def swallow(site, chance):
    """Half open until the device notices by itself, and a while longer."""
    before = site.proxy.accepted
    site.proxy.half_open()
    site.until(lambda: site.proxy.accepted > before, 15, "the device gives the silence up")
    time.sleep(chance.uniform(0.0, 0.5))
    site.proxy.heal()


def stall(site, chance):
    """Not a byte moves for longer than the keepalive; then all of them arrive at once."""
    site.proxy.stall()
    time.sleep(chance.uniform(2.5, 4.0))
    site.proxy.heal()


def crawl(site, chance):
    """A link that takes seconds for a picture."""
    site.proxy.slow(chance.uniform(8_000, 40_000))
    time.sleep(chance.uniform(2.0, 3.0))
    site.proxy.heal()


def garble(site, chance):
    """Bytes change on the way.  TLS, because plain TCP is for the loopback address alone."""
    up, down = chance.choice(((True, False), (False, True), (True, True)))
    site.proxy.garble(chance.randrange(200, 20_000), up=up, down=down)
    time.sleep(chance.uniform(1.0, 2.0))
    site.proxy.heal()


def flap(site, chance):
    """Ten quick cuts."""
    for _ in range(10):
        site.proxy.drop()
        time.sleep(chance.uniform(0.02, 0.3))


KINDS = (
    Kind("network cut within a packet", cut),
    Kind("network half open", swallow),
    Kind("network stalled beyond the keepalive", stall, short=False),
    Kind("slow link", crawl, short=False),
    Kind("bytes garbled on the way", garble, broker="tls"),
    Kind("network flaps ten times", flap),
)
