"""`edged status`: asks the running engine how it is, over its control socket."""

from __future__ import annotations

import json
import time
from typing import Any

import typer

from edged.commands.options import Json, RunDir, ask_engine
from edged.errors import LinkError

PATIENCE_S = 5.0


def status(
    as_json: Json = False,
    run_dir: RunDir = None,
) -> None:
    """Ask the running engine how it is.

    Exit code 69 when none answers.
    """
    begun_s = time.monotonic()
    reply = ask_engine(run_dir, "status", {}, patience_s=PATIENCE_S)
    took_ms = round(1000 * (time.monotonic() - begun_s), 1)
    if reply.status != "ok":
        raise LinkError(f"the engine answers, but not how it is: {reply.said}")
    if as_json:
        typer.echo(json.dumps({"answered_in_ms": took_ms, **reply.data}, indent=2))
        return
    typer.echo(f"engine: answered in {took_ms} ms")
    for reason, cure in reply.data["health"].get("remedies", {}).items():
        typer.echo(f"what to do about {reason}: {cure}")
    for name, value in _flat(reply.data):
        typer.echo(f"    {name:<32} {value}")


def _flat(tree: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested tables as `a.b.c`, in their order."""
    leaves: list[tuple[str, Any]] = []
    for name, value in tree.items():
        path = f"{above}.{name}" if above else name
        leaves += _flat(value, path) if isinstance(value, dict) else [(path, value)]
    return leaves
