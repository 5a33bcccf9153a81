"""`edged purge`: destroys stored pictures for good, through the running engine."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer

from edged.commands.options import RunDir, ask_engine
from edged.errors import OperatorError

_PATIENCE_S = 120.0
"""Overwriting and giving back a gigabyte takes a while on an SD card."""


def purge(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every stored picture, and files set aside.")
    ] = False,
    shot: Annotated[
        str | None, typer.Option(help="The picture of one shot, by its id.", metavar="ID")
    ] = None,
    consent: Annotated[
        str | None,
        typer.Option(help="Every picture that a consent reference covers.", metavar="REF"),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option(
            help="Every picture made before a time (without a zone: local time).",
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    receipt_file: Annotated[
        Path | None,
        typer.Option(
            "--receipt",
            help="Write the signed receipt to this file; `edged receipt verify` checks it.",
            metavar="FILE",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Counts and signed receipt as one JSON object.")
    ] = False,
    run_dir: RunDir = None,
) -> None:
    """Destroy stored pictures for good: their keys first, then their rows.

    Exactly one of --all, --shot, --consent, --before.  What a broker already has is
    beyond reach; its consumers are told by a `gap` for each sequence number.
    """
    data = _selector(everything, shot, consent, before)
    if not yes:
        typer.confirm(f"Destroy {_words(data)} for good?", abort=True, err=True)
    reply = ask_engine(run_dir, "purge", data, patience_s=_PATIENCE_S)
    if reply.status != "ok":
        raise OperatorError(f"nothing is known to be purged: {reply.said}")
    receipt = reply.data
    if receipt_file is not None:
        _write(receipt_file, json.dumps(receipt["receipt"], indent=2) + "\n")
    if as_json:
        typer.echo(json.dumps(receipt, indent=2))
        return
    at = datetime.fromtimestamp(receipt["at_ms"] / 1000, timezone.utc)
    typer.echo(
        f"purged {receipt['rows']} pictures at {at:%Y-%m-%d %H:%M:%S} UTC: "
        f"{receipt['keys']} keys destroyed, {receipt['verdicts']} shot ids marked as purged"
    )
    if not receipt["wal_truncated"]:
        typer.echo("another program reads the database; its log is emptied when that one is done")


def _selector(
    everything: bool, shot: str | None, consent: str | None, before: datetime | None
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if everything:
        given["all"] = True
    if shot is not None:
        given["shot"] = shot
    if consent is not None:
        given["consent"] = consent
    if before is not None:
        given["before_ms"] = int(before.timestamp() * 1000)
    if len(given) != 1:
        raise typer.BadParameter("give exactly one of --all, --shot, --consent, --before")
    return given


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(text)  # the purge is done, and no second one makes this receipt again
        raise OperatorError(
            f"{path} cannot be written ({error.strerror}); the receipt stands above: keep it"
        ) from error


def _words(data: dict[str, Any]) -> str:
    if "shot" in data:
        return "the picture of this shot"
    if "consent" in data:
        return "every picture under this consent"
    if "before_ms" in data:
        at = datetime.fromtimestamp(data["before_ms"] / 1000, timezone.utc)
        return f"every picture made before {at:%Y-%m-%d %H:%M:%S} UTC"
    return "every stored picture"
