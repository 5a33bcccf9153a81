"""When to connect to the broker again, and with which version of MQTT.

Sans I/O.  Knows no connection; is told how each one came about or ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from edged.transport.link import Ending, Protocol, Refused, UplinkSettings

log = logging.getLogger(__name__)

STABLE_S = 10.0
"""A connection that lasted so long, or took a row, begins the back-off anew."""
SHORT_LIVED = 5
"""Connections in a row that did not last, after which a person is told.  mosquitto 2.0.11
does not say that another client took our id over."""
TAKEN_OVER_ATTEMPT = 6
"""Back-off after another client took our id: fighting it would harm both."""
_MAX_ATTEMPT = 16


class Redial:
    """Exponential back-off with full jitter, MQTT 5 first and 3.1.1 where it must be.

    Args:
        settings: bounds of the back-off.
        jitter: gives numbers from 0 to 1.

    Attributes:
        protocol: to try next, or in use.
        at_s: monotonic time of the next attempt, s.
        refusal: why the last attempt failed, "" after a success.
    """

    def __init__(self, settings: UplinkSettings, jitter: Callable[[], float]) -> None:
        self._settings = settings
        self._jitter = jitter
        self._attempt = 0
        self._up_since_s = 0.0
        self._closed_early = 0
        self._short_lived = 0
        self._proven = False
        self.protocol: Protocol = "5"
        self.at_s = 0.0
        self.refusal = ""

    def connected(self, protocol: Protocol, now_s: float) -> None:
        """The broker took us: what worked is remembered."""
        self.protocol = protocol
        self.refusal = ""
        self._proven = True
        self._up_since_s = now_s

    def refused(self, event: Refused, now_s: float) -> None:
        """No connection came about."""
        if event.hint != self.refusal:  # say each reason once, not at every attempt
            log.warning("no connection to the broker: %s", event.hint)
        self.refusal = event.hint
        at_once = False
        if event.why == "version" or (event.why == "silent" and not self._proven):
            at_once = self.protocol == "5"
            self._switch()
        elif event.why == "closed" and not self._proven:
            # Some old brokers hang up on a version that they do not know; a broker that
            # just starts or stops hangs up too, hence the second chance.
            self._closed_early += 1
            if self._closed_early % 2 == 0:
                self._switch()
        self._wait(now_s)
        if at_once:
            self.at_s = now_s

    def ended(self, why: Ending, now_s: float) -> None:
        """A connection ended."""
        if now_s - self._up_since_s >= STABLE_S:
            self._attempt = self._short_lived = 0
        else:
            self._short_lived += 1
        if self._short_lived == SHORT_LIVED:
            log.error(
                "the broker takes us and hangs up within seconds, %d times now: another client may "
                "use the id %s, or the broker's log may say why",
                SHORT_LIVED, self._settings.device,
            )  # fmt: skip
        if why == "taken-over":
            self._attempt = max(self._attempt, TAKEN_OVER_ATTEMPT)
        self._wait(now_s)

    def took_a_row(self) -> None:
        """The connection is good for what it is there for."""
        self._attempt = 0

    def _wait(self, now_s: float) -> None:
        ceiling_s = self._settings.reconnect_min_s * 2.0**self._attempt
        self.at_s = now_s + min(ceiling_s, self._settings.reconnect_max_s) * self._jitter()
        self._attempt = min(self._attempt + 1, _MAX_ATTEMPT)

    def _switch(self) -> None:
        self.protocol = "3.1.1" if self.protocol == "5" else "5"
        log.info("trying MQTT %s", self.protocol)
