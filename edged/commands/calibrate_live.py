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
from edged.errors import EngineError, LinkError
from edged.transport.control import ask
from edged.transport.rundir import default_run_dir

_PATIENCE_S = 40.0
"""A stop waits for the crop in hand: seconds, for a large network on a small processor."""
_TICK_S = 0.5


def live(
    recipe_id: Annotated[str, typer.Argument(metavar="RECIPE", help="Id of a model in use.")],
    crops: Annotated[int, typer.Option(min=1, max=10_000, help="Faces to measure on.")] = 100,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            "--run-dir", help="Folder of the sockets. Default: /run/edged, or one of yours."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure a network's ranges on the faces that the running engine sees, in its memory.

    Only one number a tensor is kept.  Ctrl-C ends it early and keeps what was measured.
    `edged calibrate precision RECIPE` takes the ranges into account from then on.
    """
    folder = (run_dir or default_run_dir(client=True)).absolute()
    endpoint = f"ipc://{folder}/control.sock"
    found = _order(endpoint, {"action": "start", "model": recipe_id, "crops": crops})
    console = Console(stderr=True, highlight=False)
    try:
        with shown_progress(console, 1) as begin, begin(recipe_id) as tell:
            while found["state"] in {"loading", "listening"}:
                tell(_phase(found), found["seen"] / crops)
                time.sleep(_TICK_S)
                found = _order(endpoint, {"action": "status"})
    except KeyboardInterrupt:
        found = _order(endpoint, {"action": "stop"})
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


def _order(endpoint: str, data: dict[str, Any]) -> dict[str, Any]:
    reply = ask(endpoint, "calibrate", data, timeout_s=_PATIENCE_S)
    if reply.status != "ok":
        raise LinkError(f"the engine does not measure: {reply.error}")
    return reply.data
