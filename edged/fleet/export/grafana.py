"""A Grafana dashboard over the Prometheus metrics, as JSON to import."""

from __future__ import annotations

from typing import Any

from edged.fleet.export.metrics import metrics

_SOURCE = {"type": "prometheus", "uid": "${source}"}
_WHERE = 'site=~"$site",device=~"$device"'
_PANELS: tuple[tuple[str, str, str, str], ...] = (
    ("Devices by state", "sum by (state) (edged_state{%s})", "{{state}}", "short"),
    ("Latency p95", "edged_latency_p95_seconds{%s}", "{{device}}", "s"),
    ("Latency p95 of all, from counts",
     "histogram_quantile(0.95, sum by (le) (rate(edged_latency_seconds_bucket{%s}[5m])))",
     "fleet", "s"),
    ("Pictures a second", "edged_fps{%s}", "{{device}}", "short"),
    ("Refused a minute",
     '60 * sum by (device) (rate(edged_verdicts_total{verdict="refused",%s}[5m]))', "{{device}}",
     "short"),
    ("Stages p95", "edged_stage_wall_p95_seconds{%s}", "{{device}} {{stage}}", "s"),
    ("Waiting results", "edged_outbox_depth{%s}", "{{device}}", "short"),
    ("Oldest waiting result", "edged_outbox_oldest_unsent_seconds{%s}", "{{device}}", "s"),
    ("CPU temperature", "edged_cpu_temp_celsius{%s}", "{{device}}", "celsius"),
    ("GPU temperature", "edged_gpu_temp_celsius{%s}", "{{device}}", "celsius"),
    ("Engine memory", "edged_rss_bytes{%s}", "{{device}}", "bytes"),
    ("Since the last frame", "edged_camera_last_frame_age_seconds{%s}", "{{device}} {{camera}}",
     "s"),
)  # fmt: skip
_WIDTH, _HEIGHT, _ACROSS = 8, 8, 3


def names() -> set[str]:
    """Metrics that panels ask for, besides those of states and messages: for a test."""
    known = {metric.name for metric in metrics()}
    return {name for name in known if any(name in expr for _t, expr, _l, _u in _PANELS)}


def dashboard() -> dict[str, Any]:
    """The dashboard's model."""
    return {
        "title": "edged fleet",
        "uid": "edged-fleet",
        "tags": ["edged"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"},
                _variable("site", "label_values(edged_state, site)"),
                _variable("device", 'label_values(edged_state{site=~"$site"}, device)'),
            ]
        },
        "panels": [_panel(number, *panel) for number, panel in enumerate(_PANELS)],
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name, "type": "query", "datasource": _SOURCE, "query": query, "refresh": 2,
        "includeAll": True, "multi": True, "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _panel(number: int, title: str, expr: str, legend: str, unit: str) -> dict[str, Any]:
    row, column = divmod(number, _ACROSS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"showLegend": True}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [
            {"refId": "A", "datasource": _SOURCE, "expr": expr % _WHERE, "legendFormat": legend}
        ],
    }
