"""Networks of the real size through the engine store of a GPU: built, tried, held against FP32.

    python tests/gpu/accept.py --runtime cuda --recipes gfpgan_1.4,inswapper_128 --plans FOLDER

Weights are random, extents and cost are the public networks', activations overflow FP16 as
theirs do, and the store is the daemon's own: a build in a process of its own, a trial in
another, acceptance against FP32 on the CPU.  Prints one JSON object a network; ends with 1
when one was not accepted.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated

import onnx
import typer
from rich.console import Console

from edged.bench.synthetic import RECIPES
from edged.bench.synthetic.catalogue import build
from edged.errors import EdgedError
from edged.hashes import file_sha256
from edged.recipe import load_recipe
from edged.runtime.build import jobs, process
from edged.runtime.build.make import Order, make
from edged.runtime.build.process import Limits
from edged.runtime.build.store import EngineStore, Found
from edged.runtime.build.subject import Model
from edged.runtime.machine import Machine
from edged.runtime.settings import BuildSettings

BATCHES = (1, 2, 4, 8)


def main(  # noqa: PLR0917 - the options of a command
    runtime: Annotated[str, typer.Option(help="cuda, tensorrt-rtx or tensorrt.")] = "cuda",
    recipes: Annotated[str, typer.Option(help="Ids with commas.")] = ",".join(RECIPES),
    plans: Annotated[
        Path | None, typer.Option(help="Folder that `calibrate precision` wrote `precision/` in.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights.")] = 0,
    width: Annotated[float, typer.Option(help="Share of the channels.")] = 1.0,
    runs: Annotated[int, typer.Option(help="Counted runs of each batch.")] = 20,
    level: Annotated[int, typer.Option(help="TensorRT's optimisation level.")] = 3,
) -> None:
    """Build and judge."""
    machine = Machine()
    refusal = machine.refusal(runtime)
    if refusal is not None:
        raise SystemExit(f"{runtime}: {refusal.text}")
    backend, good = machine.backend(runtime), True
    with tempfile.TemporaryDirectory(prefix="edged-accept-") as folder:
        settings = BuildSettings(
            folder=Path(folder) / "engines", optimisation_level=level, workspace_mb=8192
        )
        store = EngineStore(settings)
        for recipe_id in recipes.split(","):
            file = Path(folder) / f"{recipe_id}.onnx"
            onnx.save_model(build(recipe_id, seed=seed, width=width), file)
            model = Model(load_recipe(recipe_id), file, file_sha256(file), plans)
            line = judged(store, Order(model, backend, half=plans is not None), runs)
            good &= bool(line.get("accepted"))
            typer.echo(json.dumps(line))
            file.unlink()
    if not good:
        raise SystemExit(1)


def judged(store: EngineStore, order: Order, runs: int) -> dict[str, object]:
    """What the store says of one network."""
    line: dict[str, object] = {"recipe": order.model.id, "runtime": order.backend.name}
    begun = time.monotonic()
    try:
        paper = make(store, order)
    except EdgedError as error:
        return {**line, "accepted": False, "error": str(error)}
    line |= {
        "accepted": paper.accepted,
        "status": paper.status,
        "why_not": paper.why_not,
        "precision": paper.precision,
        "build_s": paper.built.took_s,
        "build_peak_mb": paper.built.peak_mb,
        "all_s": round(time.monotonic() - begun, 1),
        "figures": dict(paper.verdict.figures) if paper.verdict else {},
        "bounds": dict(paper.verdict.bounds) if paper.verdict else {},
        "batches": paper.verdict.batches if paper.verdict else (),
        "load_s": paper.ran.load_s if paper.ran else None,
        "identity": paper.depends.identity,
    }
    if paper.accepted:
        line["ms"] = timed(store, order, runs)
    return line


def timed(store: EngineStore, order: Order, runs: int) -> dict[str, float]:
    """Median of a run from host memory to host memory, by faces."""
    subject = store.subject(order.model)
    wanted = store.wanted(order.model, order.backend, subject)
    found = store.look(order.model.id, wanted)
    if not isinstance(found, Found):
        return {}
    job = jobs.Bench(
        parent=os.getpid(),
        model=order.model,
        backend=jobs.maker(order.backend),
        subject=subject,
        folder=found.folder,
        batches=BATCHES,
        runs=runs,
    )
    outcome = process.run(job, Limits(900.0, 0), lambda *_: None)
    if outcome.ending != "done":
        Console(stderr=True).print(f"{order.model.id}: not timed, {outcome.crash}")
        return {}
    return {str(one.batch): one.p50_ms for one in jobs.decode(outcome.result, list[jobs.Timing])}


if __name__ == "__main__":
    typer.run(main)
