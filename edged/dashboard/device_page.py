"""The page of one device: state, alerts, charts, pictures, events, what runs there."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from nicegui import ui

from edged.dashboard.actions import Actions, Still
from edged.dashboard.charts import TITLES, lines
from edged.dashboard.shell import COLOURS, chip
from edged.fleet.alerts import Alert
from edged.fleet.board import Board, row
from edged.fleet.caller import Caller
from edged.fleet.device import Device
from edged.transport.wire_health import HealthDoc
from edged.transport.wire_info import InfoDoc, ModelInfo, RuntimeInfo

PERIOD_S = 2.0
_EVENTS = 30
_FIGURES = (
    ("fps", "pictures/s"), ("p95", "latency p95"), ("outbox", "waiting"), ("refused", "refused"),
    ("drops", "dropped"), ("cpu", "CPU"), ("gpu", "GPU"), ("runtime", "runs on"),
    ("isolation", "isolation"), ("seen", "heard"),
)  # fmt: skip


class DevicePage:
    """One browser's view of one device.

    Args:
        board: what is shown.
        caller: gives commands.
        site: of the device.
        name: of the device.
        still: asks for the session again.
    """

    def __init__(self, board: Board, caller: Caller, site: str, name: str, still: Still) -> None:
        self._board = board
        self._address = f"{site}/{name}"
        self._revision = -1
        self._drawn_at_s = 0.0
        self._shown: dict[str, str] = {}  # camera -> result id
        with ui.row().classes("items-center q-gutter-sm"):
            self._state = chip("", "unknown").props("size=lg")
            ui.label(self._address).classes("text-h5")
            self._reason = ui.label().classes("text-grey")
        self._alerts = ui.column().classes("w-full gap-1")
        with ui.row().classes("w-full gap-2 figures"):
            self._figures = {key: _tile(label) for key, label in _FIGURES}
        Actions(caller, site, name, still)
        with ui.tabs().props("dense no-caps align=left").classes("w-full") as tabs:
            for tab in ("Charts", "Pictures", "Events", "Figures", "Info"):
                ui.tab(tab)
        with ui.tab_panels(tabs, value="Charts").props("keep-alive").classes("w-full"):
            with ui.tab_panel("Charts").classes("q-pa-none q-pt-sm"), _grid():
                self._charts = [ui.echart({}).style("height: 220px") for _ in TITLES]
            with ui.tab_panel("Pictures").classes("q-pa-none"):
                self._pictures = ui.row().classes("w-full q-gutter-md")
            with ui.tab_panel("Events").classes("q-pa-none"):
                self._events = ui.column().classes("w-full q-gutter-y-xs")
            with ui.tab_panel("Figures").classes("q-pa-none"):
                self._all = _table(("figure", "value"))
            with ui.tab_panel("Info").classes("q-pa-none"):
                self._info = ui.column().classes("w-full")
        self._info_shown: InfoDoc | None = None
        self.refresh()
        ui.timer(PERIOD_S, self.refresh)

    def refresh(self) -> None:
        """Show what is now."""
        now_s = time.monotonic()
        with self._board.device(self._address) as found:
            if found is None:
                self._reason.text = "Nothing was heard of such a device."
                return
            device, said = found
            changed = device.revision != self._revision
            self._revision = device.revision
            self._show_head(device, said, now_s)
            if changed:
                self._show_pictures(device)
                self._show_events(device)
                self._show_info(device)
            if changed and device.health is not None:
                self._all.rows = figures(device.health)
            drawn = device.health_at_s
            options = lines(device, now_s, time.time() * 1000) if drawn != self._drawn_at_s else []
            self._drawn_at_s = drawn
        for chart, wanted in zip(self._charts, options, strict=False):
            chart.options.clear()
            chart.options.update(wanted)
            chart.update()

    def _show_head(self, device: Device, said: list[Alert], now_s: float) -> None:
        figures = row(device, said, now_s)
        self._state.text = device.state
        self._state.props(f"color={COLOURS.get(device.state, 'grey-6')}")
        self._reason.text = str(figures["reason"])
        for key, label in self._figures.items():
            label.text = str(figures[key])
        key = repr(said)
        if self._shown.get("alerts") == key:
            return
        self._shown["alerts"] = key
        self._alerts.clear()
        with self._alerts:
            for alert in said:
                with ui.row().classes("w-full items-baseline q-gutter-sm no-wrap"):
                    chip(alert.severity.name.lower(), alert.severity.name.lower())
                    ui.label(alert.text).classes("text-weight-medium")
                    ui.label(alert.remedy).classes("text-grey")

    def _show_pictures(self, device: Device) -> None:
        now = {camera: one.result.id for camera, one in device.pictures.items() if one.result}
        if now == {c: i for c, i in self._shown.items() if c != "alerts"} and now:
            return
        self._shown = {**{k: v for k, v in self._shown.items() if k == "alerts"}, **now}
        self._pictures.clear()
        with self._pictures:
            if not now:
                ui.label("No picture since the dashboard began to listen.").classes("text-grey")
            for camera, picture in device.pictures.items():
                result = picture.result
                if result is None:
                    continue
                with ui.card().classes("q-pa-sm gap-1 w-[24rem] max-w-full"):
                    if picture.jpeg:
                        ui.image(f"/picture/{self._address}/{camera}?id={result.id}").classes(
                            "w-full"
                        ).props(f'alt="last picture of {camera}" fit=contain no-spinner')
                    actions = [face.action for face in result.faces]
                    ui.label(f"{camera}: {result.scene}").classes("text-weight-medium")
                    ui.label(
                        f"faces: {actions.count('swapped')} swapped, "
                        f"{actions.count('filled')} filled"
                        + (
                            f", {actions.count('slot')} in the template"
                            if "slot" in actions
                            else ""
                        )
                    )
                    ui.label(f"no. {result.seq}, {_clock(result.ts_ms)}").classes("text-grey")
                    if result.builtin:
                        ui.label("made by the built-in models").classes("text-warning")

    def _show_events(self, device: Device) -> None:
        self._events.clear()
        with self._events:
            if not device.events:
                ui.label("No event so far.").classes("text-grey")
            for _at, event in list(device.events)[: -_EVENTS - 1 : -1]:
                with ui.row().classes("w-full items-baseline q-gutter-sm no-wrap"):
                    ui.label(_clock(event.ts_ms)).classes("text-grey figures")
                    ui.label(event.event[:60]).classes("text-weight-medium")
                    ui.label(event.reason[:80])
                    if event.data:
                        ui.label(json.dumps(event.data)[:200]).classes("text-grey ellipsis")

    def _show_info(self, device: Device) -> None:
        info = device.info
        if info is None or info == self._info_shown:
            return
        self._info_shown = info
        self._info.clear()
        with self._info:
            _models(info.models)
            rest = msgspec.to_builtins(info)
            del rest["models"]
            ui.label(json.dumps(rest, indent=2)[:40_000]).classes(
                "font-mono text-xs whitespace-pre-wrap break-all w-full"
            )


def _grid() -> ui.element:
    """As many charts side by side as there is room for."""
    return (
        ui.element("div")
        .classes("w-full")
        .style(
            "display: grid; gap: 8px; "
            "grid-template-columns: repeat(auto-fill, minmax(min(380px, 100%), 1fr))"
        )
    )


def _tile(label: str) -> ui.label:
    with ui.card().classes("tile").props("flat bordered"):
        value = ui.label("-").classes("text-subtitle1 text-weight-medium")
        ui.label(label).classes("text-caption text-grey")
    return value


_COMMERCIAL: dict[bool | str, str] = {True: "yes", False: "no", "ask": "ask its vendor"}


def _serving(runtime: RuntimeInfo | None) -> str:
    return f"{runtime.name} {runtime.precision}"[:48] if runtime else ""


def _models(models: dict[str, ModelInfo]) -> None:
    """Which model, under which licence, seen with which weights, and what runs it."""
    rows = [
        {
            "model": name[:64],
            "kind": one.kind[:64],
            "licence": one.licence[:64],
            "commercial": _COMMERCIAL[one.commercial],
            "verified": one.verified[:64],
            "runtime": _serving(one.runtime),
            "sha256": one.sha256[:64],
        }
        for name, one in list(models.items())[:200]
    ]
    keys = ("model", "kind", "licence", "commercial", "verified", "runtime", "sha256")
    _table(keys).rows = rows


def _table(keys: tuple[str, ...]) -> ui.table:
    columns = [{"name": k, "label": k, "field": k, "align": "left"} for k in keys]
    table = ui.table(columns=columns, rows=[], row_key=keys[0])
    return table.props("flat dense wrap-cells").classes("w-full")


def figures(doc: HealthDoc) -> list[dict[str, str]]:
    """Every figure of a health document as it is named there, for a table."""
    plain: dict[str, Any] = msgspec.to_builtins(doc)
    return [
        {"figure": name, "value": value[:120]}
        for name, value in _flat(plain)
        if name not in {"v", "ts_ms"} and not name.startswith("latency.")
    ][:500]


def _flat(tree: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        name = f"{above}{str(key)[:64]}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, str(value)


def _clock(ts_ms: int) -> str:
    """Time of day where the dashboard runs; dates of other days."""
    try:
        then = time.localtime(ts_ms / 1000)
    except (OverflowError, OSError, ValueError):
        return "?"
    same = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M", then)
