"""Events on their way out: each kind at most once a second, early ones kept until then.

From any thread.  Knows no socket: whoever has one takes over with :meth:`Events.begin`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from edged.daemon import documents

PAUSE_S = 1.0
"""An event of one name, reason and model is published at most so often; others are counted."""

WHOLE = frozenset({"command-done", "command-failed"})
"""Events that are never counted together: each command is on record.  Their number is
bounded where commands come in."""


class Events:
    """Takes events and hands documents on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str, str], tuple[float, int]] = {}
        self._early: list[bytes] = []
        self._publish: Callable[[bytes], None] | None = None

    def begin(self, publish: Callable[[bytes], None]) -> None:
        """From now on documents go there, those that came before first."""
        with self._lock:
            early, self._early, self._publish = self._early, [], publish
        for document in early:
            publish(document)

    def __call__(self, name: str, reason: str, data: dict[str, Any]) -> None:
        """One event."""
        now_s = documents.now_s()
        if name in WHOLE:
            self._hand_on(documents.event(name, reason, data))
            return
        key = (name, reason, str(data.get("model", "")))
        with self._lock:
            last_s, held = self._last.get(key, (-1e9, 0))
            if now_s - last_s < PAUSE_S:
                self._last[key] = (last_s, held + 1)
                return
            self._last[key] = (now_s, 0)
            if held:
                data = {**data, "also": held}
        self._hand_on(documents.event(name, reason, data))

    def _hand_on(self, document: bytes) -> None:
        with self._lock:
            publish = self._publish
            if publish is None:
                self._early.append(document)
        if publish is not None:
            publish(document)
