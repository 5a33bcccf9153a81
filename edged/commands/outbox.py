"""`edged outbox`: what waits for the broker, asked of the running engine."""

from __future__ import annotations

import json

import typer

from edged.commands.options import Json, RunDir, ask_engine
from edged.errors import LinkError

_PATIENCE_S = 10.0


def outbox(
    as_json: Json = False,
    run_dir: RunDir = None,
) -> None:
    """Show what waits for the broker, what can be replayed and how full the outbox is.

    Exit code 69 when no engine answers.
    """
    reply = ask_engine(run_dir, "outbox", {}, patience_s=_PATIENCE_S)
    if reply.status != "ok":
        raise LinkError(f"the engine cannot say how its outbox is: {reply.said}")
    data = reply.data
    if as_json:
        typer.echo(json.dumps(data, indent=2))
        return
    used, most = data["used_bytes"], data["max_bytes"]
    typer.echo(f"waiting      {data['depth']} rows, {_mb(data['unsent_bytes'])}")
    if data["depth"]:
        typer.echo(f"the oldest   {_age(data['oldest_unsent_s'])}")
    typer.echo(f"replayable   {data['retained']} rows, {_mb(data['retained_bytes'])}")
    if data["aside"]:
        typer.echo(f"set aside    {data['aside']} rows that the broker will not take")
    typer.echo(f"used         {_mb(used)} of {_mb(most)} ({100 * used / most:.0f} %)")
    typer.echo(f"disk         {_mb(data['disk_free_bytes'])} free")
    typer.echo(f"session      {data['session']}")


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def _age(seconds: float) -> str:
    for unit, length_s in (("days", 86_400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.1f} {unit} old"
    return f"{seconds:.0f} seconds old"
