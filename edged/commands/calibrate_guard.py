"""`edged calibrate guard`: the guard's bounds, measured on photos that the operator names.

Thin: options in, progress on stderr, a report or one JSON object on stdout.  Photos are read
only from the named folder; faces and vectors stay in memory; the file holds figures.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edged.commands.engine_progress import shown_progress
from edged.commands.options import ConfigFile, Json
from edged.errors import ConfigError

_FACES = ("auto", "folders", "names", "faces")


def guard(  # noqa: PLR0917 - typer gives them by name
    photos: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Photos: one sub-folder a person, or anna-1.jpg, anna-2.jpg."
        ),
    ],
    people: Annotated[
        str,
        typer.Option(
            help="How to tell people apart: folders, names, faces (every face of every photo is "
            "somebody else), or auto."
        ),
    ] = "auto",
    variations: Annotated[
        int,
        typer.Option(
            min=1, max=100, help="Generated pictures a face, where nobody has two photos."
        ),
    ] = 12,
    sources: Annotated[
        int, typer.Option(min=1, max=40, help="Others that each person is swapped with.")
    ] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Of the generated pictures.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; calibration/guard.toml of the state folder if left out."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Measure, and write nothing.")] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Measure the guard's bounds for the configured recogniser and swapper, and write them.

    Bounds that the photos do not support are not written, and nothing forces them.
    """
    # Heavy modules after the options are known to be right.
    if people not in _FACES:
        raise ConfigError(f"--people {people!r}: none of {', '.join(_FACES)}")
    import msgspec  # noqa: PLC0415

    from edged.calibration import guard_files  # noqa: PLC0415
    from edged.commands.configured import configured  # noqa: PLC0415
    from edged.commands.guard_view import show  # noqa: PLC0415
    from edged.daemon.assemble import open_stages  # noqa: PLC0415
    from edged.measure import guard_report as report_of  # noqa: PLC0415
    from edged.measure.guard_file import save_bounds  # noqa: PLC0415
    from edged.measure.identity import measure_identity  # noqa: PLC0415
    from edged.measure.likeness import measure_likeness  # noqa: PLC0415
    from edged.measure.people import gather  # noqa: PLC0415
    from edged.measure.variations import Variations  # noqa: PLC0415
    from edged.stages.search import search  # noqa: PLC0415
    from edged.stages.views import Effort  # noqa: PLC0415

    settings, origin = configured(config)
    models = settings.models
    console = Console(stderr=True, highlight=False)
    console.print(f"{origin}: {models.guard_recogniser} with {models.swapper}", markup=False)
    start_s = time.monotonic()
    with ExitStack() as stack, shown_progress(console, 1) as begin, begin("guard") as tell:
        stages = open_stages(settings, stack, lambda step: tell(step, 0.0)).stages
        effort = Effort(settings.guard.sizes_px)
        find = partial(search, detectors=stages.detectors, effort=effort)
        gathered = gather(photos, find, people, tell)
        identity = measure_identity(gathered, stages.recogniser, Variations(variations, seed), tell)
        likeness = measure_likeness(gathered, stages, sources, tell)
    recogniser = report_of.recogniser_found(models.guard_recogniser, identity)
    report = report_of.GuardReport(
        people=gathered.people,
        photos=len({one.photo for one in gathered.shown}),
        grouping=gathered.grouping,
        left_out=dict(gathered.left_out),
        detectors=models.detectors,
        recogniser=recogniser,
        swapper=report_of.swapper_found(
            models.swapper, models.restorer, likeness, recogniser.identity_max
        ),
        written=None,
        seconds=round(time.monotonic() - start_s, 1),
    )
    entries = report_of.recogniser_entry(report), report_of.swapper_entry(report)
    if any(entries) and not dry_run:
        path = out or guard_files(models.folder)[-1]
        save_bounds(path, *entries)
        report = msgspec.structs.replace(report, written=str(path))
    if as_json:
        typer.echo(msgspec.json.encode(report).decode())
    else:
        show(report, Console(highlight=False))
    problems = [
        f"{kind} {found.id}: no bound was written: {found.problem}"
        for kind, found in (("recogniser", report.recogniser), ("swapper", report.swapper))
        if found.problem
    ]
    if problems:
        raise ConfigError(*problems)
