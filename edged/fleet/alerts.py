"""Who needs help, why, and what to do about it: rules over one device.

Pure: a device and the time in, alerts out; an alert is gone when its cause is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from edged.fleet.device import Device
from edged.fleet.words import counted, span
from edged.troubles import AGEING_S, HOT_CPU_C, HOT_GPU_C, RECENT_S, remedy

SILENT_S = 60.0
"""An online device says `health` every ten seconds; its uplink is stuck after six of them."""
REFUSED_SHARE = 0.25
REFUSED_LEAST = 5
"""Refusals count as rising when there are so many, and this share of all answers."""
_TROUBLES = 10


class Severity(IntEnum):
    """How bad it is; the larger the worse."""

    NOTE = 1
    WARNING = 2
    CRITICAL = 3


@dataclass(frozen=True)
class Alert:
    """One thing that an operator should know.

    Attributes:
        severity: how bad.
        slug: its kind, for rules and filters.
        text: what is the matter, in a sentence without the device's name.
        remedy: what to do.
    """

    severity: Severity
    slug: str
    text: str
    remedy: str


def alerts(device: Device, now_s: float) -> list[Alert]:
    """All alerts of a device, the worst first."""
    found = [*_state(device, now_s), *_figures(device), *_recent(device, now_s)]
    return sorted(found, key=lambda alert: -alert.severity)


def _state(device: Device, now_s: float) -> Iterator[Alert]:
    status, health = device.status, device.health
    if status is None:
        return
    if status.state == "offline":
        why = {"stopped": "It was stopped."}.get(status.reason, "It vanished without a good-bye.")
        yield Alert(
            Severity.CRITICAL, "offline", f"Offline. {why}",
            "Look at its power and network, then `systemctl status edged-uplink` there.",
        )  # fmt: skip
        return
    if status.state == "degraded":
        told = health.remedies if health is not None else {}
        for reason in dict.fromkeys((status.reason, *_troubles(device))):
            yield Alert(
                Severity.CRITICAL if reason == "engine-silent" else Severity.WARNING,
                "degraded", f"Degraded: {reason}.", told.get(reason) or remedy(reason),
            )  # fmt: skip
    if status.state == "paused":
        yield Alert(
            Severity.NOTE, "paused", "Paused by a command.", "Resume it when the work is done."
        )
    heard_s = max(device.health_at_s, device.status_at_s)
    if now_s - heard_s > SILENT_S:
        yield Alert(
            Severity.CRITICAL, "silent", f"Says online, and nothing for {now_s - heard_s:.0f} s.",
            "Its uplink may hang: `systemctl restart edged-uplink` there.",
        )  # fmt: skip


def _troubles(device: Device) -> list[str]:
    """Reasons beside the one in `status`; no more than a page takes."""
    return sorted(device.health.troubles.values())[:_TROUBLES] if device.health else []


def _figures(device: Device) -> Iterator[Alert]:
    health = device.health
    info = device.info
    if info is not None and not info.runtime.wished:
        yield Alert(
            Severity.WARNING, "fallback", f"Runs on {info.runtime.name[:20]}, not as asked.",
            "`edged doctor` on the device says what its GPU lacks.",
        )  # fmt: skip
    if health is None or device.state == "offline":
        return
    for name, value_c, limit_c in (
        ("processor", health.cpu_temp_c, HOT_CPU_C), ("GPU", health.gpu_temp_c, HOT_GPU_C),
    ):  # fmt: skip
        if value_c is not None and value_c >= limit_c:
            yield Alert(
                Severity.WARNING, "hot", f"The {name} has {value_c:.0f} °C.",
                "Clean the fan and the filter, give it air; it slows down when it is too hot.",
            )  # fmt: skip
    outbox = health.outbox
    if outbox is not None and outbox.oldest_unsent_s > AGEING_S:
        yield Alert(
            Severity.WARNING, "outbox-ageing",
            f"{counted(outbox.depth, 'result')} not sent, "
            f"the oldest for {span(outbox.oldest_unsent_s)}.",
            "The broker does not take them: see its log, limits and access rules.",
        )  # fmt: skip
    if not health.clock_synced:
        yield Alert(
            Severity.NOTE, "clock", "Its clock is not synchronised.",
            "Commands need a second step until it is: give it a time server.",
        )  # fmt: skip


def _recent(device: Device, now_s: float) -> Iterator[Alert]:
    since_s = now_s - RECENT_S
    lost = sum(gap.last - gap.first + 1 for at_s, gap in device.gaps
               if at_s >= since_s and gap.reason != "purge")  # fmt: skip
    if lost:
        yield Alert(
            Severity.WARNING, "gaps",
            f"{counted(lost, 'result')} will never come (last ten minutes).",
            "See the reason in its events: a full outbox, a broker's limit, or damage.",
        )  # fmt: skip
    refused = device.history.increase("refused", since_s)
    answered = device.history.increase("answered", since_s)
    if refused >= REFUSED_LEAST and refused > REFUSED_SHARE * (refused + answered):
        yield Alert(
            Severity.WARNING, "refusals",
            f"{refused:.0f} of {refused + answered:.0f} pictures were refused (last ten minutes).",
            "See `reasons` in its health: light, consent, or a guard that misses its bounds.",
        )  # fmt: skip
