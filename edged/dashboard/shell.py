"""What every page has around it: title, the link to the broker, who is logged in, colours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui

from edged.dashboard.accounts import Session
from edged.fleet.link import FleetLink

COLOURS = {
    "online": "positive", "degraded": "warning", "paused": "blue-8", "offline": "negative",
    "unknown": "grey-6", "ok": "positive", "note": "blue-8", "warning": "warning",
    "critical": "negative",
}  # fmt: skip
"""Quasar's colour of each state and severity."""

_CSS = """
body { font-family: system-ui, sans-serif }
.nicegui-content { padding: 1rem; max-width: 1500px; margin: auto }
.nicegui-content > .column { gap: .6rem }
.tile { padding: .35rem .7rem; gap: 0 }
.figures { font-variant-numeric: tabular-nums }
.q-table tbody tr { cursor: pointer }
@media (max-width: 700px) { .nicegui-content { padding: .5rem } }
"""


@contextmanager
def shell(title: str, session: Session, link: FleetLink) -> Iterator[None]:
    """The frame of a page; its content goes into the block."""
    ui.add_css(_CSS)
    ui.page_title(f"{title} - edged fleet")
    ui.colors(primary="#1565c0", positive="#2e7d32", warning="#b26a00", negative="#c62828")
    with ui.header().classes("items-center justify-between q-py-xs"):
        with ui.row().classes("items-center no-wrap"):
            ui.link("edged fleet", "/").classes("text-white text-h6 no-underline")
            ui.label(title).classes("text-subtitle1 gt-xs" if title == "Overview" else "ellipsis")
        with ui.row().classes("items-center no-wrap q-gutter-sm"):
            _broker(link)
            if session.user:
                ui.label(f"{session.user} ({session.role})").classes("gt-xs")
                ui.link("Log out", "/logout").classes("text-white")
            else:
                ui.label("view only")
    with ui.column().classes("w-full"):
        yield


def _broker(link: FleetLink) -> None:
    """Whether we hear anything at all, which no device can tell."""
    chip = ui.chip().props("dense")

    def look() -> None:
        chip.text = "broker" if link.connected else f"no broker: {link.trouble}"
        chip.props(f"color={'positive' if link.connected else 'negative'} text-color=white")
        chip.props(f"icon={'link' if link.connected else 'link_off'}")

    look()
    ui.timer(2.0, look)


def chip(text: str, kind: str) -> ui.chip:
    """A coloured word of :data:`COLOURS`."""
    return ui.chip(text, color=COLOURS.get(kind, "grey-6"), text_color="white").props(
        "dense square"
    )
