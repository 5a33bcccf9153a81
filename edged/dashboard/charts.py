"""The charts of a device, as ECharts options made of its history."""

from __future__ import annotations

from typing import Any

from edged.fleet.device import Device

_LINES: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Latency", "ms", (("latency_p95_ms", "p95"), ("latency_p50_ms", "p50"))),
    ("Pictures", "/s", (("fps", "pictures"),)),
    ("Temperature", "°C", (("cpu_temp_c", "CPU"), ("gpu_temp_c", "GPU"))),
    ("Load", "%", (("cpu_percent", "CPU"), ("gpu_percent", "GPU"))),
    ("Memory", "MB", (("rss_mb", "engine"),)),
    ("Waiting results", "", (("outbox_depth", "in the outbox"),)),
)
_NOTHING = {
    "type": "text", "left": "center", "top": "middle",
    "style": {"text": "not told by this device", "fill": "#888"},
}  # fmt: skip
_SMALL = {"fontSize": 13}
TITLES: tuple[str, ...] = (*(title for title, _unit, _ in _LINES), "Stages, p95")


def lines(device: Device, now_s: float, now_ms: float) -> list[dict[str, Any]]:
    """Options of all charts, in the order of :data:`TITLES`.

    Args:
        device: whose history.
        now_s: on the clock of the history.
        now_ms: the same moment, ms since the epoch: what the time axis shows.
    """
    made = []
    for title, unit, fields in _LINES:
        series = []
        for name, label in fields:
            points = [
                [round(now_ms - (now_s - at_s) * 1000), round(value, 2)]
                for at_s, value in device.history.series(name)
            ]
            if points:
                series.append(
                    {"type": "line", "name": label, "data": points, "showSymbol": len(points) < 3}
                )
        made.append(_options(title, unit, series))
    return [*made, _stages(device)]


def _options(title: str, unit: str, series: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": {"text": f"{title} ({unit})" if unit else title, "left": 0, "textStyle": _SMALL},
        "animation": False,
        "tooltip": {"trigger": "axis"},
        "legend": {"right": 0, "top": 0, "show": len(series) > 1},
        "grid": {"left": 44, "right": 16, "top": 34, "bottom": 24},
        "xAxis": {"type": "time", "splitNumber": 4, "axisLabel": {"hideOverlap": True}},
        "yAxis": {"type": "value", "scale": title in {"Memory", "Temperature"}, "min": None},
        "series": series,
        "graphic": [] if series else [_NOTHING],
    }


def _stages(device: Device) -> dict[str, Any]:
    stages = sorted(device.history.stages.items(), key=lambda item: item[1])
    return {
        "title": {"text": "Stages, p95 (ms)", "left": 0, "textStyle": _SMALL},
        "animation": False,
        "tooltip": {},
        "grid": {"left": 90, "right": 40, "top": 34, "bottom": 24},
        "xAxis": {"type": "value"},
        "yAxis": {"type": "category", "data": [name[:16] for name, _ in stages]},
        "series": [
            {"type": "bar", "data": [round(ms, 2) for _, ms in stages],
             "label": {"show": True, "position": "right"}}
        ],
    }  # fmt: skip
