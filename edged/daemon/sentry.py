"""Finds what does not come back, and decides when this process has to end.

    frame      past its deadline, its stage not back: answered `failed: deadline`
    stage      away for deadline and grace: `stage-stuck`, the process ends
    session    failed again and again, or its device is lost: the process ends

A thread that hangs in native code can be neither stopped nor replaced, for its sessions
belong to it; a service manager, or `edged run`, starts a new process within seconds.
Nothing is lost by that: what was answered is durable, what was not is answered `stopping`
or sent again by its client.  Knows no sockets.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edged.daemon.flow import Flow
from edged.errors import EngineError
from edged.runtime.serve import Serving

log = logging.getLogger(__name__)

GRACE_S = 2.0
"""A stage that is late may still come back for so long; its frame is answered by then."""
CLOSE_S = 6.0
"""So long may everything that still moves take to close."""


@dataclass(frozen=True)
class End:
    """Why the process has to end: a slug, and a line for people."""

    reason: str
    text: str


class Sentry:
    """Looks after flow and sessions, once a second, on the main thread.

    Args:
        flow: of frames.
        serving: of models.
        deadline_ms: of a frame.
        event: takes events: name, reason, data.

    Attributes:
        verdict: the last one; None while there is none.
    """

    def __init__(
        self,
        flow: Flow,
        serving: Serving,
        deadline_ms: int,
        event: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._flow = flow
        self._serving = serving
        self._limit_s = deadline_ms / 1000 + GRACE_S
        self._event = event
        self.verdict: End | None = None

    def look(self) -> End | None:
        """Answer frames that are late; says why the process has to end, None if it need not."""
        given_up = self._flow.give_up_late()
        stage, away_s = self._flow.watch.longest()
        if given_up:
            log.error("%d frames are past their deadline; in %s for %.1f s",
                      given_up, stage or "no stage", away_s)  # fmt: skip
            self._event("frame-given-up", stage, {"frames": given_up})
        if away_s > self._limit_s:
            return self._end("stage-stuck", f"{stage} has not come back for {away_s:.0f} s")
        hopeless = self._serving.hopeless
        if hopeless:
            return self._end(hopeless, f"a model cannot be opened anew ({hopeless})")
        return None

    def _end(self, reason: str, text: str) -> End:
        self._event("engine-ending", reason, {})
        text = f"{text}: this process ends, and a new one has to be started"
        log.error("%s", text)
        self.verdict = End(reason, text)
        return self.verdict


def leave(close: Callable[[], None]) -> None:
    """End this process, whatever hangs in it; does not return.

    Args:
        close: closes everything in order; given up where it hangs.
    """
    closing = threading.Thread(target=close, name="closing", daemon=True)
    closing.start()
    closing.join(CLOSE_S)
    if closing.is_alive():
        log.warning("not everything has closed; what is durable is on the disk")
    logging.shutdown()
    os._exit(EngineError.exit_code)  # an ordinary exit would wait for native threads
