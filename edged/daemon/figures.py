"""Everything that a health document says: of frames, process, box, GPU, models, outbox, uplink."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
import psutil

from edged.daemon.box_figures import BoxFigures, throttled
from edged.daemon.documents import now_s
from edged.daemon.gpu_figures import GpuFigures
from edged.errors import FrameError
from edged.health import Health
from edged.runtime.serve import Serving
from edged.runtime.session import RuntimeChoice
from edged.transport.clock import clock_synced, wall_ms
from edged.transport.egress_server import EgressServer
from edged.transport.outbox import Outbox
from edged.transport.wire_health import EngineBuild, HealthDoc, OutboxFigures, UplinkFigures

_MB = 1 << 20


class Machine:
    """Figures of this process and its box."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._process.cpu_percent()
        self._gpu = GpuFigures()
        self._box = BoxFigures()

    def figures(self) -> dict[str, Any]:
        """Memory, load, temperature, throttling and power mode, as far as the system tells."""
        with self._process.oneshot():
            rss_mb = self._process.memory_info().rss / _MB
            cpu_percent = self._process.cpu_percent()
            threads = self._process.num_threads()
        figures = {
            "rss_mb": round(rss_mb, 1),
            "cpu_percent": round(cpu_percent, 1),
            "threads": threads,
            "memory_available_mb": round(psutil.virtual_memory().available / _MB, 1),
            "swap_used_mb": round(psutil.swap_memory().used / _MB, 1),
            "load_1min": round(psutil.getloadavg()[0], 2),
        }
        temperature = _cpu_temperature()
        if temperature is not None:
            figures["cpu_temp_c"] = temperature
        gpu, box = self._gpu.figures(), self._box.figures()
        reasons = (*box.get("throttle_reasons", ()), *gpu.get("throttle_reasons", ()))
        more = {"throttled": throttled(reasons), "throttle_reasons": reasons}
        return {**figures, **gpu, **box, **more}


def collect(
    health: Health,
    machine: Machine,
    serving: Serving,
    outbox: Outbox,
    egress: EgressServer | None,
    *,
    hashes: Mapping[str, str],
) -> HealthDoc:
    """The health document as of now.

    Args:
        health: of frames; told of an outbox that cannot be read.
        machine: this one.
        serving: of models.
        outbox: open.
        egress: None before there is one.
        hashes: SHA-256 of each model's file, by id.
    """
    stored = None
    try:
        stored = msgspec.convert(outbox.stats(), OutboxFigures, from_attributes=True)
    except FrameError:
        health.trouble("outbox", "outbox-error")
    found = health.document(
        now_s=now_s(), ts_ms=wall_ms(), clock_synced=clock_synced(), outbox=stored
    )
    more: dict[str, Any] = {**machine.figures(), **serving.figures()}
    if stored is not None:
        more["disk_free_mb"] = round(stored.disk_free_bytes / _MB, 1)
    if "engine_build" in more:
        more["engine_build"] = msgspec.convert(more["engine_build"], EngineBuild)
    if egress is not None:
        state = egress.uplink_state()
        more["uplink"] = msgspec.convert(state, UplinkFigures, from_attributes=True)
    more["engine_digest"] = digest(hashes, serving.models)
    return msgspec.structs.replace(found, **more)


def digest(hashes: Mapping[str, str], choices: Mapping[str, RuntimeChoice]) -> str:
    """What runs here in twelve hex digits: the same on devices that run the same.

    Built engines differ from device to device; their runtime and precision stand for them.

    Args:
        hashes: SHA-256 of each model's file, by id; built-in models have none.
        choices: what each of those that have a choice runs on.
    """
    said = [
        (
            model_id,
            hashes.get(model_id, ""),
            choice.name if choice else "",
            choice.precision if choice else "",
        )
        for model_id in sorted({*hashes, *choices})
        for choice in [choices.get(model_id)]
    ]
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:12]


def _cpu_temperature() -> float | None:
    readings = [
        float(entry.current)
        for entries in psutil.sensors_temperatures().values()
        for entry in entries
    ]
    return round(max(readings), 1) if readings else None
