"""`edged calibrate`: measure what shipped figures cannot know.

Thin: options in, progress on stderr, a summary or one JSON object on stdout.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edged.commands.calibrate_camera import camera as camera_command
from edged.commands.calibrate_guard import guard as guard_command
from edged.commands.calibrate_live import live as live_command
from edged.commands.engine_progress import shown_progress
from edged.commands.options import ConfigFile, Json
from edged.config import ModelsTable, default_path, load, state_folder
from edged.errors import ConfigError, EngineError
from edged.recipe import list_recipes
from edged.store import ModelStore

_SEARCH, _TEST = 3, 4
"""Generated pictures to search on and to measure on."""

app = typer.Typer(no_args_is_help=True, help="Measure what shipped figures cannot know.")


@app.callback()
def root() -> None:
    """Measure what shipped figures cannot know."""


@app.command()
def precision(  # noqa: PLR0917 - typer gives them by name
    recipe_id: Annotated[str, typer.Argument(metavar="RECIPE", help="Id of the model.")],
    crops: Annotated[
        Path | None,
        typer.Option(help="Folder of your pictures to measure on; generated ones if left out."),
    ] = None,
    pictures: Annotated[
        str,
        typer.Option(help="What they are: crops (square, aligned) or photos (faces are found)."),
    ] = "crops",
    models: Annotated[
        str, typer.Option(help="stored: the model file; synthetic: random weights.")
    ] = "stored",
    seed: Annotated[int, typer.Option(min=0, help="Of a synthetic network.")] = 0,
    width: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Share of a synthetic network's channels.")
    ] = 1.0,
    trials: Annotated[int, typer.Option(min=1, max=1000, help="Mixed graphs to try.")] = 24,
    threads: Annotated[int, typer.Option(min=0, max=256, help="0: as many as cores.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where to write the plan.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Find which nodes of a model must stay in FP32, prove it, and write the plan.

    Pictures are used in memory and never kept: a plan holds names of nodes and figures.
    A plan of a synthetic network goes to a folder of its own, where no engine looks.
    """
    # Heavy modules after the options are known to be right.
    from edged.commands import calibrating  # noqa: PLC0415
    from edged.runtime.precision.hunt import Budget  # noqa: PLC0415
    from edged.runtime.precision.plan import write_plan  # noqa: PLC0415
    from edged.runtime.precision.search import find_plan  # noqa: PLC0415

    if models not in ("stored", "synthetic"):
        raise ConfigError(f"--models {models!r}: neither stored nor synthetic")
    if pictures not in ("crops", "photos"):
        raise ConfigError(f"--pictures {pictures!r}: neither crops nor photos")
    store = _store(config)
    recipe = store.recipe(recipe_id)
    console = Console(stderr=True, highlight=False)
    start_s = time.monotonic()
    with shown_progress(console, 1) as begin, begin(recipe_id) as tell:
        tell("load the model", 0.0)
        if models == "synthetic":
            subject = calibrating.made(recipe, seed, width)
        else:
            subject = calibrating.stored(recipe, store)
        if crops is None:
            search = calibrating.generated(subject, 1, _SEARCH)
            test = calibrating.generated(subject, 2, _TEST)
            measured_on = f"{len(test)} generated pictures, others than the search's"
        else:
            kind: Any = pictures
            feeds = calibrating.named(subject, crops, kind)
            search, test = feeds[::2], feeds[1::2]
            measured_on = f"{len(test)} of {len(feeds)} named {pictures}, not the search's"
        tell("measure extremes", 0.0)
        wider = calibrating.extremes(subject, 3, threads)
        site = store.folder.parent / "calibration"
        live = None if models == "synthetic" else calibrating.live(subject, site)
        if live is not None:
            wider = wider.merged(live)
        drawn = calibrating.Drawn(seed, width) if models == "synthetic" else None
        judge = calibrating.judge(recipe, store, threads, drawn)
        report = find_plan(
            subject.graph,
            search,
            test,
            bound=subject.bound,
            budget=Budget(trials=trials, threads=threads),
            embed=judge[1] if judge else None,
            wider=wider,
            progress=tell,
        )
    plan = report.plan(recipe_id, subject.sha256, measured_on)
    if models == "synthetic":
        site /= "synthetic"
    path = out or site / "precision" / f"{recipe_id}.toml"
    if report.met:
        write_plan(plan, path)
    found = {
        **report.as_data(recipe_id),
        "recogniser": judge[0] if judge else None,
        "measured_on": measured_on,
        "live_crops": 0 if live is None else live.runs,
        "seconds": round(time.monotonic() - start_s, 1),
        "plan": str(path) if report.met else None,
    }
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _show(found)
    if not report.met:
        raise EngineError(
            f"model {recipe_id}: no plan within the bounds of its recipe was found, so none was "
            "written and it runs in FP32; try --trials with more than "
            f'{trials}, or set precision.half = "no"'
        )


app.command("live")(live_command)
app.command("guard")(guard_command)
app.command("camera")(camera_command)


def _store(config: Path | None) -> ModelStore:
    """Model folder and recipes of the configuration, or the defaults without one."""
    path = config or default_path()
    if config or path.exists():
        table = load(path).models
    else:
        table = ModelsTable(folder=state_folder().absolute() / "models")
    return ModelStore(table.folder, list_recipes(table.recipes))


def _show(found: dict[str, Any]) -> None:
    plain, planned = found["plain_fp16"], found["planned"]
    finite = "" if plain["finite"] else " (not finite)"
    lines = [
        f"{found['recipe']}: measured on {found['measured_on']}",
        f"  FP16 everywhere   {_figures(plain)}{finite}",
        f"  planned           {_figures(planned)}",
        f"  multiply-adds in FP16   {planned['fp16_macs_share']:.1%}",
        f"  nodes in FP32           {len(planned['fp32_nodes'])}",
        f"  rescaled                {len(found['rescale'])}",
        f"  live crops in the ranges {found['live_crops']}",
    ]
    if found["plan"]:
        lines += ["", f"{found['plan']} is written. Next: `edged engines build {found['recipe']}`."]
    typer.echo("\n".join(lines))


def _figures(of: dict[str, Any]) -> str:
    units = {
        "psnr_db": "PSNR {} dB",
        "cosine": "cosine {}",
        "score_error": "scores off by {}",
        "box_error_px": "boxes off by {} px",
    }
    said = [text.format(of[key]) for key, text in units.items() if of.get(key) is not None]
    return ", ".join(said)
