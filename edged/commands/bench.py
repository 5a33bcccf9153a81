"""`edged bench`: measure the host's share of every stage, or networks of the real size.

Thin: options in, progress on stderr, tables or one JSON object on stdout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edged.commands.options import Json
from edged.errors import ConfigError

if TYPE_CHECKING:
    from edged.bench.networks import Wish

_RUNS = {"standins": 30, "synthetic": 10}
"""Counted rounds where nobody says how many."""


def bench(  # noqa: PLR0917 - typer gives them by name
    as_json: Json = False,
    runs: Annotated[
        int, typer.Option(min=0, max=10_000, help="Counted rounds; 0: 30, synthetic 10.")
    ] = 0,
    cases: Annotated[
        str, typer.Option(help="Such as 1080p, 1080p:4 or 720p:1,4k:4; all; synthetic: or none.")
    ] = "",
    kind: Annotated[
        str, typer.Option(help="stream: live frames; shot: searched with everything.")
    ] = "stream",
    restore: Annotated[
        bool, typer.Option("--restore", help="standins: swapped faces are restored, too.")
    ] = False,
    occlusion: Annotated[
        bool, typer.Option("--occlusion", help="standins: what is before a face is kept.")
    ] = False,
    models: Annotated[
        str, typer.Option(help="standins: the host's share; synthetic: the real networks' size.")
    ] = "standins",
    runtime: Annotated[
        str, typer.Option(help="synthetic: cpu, cuda, tensorrt-rtx or tensorrt.")
    ] = "cpu",
    recipes: Annotated[str, typer.Option(help="synthetic: ids with commas, all or none.")] = "all",
    width: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="synthetic: share of the channels.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="synthetic: of weights.")] = 0,
    batches: Annotated[str, typer.Option(help="synthetic: faces in one run.")] = "1,2,4,8",
    threads: Annotated[
        int, typer.Option(min=0, max=256, help="synthetic: of the CPU; 0: as many as cores.")
    ] = 0,
    plans: Annotated[
        Path | None,
        typer.Option(help="synthetic: folder of precision plans; default: calibrate's own."),
    ] = None,
    graphs: Annotated[
        bool, typer.Option("--graphs/--no-graphs", help="synthetic, cuda: capture CUDA graphs.")
    ] = True,
    binding: Annotated[
        bool, typer.Option("--binding/--no-binding", help="synthetic, cuda: IOBinding.")
    ] = True,
    tf32: Annotated[
        bool, typer.Option("--tf32/--no-tf32", help="synthetic, cuda: TF32 in FP32 networks.")
    ] = False,
    resident: Annotated[
        str, typer.Option(help="synthetic: frames stay on the device: auto (on a GPU), on, off.")
    ] = "auto",
) -> None:
    """Measure every stage, the floor and (if installed) insightface on the same frames.

    Stand-in networks take the place of models, so that what is seen is the host's own
    work: what remains when a GPU does the inference.  With --models synthetic, networks of
    the real architectures' size and random weights are timed instead, alone and in a whole
    pipeline with swap and restore.  Nothing is downloaded.
    """
    # Before numpy is imported: its linear algebra starts its threads then.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if models not in _RUNS:
        msg = f"--models {models!r}: neither standins nor synthetic"
        raise ConfigError(msg)
    counted = runs or _RUNS[models]
    if models == "standins":
        if runtime != "cpu":
            msg = f"--runtime {runtime}: stand-ins run on the CPU; add --models synthetic"
            raise ConfigError(msg)
        _standins(cases or "all", counted, kind, restore, occlusion, as_json=as_json)
        return
    from edged.bench.networks import Wish  # noqa: PLC0415 - heavy
    from edged.bench.synthetic import RECIPES  # noqa: PLC0415

    wish = Wish(
        recipes=_chosen(recipes, RECIPES),
        seed=seed,
        width=width,
        runs=counted,
        batches=_numbers(batches),
        plans=plans or _calibrated(),
    )
    if resident not in ("auto", "on", "off"):
        msg = f"--resident {resident!r}: neither auto, on nor off"
        raise ConfigError(msg)
    cuda = {"cuda_graphs": graphs, "iobinding": binding, "tf32": tf32}
    _synthetic(
        wish, cases or "1080p", runtime, threads, cuda=cuda, resident=resident, as_json=as_json
    )


def _standins(
    cases: str, runs: int, kind: str, restore: bool, occlusion: bool, *, as_json: bool
) -> None:
    """The host's share."""
    import msgspec  # noqa: PLC0415 - after the environment is set, as all of these
    from rich.console import Console  # noqa: PLC0415

    from edged.bench.floor import Work  # noqa: PLC0415
    from edged.bench.frames import parse_cases  # noqa: PLC0415
    from edged.bench.report import show  # noqa: PLC0415
    from edged.bench.runner import Plan, run  # noqa: PLC0415

    if kind not in ("stream", "shot"):
        msg = f"--kind {kind!r}: neither stream nor shot"
        raise ConfigError(msg)
    work = Work(restore=restore, occlusion=occlusion)
    plan = Plan(parse_cases(cases), runs, "shot" if kind == "shot" else "stream", work)
    with _progress() as tell:
        result = run(plan, tell)
    if as_json:
        sys.stdout.write(msgspec.json.encode(result.report).decode() + "\n")
    else:
        show(result.report, result.looks, Console())


def _synthetic(
    wish: Wish,
    cases: str,
    runtime: str,
    threads: int,
    *,
    cuda: Mapping[str, bool],
    resident: str,
    as_json: bool,
) -> None:
    """Networks of the real size."""
    import msgspec  # noqa: PLC0415 - heavy, as all of these
    from rich.console import Console  # noqa: PLC0415

    from edged.bench.frames import parse_cases  # noqa: PLC0415
    from edged.bench.openings import opening  # noqa: PLC0415
    from edged.bench.size_report import show  # noqa: PLC0415
    from edged.bench.sizes import run  # noqa: PLC0415
    from edged.runtime.cuda_options import CudaSettings  # noqa: PLC0415

    chosen = () if cases == "none" else parse_cases(cases)
    settings = {name: str(value).lower() for name, value in cuda.items()}
    told = CudaSettings(graphs=cuda["cuda_graphs"], tf32=cuda["tf32"])
    opened = opening(runtime, threads=threads, cuda=told, bound=cuda["iobinding"])
    with _progress() as tell:
        report = run(
            wish,
            opened,
            chosen,
            threads=threads,
            settings=settings if runtime == "cuda" else {},
            resident=resident == "on" or (resident == "auto" and opened.device),
            progress=tell,
        )
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        show(report, Console())


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """One bar on stderr for each thing that is told of."""
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=done, total=total)

        yield tell


def _chosen(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """Recipe ids from a list with commas.

    Raises:
        ConfigError: one has no synthetic network.
    """
    if text in ("all", "none"):
        return known if text == "all" else ()
    words = tuple(word.strip() for word in text.split(","))
    wrong = [word for word in words if word not in known]
    if wrong:
        msg = f"--recipes {wrong[0]!r}: no synthetic network; known: {', '.join(known)}, all, none"
        raise ConfigError(msg)
    return words


def _numbers(text: str) -> tuple[int, ...]:
    """Batch sizes from a list with commas.

    Raises:
        ConfigError: one is no number from 1 to 64.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and 1 <= int(word) <= 64 for word in words):
        msg = f"--batches {text!r}: whole numbers from 1 to 64 with commas, such as 1,2,4,8"
        raise ConfigError(msg)
    return tuple(sorted({int(word) for word in words}))


def _calibrated() -> Path:
    """Where `edged calibrate precision --models synthetic` writes plans."""
    from edged.config import state_folder  # noqa: PLC0415 - as above

    return state_folder().absolute() / "calibration" / "synthetic" / "precision"
