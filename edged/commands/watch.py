"""`edged watch`: all devices of a broker in a terminal."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from edged.commands.fleet_options import Broker, at_broker
from edged.commands.options import Json
from edged.fleet.words import counted

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from edged.fleet.board import Board, Overview
    from edged.fleet.link import FleetLink

PERIOD_S = 1.0
CONNECT_S = 10.0
TROUBLED = 1
"""Exit code of `--once` when a device needs help."""

_COLOURS = {
    "online": "green", "degraded": "yellow", "paused": "blue", "offline": "red", "unknown": "dim",
    "ok": "", "note": "blue", "warning": "yellow", "critical": "red",
}  # fmt: skip
_COLUMNS = (
    ("state", "State"), ("address", "Device"), ("fps", "/s"), ("p95", "p95"),
    ("refused", "refused"), ("outbox", "waiting"), ("cpu", "CPU"), ("gpu", "GPU"),
    ("runtime", "runs on"), ("seen", "heard"), ("alert", "needs"),
)  # fmt: skip
_REMEDIES = 4
"""What to do is told so often at most; one remedy helps all devices that need it."""
_RIGHT = frozenset({"fps", "p95", "refused", "cpu", "gpu"})


@at_broker
def watch(
    *,
    broker: Broker,
    search: Annotated[str, typer.Argument(help="Part of SITE/NAME.")] = "",
    once_s: Annotated[
        float,
        typer.Option(
            "--once",
            metavar="SECONDS",
            min=0.0,
            help="Listen so long, print, end with 1 if a device needs help.",
        ),
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Show all devices of a broker, who needs help first, until Ctrl-C.

    edged watch --broker mqtts://broker.example.org
    edged watch museum/ --once 15 --json
    """  # fmt: skip
    from edged.fleet.board import Board  # noqa: PLC0415
    from edged.fleet.fleet import Fleet  # noqa: PLC0415
    from edged.fleet.link import FleetLink  # noqa: PLC0415
    from edged.fleet.messages import FILTERS  # noqa: PLC0415

    if as_json and not once_s:
        raise typer.BadParameter("needs --once SECONDS", param_hint="--json")
    wanted = broker.access()
    board = Board(Fleet())
    quiet = [one for one in FILTERS if "/image/" not in one]  # a terminal shows no pictures
    with FleetLink(wanted, quiet, lambda t, p, _retained: board.heard(t, p)) as link:
        link.wait(CONNECT_S)
        if once_s:
            threading.Event().wait(once_s)
            _print(board.overview(search, rows=100_000), as_json=as_json)
        else:
            _follow(board, link, search)


def _print(found: Overview, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"states": found.states, "devices": found.rows}, indent=2))
    else:
        from rich.console import Console  # noqa: PLC0415 - not needed for --json

        Console().print(_page(found, ""))
    if any(row["level"] in {"warning", "critical"} for row in found.rows):
        raise typer.Exit(TROUBLED)


def _follow(board: Board, link: FleetLink, search: str) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    console = Console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            room = max(1, console.height - 5 - _REMEDIES)
            trouble = "" if link.connected else link.trouble
            live.update(_page(board.overview(search, rows=room), trouble), refresh=True)
            time.sleep(PERIOD_S)


def _page(found: Overview, trouble: str) -> Group:
    """The devices, and below them what helps those that are listed."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    helped: dict[str, list[str]] = {}
    for row in found.rows:
        if row["remedy"]:
            helped.setdefault(row["remedy"], []).append(row["address"])
    lines = [
        Text.assemble(
            (f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: ", "bold"),
            remedy,
        )
        for remedy, names in list(helped.items())[:_REMEDIES]
    ]
    return Group(_table(found, trouble), *lines)


def _table(found: Overview, trouble: str) -> Table:
    """The worst devices, as many as there is room for."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    states = ", ".join(f"{count} {state}" for state, count in sorted(found.states.items()))
    title = Text(
        f"{counted(found.found, 'device')}: {states}" if found.found else "no device heard of yet"
    )
    if trouble:
        title = Text(f"no broker: {trouble}", style="red")
    table = Table(title=title, title_justify="left", expand=True, box=None, pad_edge=False)
    for key, label in _COLUMNS:
        table.add_column(
            label,
            justify="right" if key in _RIGHT else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if key == "alert" else None,
        )
    for row in found.rows:
        more = f" +{row['more']}" if row["more"] else ""
        styles = {"state": _COLOURS[row["state"]], "alert": _COLOURS[row["level"]]}
        table.add_row(
            *(
                Text(str(row[key]) + (more if key == "alert" else ""), style=styles.get(key, ""))
                for key, _label in _COLUMNS
            )
        )
    hidden = found.found - len(found.rows)
    if hidden > 0:
        table.caption = Text(f"and {hidden} more that need it less")
    return table
