"""`edged calibrate live`: the ranges of a network, measured on what the booth's camera sees.

Asks the running engine, over its control socket; no picture comes out of it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from edged.commands.engine_progress import shown_progress
from edged.commands.options import Json, RunDir, ask_engine
from edged.errors import EngineError, LinkError

_PATIENCE_S = 40.0
"""A stop waits for the crop in hand: seconds, for a large network on a small processor."""
_TICK_S = 0.5


def live(
    recipe_id: Annotated[str, typer.Argument(metavar="RECIPE", help="Id of a model in use.")],
    crops: Annotated[int, typer.Option(min=1, max=10_000, help="Faces to measure on.")] = 100,
    run_dir: RunDir = None,
    as_json: Json = False,
) -> None:
    """Measure a network's ranges on the faces that the running engine sees, in its memory.

    Only one number a tensor is kept.  Ctrl-C ends it early and keeps what was measured.
    `edged calibrate precision RECIPE` takes the ranges into account from then on.
    """
    found = _order(run_dir, {"action": "start", "model": recipe_id, "crops": crops})
    console = Console(stderr=True, highlight=False)
    try:
        with shown_progress(console, 1) as begin, begin(recipe_id) as tell:
            while found["state"] in {"loading", "listening"}:
                tell(_phase(found), found["seen"] / crops)
                time.sleep(_TICK_S)
                found = _order(run_dir, {"action": "status"})
    except KeyboardInterrupt:
        found = _order(run_dir, {"action": "stop"})
    if found["state"] == "failed":
        raise EngineError(f"model {recipe_id}: nothing was measured: {found['error']}")
    if as_json:
        typer.echo(json.dumps(found))
    elif found["state"] == "written":
        typer.echo(
            f"{recipe_id}: ranges of {found['seen']} crops are in {found['path']}.\n"
            f"Next: `edged calibrate precision {recipe_id}`."
        )
    if found["state"] != "written":
        raise EngineError(
            f"model {recipe_id}: no face was seen, so nothing was written; let somebody step "
            "before the camera, or send pictures: edged send PHOTO"
        )


def _phase(found: dict[str, Any]) -> str:
    if found["state"] == "loading":
        return "load it in FP32 on the CPU"
    return f"{found['seen']} of {found['wanted']} faces" if found["seen"] else "wait for a face"


def _order(run_dir: Path | None, data: dict[str, Any]) -> dict[str, Any]:
    reply = ask_engine(run_dir, "calibrate", data, patience_s=_PATIENCE_S)
    if reply.status != "ok":
        raise LinkError(f"the engine does not measure: {reply.said}")
    return reply.data
