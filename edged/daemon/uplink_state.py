"""The uplink's link to the engine and to the broker, as a state machine without I/O.

Events go in with :meth:`LinkState.feed`, effects come out in the order in which they are
to be done.  The phases of the broker's side:

    waiting --(back-off over)--> opening --Connected--> up --Lost--> waiting
                                    `-------Refused--------------------^
    any --Stop--> stopping (up only, until `offline` is acknowledged) --> ended

Each connection to the broker and each engine that is found begins with a `hello`, after which the
engine hands its rows out as if nothing had been sent: at least once, never less.

Knows no socket, no library and no clock: time comes in with each event.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from edged.daemon.command_desk import CommandDesk
from edged.daemon.engine_hail import BEAT_S, EngineHail
from edged.daemon.redial import Redial
from edged.daemon.status_board import StatusBoard
from edged.daemon.uplink_docs import DocBook
from edged.daemon.uplink_events import (
    Close,
    Effect,
    Ended,
    EngineFound,
    EngineGone,
    Event,
    FromEngine,
    Leave,
    Open,
    Send,
    Start,
    Stop,
    Subscribe,
    Tick,
)
from edged.daemon.uplink_rows import RowBook
from edged.transport.ipc import (
    CommandIn,
    DocOut,
    ReplyOut,
    RowAck,
    RowAside,
    RowOut,
)
from edged.transport.link import (
    Acked,
    Arrived,
    Connected,
    Ending,
    Lost,
    Publish,
    Refused,
    Subscribed,
    UplinkSettings,
)
from edged.transport.topics import Topics

log = logging.getLogger(__name__)

STOP_S = 2.0
"""Longest wait for the last acknowledgements at a clean stop."""
_MAX_EVENTS = 64


class LinkState:
    """The state of both links.

    Args:
        settings: of the link.
        clock_synced: whether the wall clock can be believed.
        wall_ms: the wall clock, ms since the epoch.
        jitter: gives numbers from 0 to 1 for the back-off.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        *,
        clock_synced: Callable[[], bool],
        wall_ms: Callable[[], int],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._topics = Topics(settings.site, settings.device)
        self._redial = Redial(settings, jitter)
        self._hail = EngineHail(settings.inflight_rows)
        self._rows = RowBook(self._topics, self._next_token)
        self._board = StatusBoard(settings.engine_silent_s, clock_synced, wall_ms)
        self._desk = CommandDesk(clock_synced, wall_ms)
        self._events: deque[bytes] = deque(maxlen=_MAX_EVENTS)
        self._docs = DocBook(self._next_token)
        self._token = 0
        self._effects: list[Effect] = []
        self._now_s = 0.0
        self.phase = "waiting"
        self._give_up_at_s = 0.0
        self._limit_bytes = 0
        self._farewell = 0
        self._stop_at_s = 0.0
        self._published = 0
        self._reconnects = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            Start: self._on_start,
            Tick: self._on_tick,
            Stop: self._on_stop,
            Connected: self._on_connected,
            Refused: self._on_refused,
            Lost: self._on_lost,
            Acked: self._on_acked,
            Subscribed: self._on_subscribed,
            Arrived: self._on_arrived,
            EngineFound: self._on_engine_found,
            EngineGone: self._on_engine_gone,
            FromEngine: self._on_engine,
        }

    def feed(self, event: Event, now_s: float) -> list[Effect]:
        """What to do about an event.

        Args:
            event: what happened.
            now_s: monotonic time, s; never runs backwards.
        """
        self._now_s = now_s
        self._effects = []
        if self.phase != "ended":
            self._handlers[type(event)](event)
        if self.phase != "ended":
            self._pass_time()
        return self._effects

    @property
    def wake_at_s(self) -> float:
        """Monotonic time at which a :class:`Tick` is due if nothing else happens, s."""
        at_s = self._now_s + BEAT_S
        if self.phase == "waiting":
            at_s = min(at_s, self._redial.at_s)
        return at_s

    def summary(self) -> str:
        """One line for the service manager."""
        broker = f"{self._settings.host}:{self._settings.port}"
        if self.phase == "up":
            return f"connected to {broker} with MQTT {self._redial.protocol}; {self._board.words()}"
        return f"no connection to {broker}; {self._redial.refusal or 'connecting'}"

    def _on_start(self, _event: Start) -> None:
        self._board.begin(self._now_s)

    def _on_tick(self, _event: Tick) -> None:
        """Time passes after every event."""

    # -- the broker -------------------------------------------------------------------

    def _on_connected(self, event: Connected) -> None:
        if self.phase != "opening":
            return
        self.phase = "up"
        self._redial.connected(event.protocol, self._now_s)
        assumed = self._settings.max_packet_bytes if event.protocol == "3.1.1" else 0
        self._limit_bytes = self._docs.limit_bytes = event.max_packet_bytes or assumed
        self._hail.broker_up(
            session_present=event.session_present,
            protocol=event.protocol,
            limit_bytes=self._limit_bytes,
        )
        log.info(
            "connected to the broker with MQTT %s; it %s our session",
            event.protocol, "kept" if event.session_present else "does not know",
        )  # fmt: skip
        if not event.session_present and self._settings.session_expiry_s:
            self._rows.acquit()
        self._hello()  # first: what the broker lost must reach the engine whatever comes
        self._do(Subscribe(self._topics.commands))
        if self._board.info:
            self._publish_doc(self._topics.doc("info"), self._board.info, retain=True)
        while self._events:
            self._publish_doc(self._topics.doc("event"), self._events.popleft())

    def _on_refused(self, event: Refused) -> None:
        if self.phase != "opening":
            return
        self._redial.refused(event, self._now_s)
        self.phase = "waiting"
        if event.why == "unreachable":
            self._rows.acquit()

    def _on_subscribed(self, event: Subscribed) -> None:
        if not event.granted:
            log.error("the broker refuses %s: no commands arrive", self._topics.commands)

    def _on_lost(self, event: Lost) -> None:
        if self.phase == "stopping":
            self._end()
            return
        if self.phase != "up":
            return
        if event.why == "taken-over":
            log.error(
                "another client uses the id %s at this broker; give each device its own name",
                self._settings.device,
            )
        else:
            log.warning("the connection to the broker ended (%s)", event.why)
        self._drop(event.why)

    def _drop(self, why: Ending) -> None:
        self._reconnects += 1
        self._rows.lost(why)
        self._docs.forget()
        self._redial.ended(why, self._now_s)
        self._hail.broker_down()
        self.phase = "waiting"
        self._hello()

    def _open(self) -> None:
        self.phase = "opening"
        # A thread that hangs in the resolver or a broker that never answers CONNECT
        self._give_up_at_s = self._now_s + 4 * self._settings.connect_timeout_s
        self._do(Open(self._redial.protocol, self._board.offline("connection-lost")))

    def _on_acked(self, event: Acked) -> None:
        if self._docs.holds(event.token):
            taken = self._docs.acked(event.token, event.code, self._now_s)
            if not taken:  # some brokers hang up as well
                self._rows.explain()
            if event.token == self._farewell:
                self._farewell = 0
            return
        told = self._rows.acked(event.token, event.code)
        if told == "retry":
            log.warning("the broker cannot take a row now (reason code %#04x)", event.code)
            self._do(Close())
            self._drop("leaving")
        elif told is not None:
            self._redial.took_a_row()
            if isinstance(told, RowAck):
                self._published += 1
            self._tell_row(told)

    def _tell_row(self, told: RowAck | RowAside) -> None:
        if isinstance(told, RowAside):
            log.warning("a row is set aside: %s", told.reason)
        self._do(Send(told))

    def _on_arrived(self, event: Arrived) -> None:
        name = self._topics.command_of(event.topic)
        if name is None:
            log.warning("a message that is no command was ignored")
            return
        ready = self._hail.attached and not self._board.silent
        out = self._desk.receive(name, event, now_s=self._now_s, engine_ready=ready)
        if isinstance(out, CommandIn):
            self._do(Send(out))
        elif out is not None:
            self._publish_doc(self._topics.reply(name), out)

    # -- the engine ---------------------------------------------------------------------

    def _on_engine(self, event: FromEngine) -> None:
        self._hail.heard(self._now_s)
        self._board.heard(self._now_s)
        message, blobs = event.message, event.blobs
        if not blobs:
            return
        if isinstance(message, RowOut):
            if self.phase == "up":
                self._rows.offer(message, blobs[0], blobs[1] if len(blobs) > 1 else None)
        elif isinstance(message, ReplyOut):
            self._desk.answered(message.name, message.id)
            self._publish_doc(self._topics.reply(message.name), blobs[0])
        elif isinstance(message, DocOut):
            self._on_doc(message, blobs[0])

    def _on_doc(self, message: DocOut, doc: bytes) -> None:
        if message.topic == "status":
            self._board.take_status(doc)
        elif message.topic == "info":
            if doc != self._board.info:
                self._board.info = doc
                self._publish_doc(self._topics.doc("info"), doc, retain=True)
        elif message.topic == "event" and self.phase != "up":
            self._events.append(doc)
        else:
            self._publish_doc(self._topics.doc(message.topic), doc)

    def _on_engine_found(self, _event: EngineFound) -> None:
        self._hail.attached = True
        self._hello()

    def _on_engine_gone(self, _event: EngineGone) -> None:
        if self._hail.attached:
            log.warning("the engine's socket is gone; waiting for the engine")
        self._hail.gone(self._now_s)
        self._rows.forget()  # their numbers may mean other rows to a new engine

    def _hello(self) -> None:
        """Begin a hand-out afresh."""
        if self._hail.attached:
            self._rows.forget()
            self._do(Send(self._hail.hello(self._now_s)))

    # -- time -----------------------------------------------------------------------------

    def _pass_time(self) -> None:
        now_s = self._now_s
        if self.phase == "waiting" and now_s >= self._redial.at_s:
            self._open()
        elif self.phase == "opening" and now_s >= self._give_up_at_s:
            self._do(Close())
            self._on_refused(Refused("unreachable", "it does not answer"))
        if self._hail.hello_due(now_s):
            self._hello()
        if self._hail.beat_due(now_s):
            self._do(
                Send(
                    self._hail.beat(
                        now_s,
                        in_flight=self._rows.in_flight,
                        published=self._published,
                        reconnects=self._reconnects,
                    )
                )
            )
        self._end_commands()
        self._board.pass_time(now_s)
        if self.phase == "up":
            if self._board.changed():  # as it always has after connecting
                self._publish_doc(self._topics.status, self._board.show(), retain=True)
            self._release()
        elif self.phase == "stopping":
            done = not self._farewell and not self._rows.in_flight
            if done or now_s >= self._stop_at_s:
                self._end()

    def _end_commands(self) -> None:
        for name, reply in self._desk.overdue(self._now_s):
            self._publish_doc(self._topics.reply(name), reply)
        for refused in self._desk.events():
            self._publish_doc(self._topics.doc("event"), refused)

    def _release(self) -> None:
        released = self._rows.release(limit_bytes=self._limit_bytes, calm=not self._docs.in_flight)
        for item in released:
            if isinstance(item, Publish):
                self._do(item)
            else:
                self._tell_row(item)

    # -- leaving --------------------------------------------------------------------------

    def _on_stop(self, _event: Stop) -> None:
        if self.phase != "up":
            self._end()
            return
        self.phase = "stopping"
        self._stop_at_s = self._now_s + STOP_S
        self._farewell = self._publish_doc(
            self._topics.status, self._board.offline("stopped"), retain=True
        )

    def _end(self) -> None:
        was_connected = self.phase in ("up", "stopping")
        self.phase = "ended"
        self._hail.broker_down()
        if self._hail.attached:
            self._do(Send(self._hail.hello(self._now_s)))
        self._do(Leave() if was_connected else Close())
        self._do(Ended())

    # -- small things ---------------------------------------------------------------------

    def _publish_doc(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Publish a document if the broker is there and takes it; its token, or 0."""
        if self.phase not in ("up", "stopping"):
            return 0
        message = self._docs.message(topic, payload, retain=retain, now_s=self._now_s)
        if message is None:
            return 0
        self._do(message)
        return message.token

    def _next_token(self) -> int:
        self._token += 1
        return self._token

    def _do(self, effect: Effect) -> None:
        self._effects.append(effect)
