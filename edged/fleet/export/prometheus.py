"""The fleet for Prometheus: an endpoint, and rules that say what `edged watch` says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from edged import troubles
from edged.fleet import alerts
from edged.fleet.export.metrics import metrics
from edged.fleet.fleet import Fleet

_WHO = ("site", "device")
STATES = ("online", "degraded", "paused", "offline")


class FleetCollector(Collector):
    """Makes metrics of a fleet when it is asked.

    Args:
        fleet: what is told.
        locked: runs a function while the fleet stands still.
    """

    def __init__(
        self, fleet: Fleet, locked: Callable[[Callable[[], list[Metric]]], list[Metric]]
    ) -> None:
        self._fleet = fleet
        self._locked = locked
        self._metrics = metrics()

    def collect(self) -> Iterator[Metric]:
        """Prometheus asks."""
        yield from self._locked(self._collect)

    def describe(self) -> list[Metric]:
        """Nothing: names are known by the first question."""
        return []

    def _collect(self) -> list[Metric]:
        states = GaugeMetricFamily(
            "edged_state", "1 for the state that the device says.", labels=(*_WHO, "state")
        )
        troubles = GaugeMetricFamily(
            "edged_trouble", "1 for each trouble.", labels=(*_WHO, "trouble", "reason")
        )
        latency = HistogramMetricFamily(
            "edged_latency_seconds", "From a frame's arrival to its answer.", labels=_WHO
        )
        messages = CounterMetricFamily(
            "edged_fleet_messages", "Heard by this exporter.", labels=(*_WHO, "kind")
        )
        families = [_family(one.name, one.kind, one.text, one.label) for one in self._metrics]
        for device in self._fleet.devices.values():
            who = (device.site, device.name)
            for state in STATES:
                states.add_metric((*who, state), float(device.state == state))
            for kind, count in device.counts.items():
                messages.add_metric((*who, kind), count)
            if device.health is None or device.state == "offline":
                continue
            for name, reason in device.health.troubles.items():
                troubles.add_metric((*who, name, reason), 1.0)
            counts = device.health.latency
            if counts is not None:
                buckets = [
                    (f"{le / 1000:g}", float(n))
                    for le, n in zip(counts.le_ms, counts.counts, strict=False)
                ]
                latency.add_metric(
                    who, [*buckets, ("+Inf", float(counts.count))], counts.sum_ms / 1000
                )
            doc: Any = msgspec.to_builtins(device.health)
            for metric, family in zip(self._metrics, families, strict=True):
                for key, value in metric.values(doc):
                    family.add_metric((*who, key) if metric.label else who, value)
        return [states, troubles, latency, messages, *families]


def registry(collector: Collector) -> CollectorRegistry:
    """A registry with this collector alone: nothing of the process that serves it."""
    found = CollectorRegistry()
    found.register(collector)
    return found


def _family(name: str, kind: str, text: str, label: str) -> Any:
    labels = (*_WHO, label) if label else _WHO
    if kind == "counter":
        return CounterMetricFamily(name.removesuffix("_total"), text, labels=labels)
    return GaugeMetricFamily(name, text, labels=labels)


def rules() -> str:
    """Alert rules, as YAML; thresholds are those of its alerts."""
    recent = f"{troubles.RECENT_S / 60:.0f}m"
    refused = f'increase(edged_verdicts_total{{verdict="refused"}}[{recent}])'
    answered = (
        f'sum without (verdict) (increase(edged_verdicts_total{{verdict=~"queued|shown|refused"}}'
        f"[{recent}]))"
    )
    made = [
        _rule("EdgedOffline", 'edged_state{state="offline"} == 1', "1m", "critical",
              "is offline", "Look at its power and network, then its uplink."),
        _rule("EdgedDegraded", 'edged_state{state="degraded"} == 1', "2m", "warning",
              "is degraded", "edged_trouble says why, and the dashboard what to do."),
        _rule("EdgedSilent",
              'increase(edged_fleet_messages_total{kind="health"}[3m]) == 0 and on (site, device) '
              'edged_state{state="online"} == 1', "1m", "critical",
              "says online and tells nothing", "Its uplink may hang: restart it."),
        _rule("EdgedHot", f"edged_cpu_temp_celsius >= {troubles.HOT_CPU_C:g} or "
              f"edged_gpu_temp_celsius >= {troubles.HOT_GPU_C:g}", "5m", "warning",
              "is hot", "Clean the fan and the filter, give it air."),
        _rule("EdgedOutboxAgeing", f"edged_outbox_oldest_unsent_seconds > {troubles.AGEING_S:g}",
              "1m", "warning", "has results that the broker does not take",
              "See the broker's log, limits and access rules."),
        _rule("EdgedRefusals",
              f"{refused} >= {alerts.REFUSED_LEAST} and on (site, device) "
              f"({refused} > on (site, device) group_left () "
              f"{alerts.REFUSED_SHARE:g} * {answered})", "5m", "warning",
              "refuses many pictures", "See edged_reasons_total: light, consent or the guard."),
    ]  # fmt: skip
    return "groups:\n  - name: edged\n    rules:\n" + "".join(made)


def _rule(name: str, expr: str, wait: str, severity: str, *words: str) -> str:
    what, remedy = words
    told = "{{ $labels.site }}/{{ $labels.device }} " + what
    return (
        f"      - alert: {name}\n"
        f"        expr: {json.dumps(expr)}\n"
        f"        for: {wait}\n"
        f"        labels: {{severity: {severity}}}\n"
        f"        annotations:\n"
        f"          summary: {json.dumps(told)}\n"
        f"          remedy: {json.dumps(remedy)}\n"
    )
