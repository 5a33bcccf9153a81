"""The uplink process: the only one of edged with a network.

Feeds what happens on two sockets, the engine's `egress.sock` and the broker's, to
:class:`edged.daemon.uplink_state.LinkState` and does what it says.  Imports no image
code and opens no frame socket and no database: what can cross is what
:mod:`edged.transport.ipc` can express.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress

import zmq

from edged.daemon import uplink_events as do
from edged.daemon.engine_socket import EngineSocket
from edged.daemon.uplink_state import LinkState
from edged.transport.broker import BrokerLink
from edged.transport.clock import clock_synced, wall_ms
from edged.transport.link import Publish, UplinkSettings
from edged.transport.notify import Notifier
from edged.transport.topics import Topics

log = logging.getLogger(__name__)


class Uplink:
    """One uplink, from start to clean stop.

    Args:
        settings: of the broker's link; checked here.
        engine_endpoint: `ipc://` of the engine's egress socket.
        synced: whether the wall clock can be believed; by default the kernel's word,
            or yes where the settings say "trust".

    Raises:
        ConfigError: the settings are unsafe or name files that are not there.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        engine_endpoint: str,
        *,
        synced: Callable[[], bool] | None = None,
    ) -> None:
        if synced is None:
            synced = clock_synced if settings.clock == "check" else _always
        self._topics = Topics(settings.site, settings.device)
        self._broker = BrokerLink(settings)
        self._state = LinkState(settings, clock_synced=synced, wall_ms=wall_ms)
        self._engine_endpoint = engine_endpoint
        self._stops = 0
        self._stops_seen = 0
        self._ended = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)

    def stop(self) -> None:
        """Ask for a clean stop, from any thread or a signal handler; twice: at once."""
        self._stops += 1
        if not self._ended:  # after which the pipe is closed
            with suppress(BlockingIOError):  # full: it wakes anyway
                os.write(self._wake_write, b".")

    def run(self, notifier: Notifier | None = None) -> None:
        """Work until :meth:`stop`; may be called once."""
        notifier = notifier or Notifier({})
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        with context, closing(EngineSocket(context, self._engine_endpoint)) as engine:
            self._feed(do.Start(), engine)
            notifier.ready(self._state.summary())
            said = ""
            while not self._ended:
                self._turn(engine)
                notifier.alive()
                if (text := self._state.summary()) != said:
                    said = text
                    notifier.status(text)
            notifier.stopping()
        self._broker.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _turn(self, engine: EngineSocket) -> None:
        """Wait for something to happen and deal with it."""
        poller = zmq.Poller()
        poller.register(self._wake_read, zmq.POLLIN)
        engine.register(poller)
        broker_fd = self._broker.fileno()
        if broker_fd >= 0:
            wanted = zmq.POLLIN | (zmq.POLLOUT if self._broker.wants_write() else 0)
            poller.register(broker_fd, wanted)
        timeout_s = max(0.0, self._state.wake_at_s - time.monotonic())
        ready = dict(poller.poll(math.ceil(1000 * timeout_s)))
        if self._wake_read in ready:
            os.read(self._wake_read, 64)
        while self._stops_seen < self._stops:
            self._stops_seen += 1
            self._feed(do.Stop(), engine)
        for happened in engine.service():
            self._feed(happened, engine)
        flags = ready.get(broker_fd, 0)
        # An error or hang-up of the socket shows when it is read.
        readable = bool(flags & ~zmq.POLLOUT)
        for told in self._broker.service(readable=readable, writable=bool(flags & zmq.POLLOUT)):
            self._feed(told, engine)
        self._feed(do.Tick(), engine)

    def _feed(self, event: do.Event, engine: EngineSocket) -> None:
        for effect in self._state.feed(event, time.monotonic()):
            self._perform(effect, engine)

    def _perform(self, effect: do.Effect, engine: EngineSocket) -> None:
        if isinstance(effect, Publish):
            self._broker.publish(effect)
        elif isinstance(effect, do.Send):
            engine.send(effect.message)
        elif isinstance(effect, do.Open):
            self._broker.open(effect.protocol, self._topics.status, effect.will)
        elif isinstance(effect, do.Subscribe):
            self._broker.subscribe(effect.topic_filter)
        elif isinstance(effect, do.Close):
            self._broker.close()
        elif isinstance(effect, do.Leave):
            self._broker.leave()
        else:
            self._ended = True


def serve(settings: UplinkSettings, engine_endpoint: str) -> int:
    """Run an uplink in this process until SIGTERM or SIGINT; the exit code.

    Raises:
        ConfigError: the settings are unsafe or name files that are not there.
    """
    uplink = Uplink(settings, engine_endpoint)
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: uplink.stop())
    log.info("the uplink starts, for %s:%d", settings.host, settings.port)
    uplink.run(Notifier())
    log.info("the uplink has stopped")
    return 0


def _always() -> bool:
    return True
