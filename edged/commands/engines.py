"""`edged engines`: build what the models run as, and say whether it is there and right.

Thin: options in, progress on stderr, tables or JSON on stdout.  What is shown is made in
:mod:`edged.commands.engine_views`; engines are :mod:`edged.runtime.build`'s.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from edged.commands import engine_views as views
from edged.commands.engine_desk import Desk
from edged.commands.engine_progress import Begin, Told, shown_progress
from edged.commands.options import ConfigFile, Json
from edged.errors import EdgedError, EngineError
from edged.runtime.backend import Backend
from edged.runtime.build import jobs, process
from edged.runtime.build.make import Order, make
from edged.runtime.build.manifest import Manifest
from edged.runtime.build.process import Limits
from edged.runtime.build.store import EngineStore, Found

app = typer.Typer(no_args_is_help=True, help="Build, list and check what models run as.")

Ids = Annotated[list[str] | None, typer.Argument(help="Default: those that are configured.")]
Runtime = Annotated[
    str,
    typer.Option(
        "--runtime",
        metavar="NAME",
        help="tensorrt, tensorrt-rtx or cuda; default: the configured one, else the best here.",
    ),
]
PICTURES = "picture graphs"
HOLDS_FRAMES = frozenset({"tensorrt"})
"""Runtimes whose picture graphs are built; the others take them as they are, or not at all."""
NOTHING = "the cpu runtime makes its graphs when it loads them: there are no engines to build"


@app.command()
def build(
    model_ids: Ids = None,
    *,
    config: ConfigFile = None,
    runtime: Runtime = "",
    force: Annotated[bool, typer.Option("--force", help="Also what is there and fresh.")] = False,
    require_half: Annotated[
        bool, typer.Option("--require-half", help="Fail where FP16 cannot be had, not FP32.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Build engines; what is there and fresh is not built again."""
    desk = Desk.open(config)
    backend = desk.backend(runtime)
    if backend is None:
        typer.echo("[]" if as_json else NOTHING)
        return
    done: list[Manifest] = []
    problems: dict[str, EdgedError] = {}
    wanted = desk.ids(model_ids)

    def order(model_id: str, progress: Told) -> Order:
        return Order(desk.model(model_id), backend, force, require_half, progress)

    frames = not model_ids and backend.name in HOLDS_FRAMES
    with shown_progress(Console(stderr=True, highlight=False), len(wanted) + frames) as begin:
        for model_id in wanted:
            made = _build_one(desk.store, begin(model_id), partial(order, model_id))
            if isinstance(made, Manifest):
                done.append(made)
            else:
                problems[model_id] = made
        problems |= _build_pictures(desk.store, backend if frames else None, begin, force=force)
    if as_json:
        failed = [views.failure(model_id, error) for model_id, error in problems.items()]
        typer.echo(json.dumps([*(views.as_data(paper) for paper in done), *failed]))
    for paper in done:
        if not as_json:
            typer.echo(views.sentence(paper))
        if not paper.accepted:
            text = f"model {paper.model}: {paper.status}, not accepted: {paper.why_not}"
            problems[paper.model] = EngineError(text)
    if problems:
        raise _together([*problems.values()])


@app.command("list")
def list_engines(
    model_ids: Ids = None,
    *,
    config: ConfigFile = None,
    runtime: Runtime = "",
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what can serve no more and is not loaded.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show the engines of every model: built, ran, accepted, and fresh or what differs."""
    desk = Desk.open(config)
    rows = [
        row
        for model_id in desk.listed(model_ids)
        for row in desk.rows(model_id, runtime, prune=prune)
    ]
    if not runtime and desk.serving() is None:
        rows = [row for row in rows if row.manifest is not None]
    if as_json:
        typer.echo(json.dumps([row.as_data() for row in rows]))
        return
    if not rows:
        typer.echo(f"{NOTHING} (why no GPU serves: `edged doctor`)")
        return
    views.print_table(rows, Console(highlight=False, markup=False))
    typer.echo(f"\nfolder: {desk.store.settings.folder}")


@app.command()
def show(
    model_id: Annotated[str, typer.Argument(help="Id of a model.")],
    *,
    config: ConfigFile = None,
    runtime: Runtime = "",
    as_json: Json = False,
) -> None:
    """Show everything that is known of a model's engine."""
    desk = Desk.open(config)
    rows = [row for row in desk.rows(model_id, runtime) if row.manifest is not None]
    if not rows:
        raise EngineError(f"model {model_id} has no engine; run `edged engines build {model_id}`")
    best = min(rows, key=lambda row: (row.state != "fresh", -row.built_ms))
    if as_json:
        typer.echo(json.dumps(best.as_data()))
        return
    for line in views.pages(best):
        typer.echo(line)


@app.command()
def check(
    model_ids: Ids = None,
    *,
    config: ConfigFile = None,
    runtime: Runtime = "",
    as_json: Json = False,
) -> None:
    """Exit with 0 when every configured model has a fresh, accepted engine; else with 70."""
    desk = Desk.open(config)
    backend = desk.serving(runtime)
    if backend is None:
        typer.echo(json.dumps({"runtime": "cpu", "ok": True, "models": []}) if as_json else NOTHING)
        return
    answers = {model_id: _answer(desk, model_id, backend) for model_id in desk.ids(model_ids)}
    bad = [model_id for model_id, (state, _text) in answers.items() if state != "fresh"]
    if as_json:
        models = [{"id": key, "state": s, "reason": text} for key, (s, text) in answers.items()]
        typer.echo(json.dumps({"runtime": backend.name, "ok": not bad, "models": models}))
    else:
        for model_id, (state, text) in answers.items():
            typer.echo(f"{model_id}: {state}{': ' + text if text else ''}")
    if bad:
        raise EngineError(f"no fresh, accepted {backend.name} engine: {', '.join(bad)}")


def _build_pictures(
    store: EngineStore, backend: Backend | None, begin: Begin, *, force: bool
) -> dict[str, EdgedError]:
    """The graphs that work on frames where they lie; what went wrong, by what it is called."""
    if backend is None:
        return {}
    from edged.runtime.build.pictures import PictureEngines  # noqa: PLC0415 - reads ONNX

    engines = PictureEngines(store.settings, backend)
    try:
        with begin(PICTURES) as progress:
            if force or not engines.there():
                engines.make(progress, threading.Event())
    except EdgedError as error:
        return {PICTURES: error}
    return {}


def _build_one(
    store: EngineStore, told: AbstractContextManager[Told], order: Callable[[Told], Order]
) -> Manifest | EdgedError:
    """One engine, or what went wrong; the others are built all the same."""
    try:
        with told as progress:
            return make(store, order(progress))
    except EdgedError as error:
        return error


def _answer(desk: Desk, model_id: str, backend: Backend) -> tuple[str, str]:
    try:
        found = desk.store.best(desk.model(model_id), backend)
    except EdgedError as error:  # the model file itself is not in order
        return "unbuildable", str(error)
    return ("fresh", "") if isinstance(found, Found) else (found.state, found.reason)


@app.command()
def bench(
    model_id: Annotated[str, typer.Argument(help="Id of a model.")],
    *,
    config: ConfigFile = None,
    runtime: Runtime = "",
    batches: Annotated[str, typer.Option(help="Faces a run, with commas.")] = "1,2,4,8",
    runs: Annotated[int, typer.Option(min=2, max=10_000, help="Counted runs a batch.")] = 50,
    as_json: Json = False,
) -> None:
    """Measure the latency of an accepted engine, host memory to host memory."""
    desk = Desk.open(config)
    backend = desk.backend(runtime)
    if backend is None:
        raise EngineError(f"{NOTHING} and to measure; see `edged bench`")
    model = desk.model(model_id)
    found = desk.store.best(model, backend)
    if not isinstance(found, Found):
        raise EngineError(found.reason)
    job = jobs.Bench(
        parent=os.getpid(),
        model=model,
        backend=jobs.maker(backend),
        subject=desk.store.subject(model),
        folder=found.folder,
        batches=views.numbers(batches),
        runs=runs,
    )
    settings = desk.store.settings
    limits = Limits(settings.timeout_s, settings.memory_mb)
    screen = Console(stderr=True, highlight=False)
    with shown_progress(screen, 1) as begin, begin(model_id) as progress, found.held():
        outcome = process.run(job, limits, progress)
    if outcome.ending != "done":
        raise EngineError(f"model {model_id}: its engine was {outcome.crash}")
    timings = jobs.decode(outcome.result, list[jobs.Timing])
    if as_json:
        typer.echo(json.dumps(_bench_data(found.manifest, timings)))
        return
    views.print_timings(found.manifest, timings, Console(highlight=False, markup=False))


def _bench_data(paper: Manifest, timings: Iterable[jobs.Timing]) -> dict[str, Any]:
    return {
        "model": paper.model,
        "runtime": paper.depends.runtime,
        "precision": paper.precision,
        "on": paper.ran.on if paper.ran else "",
        "identity": paper.depends.identity,
        "timings": msgspec.to_builtins(list(timings)),
    }


def _together(problems: list[EdgedError]) -> EdgedError:
    """One error of many: of the first one's class, with every text."""
    if len(problems) == 1:
        return problems[0]
    lines = "\n".join(f"  {problem}" for problem in problems)
    return jobs.make_error(
        type(problems[0]).__name__, f"{len(problems)} models have no accepted engine:\n{lines}"
    )
