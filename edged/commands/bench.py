"""`edged bench`: measure the host's share of every stage on this machine.

Thin: options in, progress on stderr, tables or one JSON object on stdout.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edged.errors import ConfigError


def bench(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    runs: Annotated[int, typer.Option(min=1, max=10_000, help="Counted rounds a case.")] = 30,
    cases: Annotated[
        str, typer.Option(help="Such as 1080p, 1080p:4 or 720p:1,4k:4; all of them: all.")
    ] = "all",
    kind: Annotated[
        str, typer.Option(help="stream: live frames; shot: searched with everything.")
    ] = "stream",
) -> None:
    """Measure every stage, the floor and (if installed) insightface on the same frames.

    Stand-in networks take the place of models, so that what is seen is the host's own
    work: what remains when a GPU does the inference.  Nothing is downloaded.
    """
    # Before numpy is imported: its linear algebra starts its threads then.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import msgspec  # noqa: PLC0415 - after the environment is set, as all of these
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    from edged.bench.frames import parse_cases  # noqa: PLC0415
    from edged.bench.report import show  # noqa: PLC0415
    from edged.bench.runner import Plan, run  # noqa: PLC0415

    if kind not in ("stream", "shot"):
        msg = f"--kind {kind!r}: neither stream nor shot"
        raise ConfigError(msg)
    plan = Plan(parse_cases(cases), runs, "shot" if kind == "shot" else "stream")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {case.name: bar.add_task(case.name, total=None) for case in plan.cases}
        result = run(
            plan, lambda name, done, total: bar.update(tasks[name], completed=done, total=total)
        )
    if as_json:
        sys.stdout.write(msgspec.json.encode(result.report).decode() + "\n")
    else:
        show(result.report, result.looks, Console())
