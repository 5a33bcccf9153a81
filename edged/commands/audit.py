"""`edged audit`: a report on what this device does with pictures, for whoever answers for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from edged.audit.gather import facts
from edged.audit.report import text
from edged.commands.options import ConfigFile, Json, RunDir, ask_engine
from edged.config import default_path, load
from edged.errors import LinkError, OperatorError
from edged.fresh_file import write_fresh
from edged.recipe import list_recipes

_PATIENCE_S = 10.0


def audit(
    config: ConfigFile = None,
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write it to a file instead of the screen.")
    ] = None,
    run_dir: RunDir = None,
    as_json: Json = False,
) -> None:
    """Say how pictures are kept in, what is stored and for how long, and under which terms.

    Asks the running engine for what only it can tell, its isolation above all; without
    one the report says that it was not told.
    """
    path = (config or default_path()).absolute()
    settings = load(path)
    try:
        reply = ask_engine(run_dir, "status", {}, patience_s=_PATIENCE_S)
        status = reply.data if reply.status == "ok" else None
    except LinkError:
        status = None
    found = facts(settings, path, list_recipes(settings.models.recipes), status)
    report = json.dumps(found, indent=2) + "\n" if as_json else text(found)
    if out is None:
        typer.echo(report, nl=False)
        return
    try:
        write_fresh(out, report.encode(), mode=0o600)
    except OSError as error:
        raise OperatorError(f"{out}: cannot be written: {error.strerror}") from error
    typer.echo(f"{out} is written", err=True)
