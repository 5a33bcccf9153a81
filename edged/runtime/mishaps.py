"""What operators hear of a session that failed and was opened anew: log lines and events.

Knows no faces and no texts of libraries; the slugs are those of
:mod:`edged.runtime.revival`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from edged.runtime.switching import SwitchingSession

log = logging.getLogger(__name__)


class Mishaps:
    """Of one model; told on the thread that runs it.

    Args:
        model_id: of the model.
        event: takes events: name, reason, data.
        changed: called when the model's trouble has come, changed or gone.
    """

    def __init__(
        self,
        model_id: str,
        event: Callable[[str, str, dict[str, Any]], None],
        changed: Callable[[], None],
    ) -> None:
        self._model_id = model_id
        self._event = event
        self._changed = changed
        self._session: SwitchingSession | None = None
        self._runtime: Callable[[], str] = lambda: ""
        self._cause = ""

    def watch(self, session: SwitchingSession, runtime: Callable[[], str]) -> None:
        """Whose failures these are, and what names the runtime that serves it."""
        self._session, self._runtime = session, runtime

    def told(self, what: str) -> None:
        """The session was closed ("down"), or its successor has run ("up")."""
        if self._session is None:
            return
        how = self._session.revival
        data: dict[str, Any] = {"model": self._model_id, "runtime": self._runtime()}
        if what == "down":
            self._cause = how.trouble
            again = "no new one is tried" if how.hopeless else f"a new one in {how.wait_s:.0f} s"
            log.error("model %s: session closed (%s), %s", self._model_id, how.trouble, again)
            data |= {"openings": how.openings, "again_in_s": round(how.wait_s)}
            self._event("engine-failed", how.trouble, data)
        else:
            log.warning("model %s: runs again in a new session", self._model_id)
            self._event("engine-rebuilt", self._cause, data)
        self._changed()
