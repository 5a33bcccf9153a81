"""Which `status` the broker should show: the engine's word, or that it is silent.

Sans I/O.  Knows no topic and no connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from edged.transport.wire import State, StatusDoc

log = logging.getLogger(__name__)

GRACE_S = 1.0
"""Time that an engine has after our start before `starting` is said in its place."""


class StatusBoard:
    """Keeps the engine's last documents and how long it has been silent.

    Args:
        silent_after_s: silence of the engine after which its last word is not shown.
        clock_synced, wall_ms: for the documents made here.

    Attributes:
        info: the engine's last `info` document, b"" before the first.
        silent: whether the engine has been silent for too long.
    """

    def __init__(
        self, silent_after_s: float, clock_synced: Callable[[], bool], wall_ms: Callable[[], int]
    ) -> None:
        self._silent_after_s = silent_after_s
        self._clock_synced = clock_synced
        self._wall_ms = wall_ms
        self._engine: StatusDoc | None = None
        self._shown: tuple[str, ...] = ()
        self._heard_s = 0.0
        self._grace_until_s = 0.0
        self._ready = False
        self._since_ms = wall_ms()
        self.info = b""
        self.silent = False

    def begin(self, now_s: float) -> None:
        """The process has started: the engine has its time to say something."""
        self._heard_s = now_s
        self._grace_until_s = now_s + GRACE_S

    def heard(self, now_s: float) -> None:
        """The engine has said something."""
        self._heard_s = now_s
        if self.silent:
            log.info("the engine speaks again")
            self.silent = False

    def take_status(self, doc: bytes) -> None:
        """The engine's own word; a document that is none is ignored."""
        try:
            self._engine = msgspec.json.decode(doc, type=StatusDoc)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.error("the engine sent a status that is none; it is ignored")  # noqa: TRY400

    def pass_time(self, now_s: float) -> None:
        """Notice silence."""
        self._ready = self._engine is not None or now_s >= self._grace_until_s
        if not self.silent and now_s - self._heard_s >= self._silent_after_s:
            log.warning("the engine has been silent for %.0f s", now_s - self._heard_s)
            self.silent = True
            self._since_ms = self._wall_ms()

    def changed(self) -> bool:
        """Whether :meth:`show` would say something new."""
        return self._ready and self._key() != self._shown

    def show(self) -> bytes:
        """The document to publish now."""
        self._shown = self._key()
        state, reason, since_ms, boot = self._word()
        return self._encode(state, reason, since_ms, boot)

    def offline(self, reason: str) -> bytes:
        """The document that says good-bye, and the last will; after it all is new."""
        self._shown = ()
        return self._encode("offline", reason, self._wall_ms(), self._word()[3])

    def words(self) -> str:
        """State and reason for people."""
        state, reason, _since_ms, _boot = self._word()
        return f"{state} ({reason})"

    def _word(self) -> tuple[State, str, int, str]:
        boot = self._engine.boot if self._engine is not None else ""
        if self.silent:
            return "degraded", "engine-silent", self._since_ms, boot
        if self._engine is None:
            return "degraded", "starting", self._since_ms, boot
        return self._engine.state, self._engine.reason, self._engine.since_ms, boot

    def _key(self) -> tuple[str, ...]:
        return tuple(map(str, self._word()))

    def _encode(self, state: State, reason: str, since_ms: int, boot: str) -> bytes:
        return msgspec.json.encode(
            StatusDoc(
                ts_ms=self._wall_ms(),
                clock_synced=self._clock_synced(),
                state=state,
                reason=reason,
                since_ms=since_ms,
                boot=boot,
            )
        )
