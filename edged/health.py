"""Events in, state and health document out; no I/O.

Counts what happens to frames and keeps histograms of latencies.  Whoever calls it
brings the figures of the machine (`system`) and of the outbox along.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence

import msgspec

from edged.faces import Touch
from edged.histogram import BOUNDS_MS, Histogram
from edged.transport.wire import State
from edged.transport.wire_health import (
    CameraFigures,
    HealthDoc,
    LatencyCounts,
    OutboxFigures,
    StageTimes,
)
from edged.troubles import remedy
from edged.verdicts import Reason, Verdict

FPS_WINDOW_S = 10.0
"""Frames of so many seconds make the frame rate."""

_FRAMES = 2048
"""Times of answers kept for it: 200 frames a second."""

SHARES = (50, 95, 99)


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
        self._stages: dict[str, Histogram] = {}
        self._sessions: dict[str, Histogram] = {}
        self._latency = Histogram()
        self._done: deque[tuple[float, str]] = deque(maxlen=_FRAMES)
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
                self._latency.record(latency_ms, now_s)
                self._done.append((now_s, camera))
            for store, times in ((self._stages, stages_ms), (self._sessions, session_ms)):
                for stage, spent in (times or {}).items():
                    store.setdefault(stage, Histogram()).record(spent, now_s)

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
        self, *, now_s: float, ts_ms: int, clock_synced: bool, outbox: OutboxFigures | None = None
    ) -> HealthDoc:
        """What is known of frames; whoever asks fills in the machine and the uplink."""
        with self._lock:
            recent = Counter(name for t, name in self._done if now_s - t <= FPS_WINDOW_S)
            span_s = min(FPS_WINDOW_S, max(1.0, now_s - self._started_s))
            doc = HealthDoc(
                ts_ms=ts_ms,
                clock_synced=clock_synced,
                uptime_s=round(now_s - self._started_s, 1),
                fps=round(recent.total() / span_s, 2),
                latency=LatencyCounts(
                    count=self._latency.count,
                    sum_ms=round(self._latency.sum_ms, 1),
                    le_ms=BOUNDS_MS,
                    counts=self._latency.cumulative(),
                ),
                stages={
                    name: StageTimes(
                        **_spread("wall", times, now_s),
                        **_spread("session", self._sessions.get(name), now_s),
                    )
                    for name, times in sorted(self._stages.items())
                },
                verdicts=dict(sorted(self._verdicts.items())),
                reasons=dict(sorted(self._reasons.items())),
                guard=self._guard_figures(),
                restore=dict(sorted(self._restore.items())),
                cameras={
                    name: CameraFigures(
                        last_frame_age_s=round(now_s - t, 1), fps=round(recent[name] / span_s, 2)
                    )
                    for name, t in sorted(self._last_frame_s.items())
                },
                troubles=dict(sorted(self._troubles.items())),
                remedies={reason: remedy(reason) for reason in sorted(self._troubles.values())},
                outbox=outbox,
            )
            spread = _spread("latency", self._latency, now_s, (*SHARES, 100))
            return msgspec.structs.replace(doc, **spread)

    def _guard_figures(self) -> dict[str, float]:
        """Counts, and how often a face of the input was embedded."""
        counts: dict[str, float] = dict(self._guard)
        if counts.get("faces"):
            counts["embeds_per_face"] = round(counts["embeds"] / counts["faces"], 3)
        return dict(sorted(counts.items()))


def _spread(
    name: str, times: Histogram | None, now_s: float, shares: tuple[int, ...] = SHARES
) -> dict[str, float]:
    """Percentiles of some milliseconds, the 100th as the largest; nothing without any."""
    found = () if times is None else times.percentiles(shares, now_s)
    return {
        f"{name}_max_ms" if share == 100 else f"{name}_p{share}_ms": float(f"{value:.3g}")
        for share, value in zip(shares, found, strict=False)
    }
