"""The health document, field by field: written once, read by everybody.

The engine makes it, the dashboard and `edged watch` read it, and JSON Schema, Prometheus,
Telegraf, Grafana and Home Assistant files are generated from it, so that none can drift.
Every figure bears its unit in its name; a figure that a machine cannot tell is absent.
"""

from __future__ import annotations

import msgspec

from edged.transport.wire import Doc

_Ms = float | None


class Figures(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Base of the parts: what is not known is left out."""


class StageTimes(Figures, kw_only=True):
    """One stage of the pipeline over the last minute.

    Attributes:
        wall_p50_ms, wall_p95_ms, wall_p99_ms: from its beginning to its end.
        session_p50_ms, session_p95_ms, session_p99_ms: of that, inside networks.
    """

    wall_p50_ms: _Ms = None
    wall_p95_ms: _Ms = None
    wall_p99_ms: _Ms = None
    session_p50_ms: _Ms = None
    session_p95_ms: _Ms = None
    session_p99_ms: _Ms = None


class LatencyCounts(Figures, kw_only=True):
    """Latencies of all answered pictures since the start, for adding up over devices.

    Attributes:
        count, sum_ms: how many, and their sum.
        le_ms: upper bounds, ascending.
        counts: how many were at most each bound.
    """

    count: int
    sum_ms: float
    le_ms: tuple[float, ...]
    counts: tuple[int, ...]


class CameraFigures(Figures, kw_only=True):
    """One camera.

    Attributes:
        last_frame_age_s: since the last frame that was answered.
        fps: pictures that went somewhere, a second, over the last ten seconds.
    """

    last_frame_age_s: float
    fps: float | None = None


class OutboxFigures(Figures, kw_only=True, omit_defaults=False):
    """What waits for the broker; see :class:`edged.transport.outbox_rows.OutboxStats`."""

    session: str = ""
    depth: int = 0
    unsent_bytes: int = 0
    oldest_unsent_s: float = 0.0
    retained: int = 0
    retained_bytes: int = 0
    aside: int = 0
    used_bytes: int = 0
    max_bytes: int = 0
    disk_free_bytes: int = 0
    last_purge_ms: int = 0
    last_purge_rows: int = 0


class UplinkFigures(Figures, kw_only=True, omit_defaults=False):
    """The way to the broker; see :class:`edged.transport.egress_server.UplinkState`."""

    connected: bool = False
    broker: str = "down"
    protocol: str = ""
    last_beat_age_s: float | None = None
    in_flight: int = 0
    published: int = 0
    reconnects: int = 0
    max_packet_bytes: int = 0


class FrameFigures(Figures, kw_only=True, omit_defaults=False):
    """What the frame sockets did since the start.

    Attributes:
        received, received_bytes: messages and their payloads.
        refused: answers that the server gave itself, by reason.
        answered: answers given to ZeroMQ.
        undeliverable: answers whose client was gone or does not read.
        revoked: messages of keys that have been revoked since they connected.
        holding: sockets that are not read because a shot of theirs finds no room.
    """

    received: int = 0
    received_bytes: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    answered: int = 0
    undeliverable: int = 0
    revoked: int = 0
    holding: int = 0


class EngineBuild(Figures, kw_only=True):
    """What is being built in the background: model, phase, share done (0..1)."""

    model: str
    phase: str
    share: float


class HealthDoc(Doc, kw_only=True, omit_defaults=True):
    """Payload of `health`.

    Attributes:
        uptime_s: of the engine.
        fps: pictures that went somewhere, a second, over the last ten seconds.
        latency_p50_ms, latency_p95_ms, latency_p99_ms, latency_max_ms: from a frame's arrival
            to its answer, over the last minute.
        latency: the same since the start, as counts.
        stages: by the stage's name.
        verdicts, reasons: answers since the start.
        guard, restore: counts of what guard and restorer did since the start.
        cameras: by name.
        troubles: what is wrong: name -> reason.
        remedies: reason -> what to do about it, for those in `troubles`.
        rss_mb, cpu_percent, threads: of the engine's process (100 percent is one core).
        memory_available_mb, swap_used_mb, load_1min: of the machine.
        disk_free_mb: of the disk with the outbox.
        disk_wear_percent: of its life that the flash memory (eMMC) has used, in tens.
        cpu_temp_c, gpu_temp_c: the hottest sensor of each.
        gpu_percent, gpu_memory_used_mb, gpu_power_w, gpu_clock_mhz: of the GPU in use.
        gpu_ecc_errors: errors of its memory that were not corrected, since it was reset.
        gpu_xid: number of the driver's last critical error since the engine's start.
        throttled: whether heat or power slows the machine down now.
        throttle_reasons: what is below its full clock and why, such as "gpu-hw-thermal".
        power_mode: of a Jetson (nvpmodel), else the CPU's governor.
        engine_digest: short hash over models, their runtimes and precisions; devices that run
            the same say the same.
        engines_waiting: engines that are still to be built; engine_build: the one under way.
    """

    uptime_s: float
    fps: float
    latency_p50_ms: _Ms = None
    latency_p95_ms: _Ms = None
    latency_p99_ms: _Ms = None
    latency_max_ms: _Ms = None
    latency: LatencyCounts | None = None
    stages: dict[str, StageTimes]
    verdicts: dict[str, int]
    reasons: dict[str, int]
    guard: dict[str, float]
    restore: dict[str, int]
    cameras: dict[str, CameraFigures]
    troubles: dict[str, str]
    remedies: dict[str, str] = msgspec.field(default_factory=dict)
    outbox: OutboxFigures | None = None
    uplink: UplinkFigures | None = None
    frames: FrameFigures | None = None
    rss_mb: float | None = None
    cpu_percent: float | None = None
    threads: int | None = None
    memory_available_mb: float | None = None
    swap_used_mb: float | None = None
    disk_free_mb: float | None = None
    disk_wear_percent: float | None = None
    load_1min: float | None = None
    cpu_temp_c: float | None = None
    gpu_temp_c: float | None = None
    gpu_percent: float | None = None
    gpu_memory_used_mb: float | None = None
    gpu_power_w: float | None = None
    gpu_clock_mhz: float | None = None
    gpu_ecc_errors: int | None = None
    gpu_xid: int | None = None
    throttled: bool | None = None
    throttle_reasons: tuple[str, ...] = ()
    power_mode: str | None = None
    engine_digest: str | None = None
    engines_waiting: int | None = None
    engine_build: EngineBuild | None = None
