"""`make faults`: real processes, a real broker, real faces, and everything that can go wrong.

`make faults` runs the whole matrix, `make faults ARGS="--kinds killed --times 3"` some of it,
and `make faults ARGS=--list` names what there is.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from debian_parts import find_program
from faults.faces_out import FacesOut
from faults.kinds import all_kinds
from faults.matrix import Matrix
from faults.table import as_json, load_line, table, violations
from shots import real_models

LEAST_IN_ALL = 500
LEAST_OF_EACH = 10


def times_for(kinds):
    """Injections of each kind so that all together are at least :data:`LEAST_IN_ALL`."""
    return max(LEAST_OF_EACH, -(-LEAST_IN_ALL // len(kinds)))


def main(
    kinds: Annotated[
        str, typer.Option(help="Words, comma-separated: kinds with one of them in their name.")
    ] = "",
    times: Annotated[
        int, typer.Option(min=0, help="Injections of each; 0: at least 10 and 500 in all.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of all moments; 0 takes the clock's.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="Print the kinds and end.")] = False,
) -> None:
    """Inject every kind of fault under load and count what was lost, doubled or let out.

    Ends with 1 when anything was, with 2 when something is missing for a run, with 130 after
    a Ctrl-C or a kill, which prints what was seen until then.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # brokers and disks are put away
    chosen = all_kinds()
    if kinds:
        words = [word.strip() for word in kinds.split(",")]
        chosen = [kind for kind in chosen if any(word in kind.name for word in words)]
    if not chosen:
        typer.echo(f"no kind has {kinds!r} in its name: see --list", err=True)
        raise typer.Exit(2)
    if list_:
        for kind in chosen:
            typer.echo(kind.name)
        return
    if missing := _missing(chosen):
        typer.echo(missing, err=True)
        raise typer.Exit(2)
    raise typer.Exit(_run(chosen, times or times_for(chosen), seed or int(time.time()), json_))


def _missing(kinds):
    """What a run cannot do without, and where to get it; "" when all is there."""
    if real_models() is None:
        return (
            "EDGED_TEST_MODELS is not set: name the folder of small real networks that faces "
            "are judged with (README, Everything that can go wrong)"
        )
    if shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        return "mosquitto is not installed (Debian: apt-get install mosquitto)"
    if find_program("gcc") is None and any(kind.state == "recorded" for kind in kinds):
        return (
            "gcc is not installed (Debian: apt-get install gcc libc6-dev); kinds that cut the "
            "power record what is written with it: install it, or choose --kinds"
        )
    if os.geteuid() and any(kind.state == "tmpfs" for kind in kinds):
        return "kinds that fill a disk mount a small one: run it as root, or choose --kinds"
    return ""


def _run(kinds, times, seed, as_machine):
    screen = Console(stderr=True)
    total = times * len(kinds)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(), TimeRemainingColumn(), console=screen,
    ) as bar, FacesOut() as judge:  # fmt: skip
        task = bar.add_task("starting", total=total)

        def progress(row):
            bar.update(task, description=row.kind, completed=sum(r.injected for r in matrix.rows))
            if row.took_s and not screen.is_terminal:
                screen.print(f"{row.kind}: {row.injected} in {row.took_s:.0f} s", highlight=False)

        matrix = Matrix(judge, seed, progress)
        matrix.run(kinds, times)
    rows, interrupted = matrix.rows, matrix.interrupted
    if as_machine:
        typer.echo(json.dumps(as_json(rows, seed=seed, interrupted=interrupted), indent=1))
    else:
        out = Console()
        out.print(table(rows))
        out.print(load_line(rows), highlight=False)
        out.print(f"seed {seed}{', interrupted' if interrupted else ''}", highlight=False)
        for line in violations(rows):
            out.print(f"[red]{line}[/red]", highlight=False)
    if interrupted:
        return 130
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    typer.run(main)
