"""`edged demo`: the main job on this machine, with embedded parts only.

Knows the command line; the work is in :mod:`edged.demo`.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def demo(
    photo: Annotated[
        Path | None,
        typer.Option("--photo", help="Your own picture instead of the packaged ones."),
    ] = None,
    *,
    out: Annotated[Path, typer.Option("--out", help="Folder of the before/after sheet.")] = Path(
        "demo-out"
    ),
    keep: Annotated[bool, typer.Option("--keep", help="Stay up afterwards, until Ctrl-C.")] = False,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Use the embedded broker, not mosquitto.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead of tables.")
    ] = False,
    readme: Annotated[Path | None, typer.Option("--readme", hidden=True)] = None,
) -> None:
    """Show the whole way of a picture: camera, engine, guard, outbox, broker.

    Starts a broker (mosquitto if it is installed), `edged run`, a camera and a
    subscriber, runs both scenes on real photos and checks that no face got out.
    Nothing is downloaded, nothing leaves this machine, and nothing stays but the sheet.
    Ends with 0, or with 1 and the reason.
    """
    from edged.demo.show import Wishes, interruptible, run_demo  # noqa: PLC0415 - imports OpenCV

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    console = Console(stderr=as_json)
    with interruptible():
        report = run_demo(Wishes(photo, out, keep, embedded, readme), console)
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=2))
    elif not keep:
        report.show(console)
    raise typer.Exit(report.code)
