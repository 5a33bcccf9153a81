"""`edged install` and `edged uninstall`: the systemd units, their user and folders."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from edged.commands.options import Json
from edged.service.carry import carry_out
from edged.service.plan import CONFIG, Step, install_steps, uninstall_steps

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")]
Root = Annotated[
    Path,
    typer.Option("--root", help="Write files below this folder and run nothing (for images)."),
]


def install(
    *,
    dry_run: DryRun = False,
    start: Annotated[bool, typer.Option("--now", help="Start it as well.")] = False,
    device: Annotated[
        str, typer.Option(help="Name of the device in a new configuration; default: the host's.")
    ] = "",
    root: Root = Path("/"),
    as_json: Json = False,
) -> None:
    """Put the systemd units, their user and their folders in place; again is harmless.

    A configuration that is there is kept.  Needs root.
    """
    program = Path(sys.executable).absolute().with_name("edged")
    steps = install_steps(root, program, device or socket.gethostname(), start=start)
    _do(steps, dry_run=dry_run, as_json=as_json)
    if not (dry_run or as_json):
        typer.echo(
            f"Next: look at (1) to (5) in {CONFIG}, then `edged doctor` and "
            "`systemctl start edged.target`."
        )


def uninstall(
    *,
    purge: Annotated[
        bool,
        typer.Option("--purge", help="Configuration, credentials, pictures and models, too."),
    ] = False,
    dry_run: DryRun = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    root: Root = Path("/"),
    as_json: Json = False,
) -> None:
    """Stop edged and take its units, user and folders away again.

    Without --purge the configuration and the state are kept.  Needs root.
    """
    if purge and not (yes or dry_run):
        typer.confirm(
            "Remove configuration, credentials, stored pictures and models for good?",
            abort=True, err=True,
        )  # fmt: skip
    _do(uninstall_steps(root, purge=purge), dry_run=dry_run, as_json=as_json)


def _do(steps: Sequence[Step], *, dry_run: bool, as_json: bool) -> None:
    """Show the steps or do them."""
    done: list[dict[str, str]] = []

    def say(step: Step, became: str) -> None:
        done.append({"step": step.line, "why": step.why, "became": became})
        if not as_json:
            note = "" if became in ("done", "not done") else f"  [{became}]"
            typer.echo(f"{step.line:<64} # {step.why}{note}")

    if dry_run:
        for step in steps:
            say(step, "not done")
    else:
        carry_out(steps, say)
    if as_json:
        typer.echo(json.dumps(done, indent=2))
