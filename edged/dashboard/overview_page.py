"""The overview: all devices, who needs help first."""

from __future__ import annotations

from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from edged.dashboard.shell import COLOURS
from edged.fleet.board import PAGE, Board, Overview
from edged.fleet.words import counted

PERIOD_S = 2.0
_STATES = ("offline", "degraded", "paused", "online", "unknown")
_NARROW_PX = 900
_PATIENCE_S = 30.0

_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("state", "State", "left"), ("address", "Device", "left"), ("alert", "Needs", "left"),
    ("fps", "Pictures/s", "right"), ("p95", "Latency p95", "right"),
    ("refused", "Refused", "right"), ("drops", "Dropped", "right"),
    ("outbox", "Waiting", "right"), ("cpu", "CPU", "right"), ("gpu", "GPU", "right"),
    ("runtime", "Runs on", "left"), ("isolation", "Isolation", "left"), ("seen", "Heard", "right"),
)  # fmt: skip

_CELL = """
<q-td :props="props"><q-badge :color="props.row.colour">{{ props.row.state }}</q-badge></q-td>
"""
_ALERT = """
<q-td :props="props" style="white-space: normal; min-width: 14em; max-width: 26em">
<span :class="'text-' + props.row.tint">{{ props.row.alert }}</span>
<span v-if="props.row.more" class="text-grey"> +{{ props.row.more }}</span></q-td>
"""
_CARD = """
<div class="q-pa-xs col-12"><q-card bordered flat class="cursor-pointer"
  @click="() => $parent.$emit('open', props.row.address)"><q-card-section class="q-pa-sm">
<div class="row items-center justify-between no-wrap">
<b class="ellipsis">{{ props.row.address }}</b>
<q-badge :color="props.row.colour">{{ props.row.state }}</q-badge></div>
<div v-if="props.row.alert" :class="'text-' + props.row.tint">{{ props.row.alert }}
<span v-if="props.row.more" class="text-grey">+{{ props.row.more }}</span></div>
<div class="text-caption figures">{{ props.row.fps }} pictures/s, p95 {{ props.row.p95 }},
waiting {{ props.row.outbox }}, CPU {{ props.row.cpu }}, GPU {{ props.row.gpu }}</div>
<div class="text-caption text-grey">{{ props.row.runtime }}, {{ props.row.isolation }},
heard {{ props.row.seen }}</div></q-card-section></q-card></div>
"""


class OverviewPage:
    """One browser's view of the overview.

    Args:
        board: what is shown.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._search = ""
        self._wanted = ""
        self._page = 0
        self._tiles = ui.row().classes("w-full gap-2 items-center")
        self._counts: dict[str, ui.button] = {}
        with self._tiles:
            for name in ("", *_STATES):
                button = ui.button(on_click=lambda _e, name=name: self._want(name))
                self._counts[name] = button.props("dense no-caps unelevated").classes("q-px-sm")
        with ui.row().classes("w-full items-center gap-2"):
            ui.input("Search", on_change=lambda e: self._look_for(str(e.value or ""))).props(
                "dense outlined clearable debounce=200"
            )
            self._alerts = ui.select({"": "any alert"}, value="", on_change=self._pick).props(
                "dense outlined options-dense"
            )
            self._where = ui.label().classes("text-grey")
        columns = [
            {"name": name, "label": label, "field": name, "align": align}
            for name, label, align in _COLUMNS
        ]
        self._table = ui.table(columns=columns, rows=[], row_key="address")
        self._table.props("flat bordered dense wrap-cells").classes("w-full figures")
        self._table.add_slot("body-cell-state", _CELL)
        self._table.add_slot("body-cell-alert", _ALERT)
        self._table.add_slot("item", _CARD)
        self._table.add_slot("no-data", "<div class='q-pa-md'>No device here.</div>")
        self._table.on("row-click", self._clicked, [[], ["address"], None])
        self._table.on("open", lambda e: _open(e.args))
        with ui.row().classes("w-full justify-center"):
            self._pager = ui.pagination(1, 1, direction_links=True, on_change=self._turn)
            self._pager.props("max-pages=7")
        self._heard = ui.label().classes("text-caption text-grey")
        self.refresh()
        ui.timer(PERIOD_S, self.refresh)
        ui.timer(0.1, self._fit, once=True)

    def refresh(self) -> None:
        """Show what is now; sends nothing when nothing has changed."""
        found = self._board.overview(self._search, self._wanted, self._page)
        pages = max(1, -(-found.found // PAGE))
        if self._page >= pages:
            self._page = pages - 1
            found = self._board.overview(self._search, self._wanted, self._page)
        self._show_counts(found)
        for one in found.rows:
            one["colour"] = COLOURS.get(one["state"], "grey-6")
            one["tint"] = COLOURS.get(one["level"], "grey-6")
        if found.rows != self._table.rows:
            self._table.rows = found.rows
        unread = f", {found.unread} not understood" if found.unread else ""
        self._heard.text = f"{found.heard:,} messages heard{unread}"
        self._pager.max = pages
        self._pager.set_visibility(pages > 1)
        self._where.text = (
            f"{found.found} of {counted(found.total, 'device')}"
            if found.found != found.total
            else ""
        )

    def _show_counts(self, found: Overview) -> None:
        for name, button in self._counts.items():
            count = found.states.get(name, 0) if name else found.total
            chosen = name == self._wanted
            button.text = f"{count} {name}" if name else counted(count, "device")
            colour = COLOURS.get(name, "primary")
            button.props(f"color={colour}" if chosen or count else "color=grey-5")
            button.props(remove="outline") if chosen else button.props("outline")
        options = {"": "any alert"} | {
            slug: f"{slug} ({count})" for slug, count in sorted(found.alerts.items())
        }
        if options != self._alerts.options and (
            self._alerts.value in options or not self._alerts.value
        ):
            self._alerts.set_options(options)

    async def _fit(self) -> None:
        """Cards in place of columns where the window is narrow, as on a phone."""
        try:
            await ui.context.client.connected(timeout=_PATIENCE_S)
            width_px = await ui.run_javascript("window.innerWidth", timeout=_PATIENCE_S)
        except TimeoutError:
            return  # a browser that went away, or cannot tell: columns
        if isinstance(width_px, int | float) and width_px < _NARROW_PX:
            self._table.props("grid hide-header")

    def _want(self, name: str) -> None:
        self._wanted, self._page = ("" if name == self._wanted else name), 0
        self.refresh()

    def _pick(self, event: Any) -> None:
        self._wanted, self._page = str(event.value or ""), 0
        self.refresh()

    def _look_for(self, text: str) -> None:
        self._search, self._page = text[:80], 0
        self.refresh()

    def _turn(self, event: Any) -> None:
        self._page = max(0, int(event.value or 1) - 1)
        self.refresh()

    @staticmethod
    def _clicked(event: GenericEventArguments) -> None:
        _open(event.args[1]["address"])


def _open(address: object) -> None:
    """Go to a device's page.  The browser says which: read the address as a hostile one."""
    if isinstance(address, str) and all(p.replace("-", "").isalnum() for p in address.split("/")):
        ui.navigate.to(f"/device/{address}")
