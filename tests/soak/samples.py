"""What is looked at every few seconds while a booth soaks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import psutil


@dataclass(frozen=True)
class Usage:
    """One process at one moment."""

    rss_mb: float
    fds: int
    threads: int
    cpu_percent: float


@dataclass(frozen=True)
class Sample:
    """One look, and what happened since the one before.

    Attributes:
        at_s: since the load began.
        engine, uplink: the processes; memory of all children included.
        sent_fps, shown_fps: frames that the camera sent and that came out at view.sock.
        frames_ms: latencies of the frames shown, camera to viewer.
        shots_ms: latencies of the shots answered.
        control_ms: times of the control load.
        depth: rows of the outbox that no broker has; None while health is not known.
        load: of the machine, processes that want to run.
    """

    at_s: float
    engine: Usage
    uplink: Usage
    sent_fps: float
    shown_fps: float
    frames_ms: Sequence[float] = ()
    shots_ms: Sequence[float] = ()
    control_ms: Sequence[float] = ()
    depth: int | None = None
    load: float = 0.0

    def as_plain(self) -> dict[str, Any]:
        """For JSON: percentiles instead of every frame."""
        plain = asdict(self)
        frames = plain.pop("frames_ms")
        plain["frames_p50_ms"] = percentile(frames, 50)
        plain["frames_p95_ms"] = percentile(frames, 95)
        return plain


def percentile(values: Sequence[float], share: float) -> float | None:
    """A percentile, rounded; None of nothing."""
    return round(float(np.percentile(values, share)), 2) if len(values) else None


@dataclass
class Sampler:
    """Takes samples of a booth under load."""

    booth: Any
    load: Any
    consumer: Any
    began_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._processes = [psutil.Process(p.pid) for p in (self.booth.engine, self.booth.uplink)]
        for process in self._processes:
            process.cpu_percent()
        self._last_s, self._taken = self.began_s, dict.fromkeys(("frames", "shots", "control"), 0)
        self._sent, self._shown = self.load.sent, self.load.shown

    def __call__(self) -> Sample:
        now, load = time.monotonic(), self.load
        passed, self._last_s = now - self._last_s, now
        sent, self._sent = load.sent - self._sent, load.sent
        shown, self._shown = load.shown - self._shown, load.shown
        engine, uplink = (self._usage(process) for process in self._processes)
        return Sample(
            at_s=round(now - self.began_s, 2), engine=engine, uplink=uplink,
            sent_fps=round(sent / passed, 2), shown_fps=round(shown / passed, 2),
            frames_ms=self._new("frames"), shots_ms=self._new("shots"),
            control_ms=self._new("control"),
            depth=self.consumer.health.get("outbox", {}).get("depth"),
            load=round(psutil.getloadavg()[0], 2),
        )  # fmt: skip

    def _new(self, name: str) -> tuple[float, ...]:
        """Times of that name, ms, since the last look."""
        times = getattr(self.load, f"{name}_ms")[self._taken[name] :]
        self._taken[name] += len(times)
        return tuple(times)

    def _usage(self, process: psutil.Process) -> Usage:
        with process.oneshot():
            own = Usage(
                rss_mb=process.memory_info().rss / 2**20, fds=process.num_fds(),
                threads=process.num_threads(), cpu_percent=round(process.cpu_percent(), 1),
            )  # fmt: skip
        children = sum(child.memory_info().rss for child in process.children(recursive=True))
        return Usage(round(own.rss_mb + children / 2**20, 2), own.fds, own.threads, own.cpu_percent)
