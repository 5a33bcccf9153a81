"""The fleet behind a lock, and what pages show of it, worked out once for all who look."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from edged.fleet.alerts import Alert, Severity, alerts
from edged.fleet.device import Device
from edged.fleet.fleet import Fleet, need
from edged.fleet.words import span

STALE_S = 10.0
"""Alerts of a device that says nothing are worked out anew so often: time alone makes some."""
PAGE = 50
"""Devices on a page of the overview."""


@dataclass(frozen=True)
class Overview:
    """One page of the overview.

    Attributes:
        rows: what the table shows, in its order.
        found: devices that the search found; total: all.
        states: devices by state; worst: devices by their worst alert.
        alerts: devices by alert.
        heard: messages of devices so far; unread: others, or such that were not sound.
    """

    rows: list[dict[str, Any]]
    found: int
    total: int
    states: dict[str, int]
    worst: dict[str, int]
    alerts: dict[str, int]
    heard: int
    unread: int


class Board:
    """Takes messages on one thread, shows them on another.

    Args:
        fleet: takes the messages.
        clock: monotonic seconds.
    """

    def __init__(self, fleet: Fleet, clock: Callable[[], float] = time.monotonic) -> None:
        self._fleet = fleet
        self._clock = clock
        self._lock = threading.Lock()
        self._heard = 0
        self._known: dict[str, tuple[int, float, list[Alert]]] = {}  # revision, at, alerts

    def heard(self, topic: str, payload: bytes) -> None:
        """One message of the broker."""
        with self._lock:
            device = self._fleet.feed(topic, payload, self._clock())
            self._heard += device is not None

    @contextmanager
    def device(self, address: str) -> Iterator[tuple[Device, list[Alert]] | None]:
        """A device with its alerts; it does not change inside the block, so keep that short."""
        with self._lock:
            device = self._fleet.devices.get(address)
            yield None if device is None else (device, self._alerts(device, self._clock()))

    def picture(self, address: str, camera: str) -> bytes:
        """The JPEG of a camera's last picture; b"" when there is none."""
        with self._lock:
            device = self._fleet.devices.get(address)
            found = device.pictures.get(camera) if device is not None else None
            return found.jpeg if found is not None else b""

    def forget(self, address: str) -> None:
        """Take a device off the board until it speaks again."""
        with self._lock:
            self._fleet.forget(address)

    def overview(
        self, search: str = "", wanted: str = "", page: int = 0, rows: int = PAGE
    ) -> Overview:
        """One page of devices, who needs help first.

        Args:
            search: part of an address, of any case.
            wanted: a state, an alert's slug or a severity's name; "" for all.
            page: from 0.
            rows: on a page.
        """
        now_s = self._clock()
        search = search.strip().lower()
        with self._lock:
            for gone in self._known.keys() - self._fleet.devices.keys():
                del self._known[gone]
            both = [(d, self._alerts(d, now_s)) for d in self._fleet.devices.values()]
            found = [
                item for item in both
                if search in item[0].address and (not wanted or wanted in _labels(*item))
            ]  # fmt: skip
            found.sort(key=need)
            shown = found[page * rows : (page + 1) * rows]
            return Overview(
                rows=[row(device, said, now_s) for device, said in shown],
                found=len(found),
                total=len(both),
                states=dict(Counter(device.state for device, _ in both)),
                worst=dict(Counter(_worst(said) for _, said in both if said)),
                alerts=dict(Counter(slug for _, said in both for slug in {a.slug for a in said})),
                heard=self._heard,
                unread=self._fleet.unread + self._fleet.left_out,
            )

    def _alerts(self, device: Device, now_s: float) -> list[Alert]:
        known = self._known.get(device.address)
        if known and known[0] == device.revision and now_s - known[1] < STALE_S:
            return known[2]
        said = alerts(device, now_s)
        self._known[device.address] = (device.revision, now_s, said)
        return said


def row(device: Device, said: list[Alert], now_s: float) -> dict[str, Any]:
    """What the overview shows of one device; figures as text, unknown ones as a dash."""
    health, status = device.health, device.status
    info = device.info
    outbox = health.outbox if health is not None else None
    heard_s = max(device.health_at_s, device.status_at_s)
    live = health if device.state != "offline" else None
    return {
        "address": device.address,
        "state": device.state,
        "reason": status.reason if status is not None and status.reason != "ok" else "",
        "alert": said[0].text if said else "",
        "remedy": said[0].remedy if said else "",
        "more": len(said) - 1 if said else 0,
        "level": _worst(said) if said else "ok",
        "fps": _figure(live.fps if live else None, 1),
        "p95": _figure(live.latency_p95_ms if live else None, 0, " ms"),
        "refused": _count(health.verdicts, "refused", "failed") if health else "-",
        "drops": _count(health.verdicts, "dropped") if health else "-",
        "outbox": "-" if outbox is None else f"{outbox.depth}" + _age(outbox.oldest_unsent_s),
        "cpu": _figure(live.cpu_temp_c if live else None, 0, " °C"),
        "gpu": _figure(live.gpu_temp_c if live else None, 0, " °C"),
        "runtime": _words(info.runtime.name, info.runtime.precision) if info else "-",
        "isolation": _words(info.isolation.mode) if info else "-",
        "seen": f"{span(max(0, (now_s - heard_s) // 10 * 10))} ago" if heard_s else "never",
    }


def _labels(device: Device, said: list[Alert]) -> set[str]:
    return {device.state, *(alert.slug for alert in said), *({_worst(said)} if said else ())}


def _worst(said: list[Alert]) -> str:
    return Severity(max(alert.severity for alert in said)).name.lower()


def _figure(value: float | None, digits: int, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def _count(verdicts: dict[str, int], *names: str) -> str:
    return str(sum(verdicts.get(name, 0) for name in names))


def _age(oldest_s: float) -> str:
    return f" ({oldest_s:.0f} s)" if oldest_s >= 1 else ""


def _words(*words: str) -> str:
    """Short words out of a document that anybody may have written."""
    return " ".join(word[:24] for word in words).strip() or "-"
