"""Events in, state and health document out; no I/O.

Counts what happens to frames and keeps short windows of latencies.  Whoever calls it
brings the figures of the machine (`system`) and of the outbox along.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from edged.faces import Touch
from edged.transport.wire import State
from edged.verdicts import Reason, Verdict

WINDOW = 512
"""Latencies kept for each stage; at 15 frames a second about half a minute."""

FPS_WINDOW_S = 10.0
"""Frames of so many seconds make the frame rate."""


class Health:
    """What the engine knows of itself.

    Args:
        started_s: monotonic time of the start.
        ts_ms: wall clock of the start.
    """

    def __init__(self, started_s: float, ts_ms: int) -> None:
        self._lock = threading.Lock()
        self._started_s = started_s
        self._verdicts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._stages: dict[str, deque[float]] = {}
        self._sessions: dict[str, deque[float]] = {}
        self._latency: deque[float] = deque(maxlen=WINDOW)
        self._done_s: deque[float] = deque(maxlen=4 * WINDOW)
        self._guard: Counter[str] = Counter()
        self._restore: Counter[str] = Counter()
        self._last_frame_s: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._paused = False
        self._state: tuple[State, str] = ("online", "started")
        self._since_ms = ts_ms

    # -- events -----------------------------------------------------------------------

    def frame_done(
        self,
        camera: str,
        verdict: Verdict,
        reason: Reason,
        *,
        now_s: float,
        latency_ms: float,
        stages_ms: Mapping[str, float] | None = None,
        session_ms: Mapping[str, float] | None = None,
    ) -> None:
        """One frame has been answered."""
        with self._lock:
            self._verdicts[verdict.value] += 1
            if reason is not Reason.OK:
                self._reasons[reason.value] += 1
            self._last_frame_s[camera] = now_s
            if verdict in {Verdict.QUEUED, Verdict.SHOWN}:
                self._latency.append(latency_ms)
                self._done_s.append(now_s)
            for store, times in ((self._stages, stages_ms), (self._sessions, session_ms)):
                for stage, spent in (times or {}).items():
                    store.setdefault(stage, deque(maxlen=WINDOW)).append(spent)

    def guarded(
        self, looks: int, swapped: int, filled: int, refilled: int, *, faces: int, embedded: int
    ) -> None:
        """What the guard did with one frame, and on how many faces its recogniser ran."""
        with self._lock:
            self._guard.update(
                frames=1,
                looks=looks,
                swapped=swapped,
                filled=filled,
                refilled=refilled,
                faces=faces,
                embeds=embedded,
            )

    def restored(self, touches: Sequence[Touch]) -> None:
        """What restoring did to the faces of one frame."""
        with self._lock:
            self._restore.update(touch.kind for touch in touches)
            self._restore.update("eased" for touch in touches if touch.eased)

    def trouble(self, name: str, reason: str | None) -> None:
        """Something is wrong (a reason) or right again (None); clears itself."""
        with self._lock:
            if reason is None:
                self._troubles.pop(name, None)
            else:
                self._troubles[name] = reason

    def pause(self, paused: bool) -> None:
        """The operator paused or resumed the device."""
        with self._lock:
            self._paused = paused

    # -- state ------------------------------------------------------------------------

    def state(self, ts_ms: int) -> tuple[State, str, int]:
        """State, reason, and since when, ms wall clock."""
        with self._lock:
            if self._paused:
                now: tuple[State, str] = ("paused", "command")
            elif self._troubles:
                name = min(self._troubles)
                now = ("degraded", self._troubles[name])
            else:
                now = ("online", "ok")
            if now != self._state:
                self._state, self._since_ms = now, ts_ms
            return (*self._state, self._since_ms)

    def document(
        self, *, now_s: float, system: Mapping[str, Any], outbox: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The figures of the health document, units in every key."""
        with self._lock:
            recent = sum(1 for t in self._done_s if now_s - t <= FPS_WINDOW_S)
            span_s = min(FPS_WINDOW_S, max(1.0, now_s - self._started_s))
            return {
                "uptime_s": round(now_s - self._started_s, 1),
                "fps": round(recent / span_s, 2),
                **_spread("latency", self._latency),
                "stages": {
                    name: {
                        **_spread("wall", times),
                        **_spread("session", self._sessions.get(name, ())),
                    }
                    for name, times in sorted(self._stages.items())
                },
                "verdicts": dict(sorted(self._verdicts.items())),
                "reasons": dict(sorted(self._reasons.items())),
                "guard": self._guard_figures(),
                "restore": dict(sorted(self._restore.items())),
                "cameras": {
                    name: {"last_frame_age_s": round(now_s - t, 1)}
                    for name, t in sorted(self._last_frame_s.items())
                },
                "troubles": dict(sorted(self._troubles.items())),
                "outbox": dict(outbox),
                **system,
            }

    def _guard_figures(self) -> dict[str, float]:
        """Counts, and how often a face of the input was embedded."""
        counts: dict[str, float] = dict(self._guard)
        if counts.get("faces"):
            counts["embeds_per_face"] = round(counts["embeds"] / counts["faces"], 3)
        return dict(sorted(counts.items()))


def _spread(name: str, values: Any) -> dict[str, float]:
    """p50, p95 and p99 of some milliseconds; nothing when there are none."""
    ordered = sorted(values)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {
        f"{name}_p{share}_ms": round(ordered[round(last * share / 100)], 2)
        for share in (50, 95, 99)
    }
