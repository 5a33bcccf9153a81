"""`edged receipt`: the signed receipts of purges, checked by whoever was given one.

`verify` needs no engine and no device: the file, and the key that the device is known by.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edged.commands.options import Json, RunDir, ask_engine
from edged.errors import LinkError, OperatorError
from edged.transport.receipts import Receipt, verify

app = typer.Typer(no_args_is_help=True, help="Check the signed receipt of a purge.")

_PATIENCE_S = 10.0
_MAX_BYTES = 1 << 20
_WRAPPINGS = ("data", "receipt")
"""What a receipt lies in where a whole reply or the output of `purge --json` was kept."""


@app.command("key")
def show_key(
    run_dir: RunDir = None,
) -> None:
    """Show the key that this device signs receipts with; its `info` on the broker says it too.

    Note it before you need it: a receipt is worth as much as the way by which you know the key.
    """
    reply = ask_engine(run_dir, "status", {}, patience_s=_PATIENCE_S)
    key = reply.data.get("info", {}).get("receipt_key")
    if reply.status != "ok" or not key:
        raise LinkError(f"the engine does not say its key: {reply.said or 'ask again in a moment'}")
    typer.echo(key)


@app.command("verify")
def check(
    file: Annotated[Path, typer.Argument(help="The receipt, or a reply that holds it.")],
    key: Annotated[
        str,
        typer.Option(help="Key that the device is known by, or a file of it.", metavar="KEY|FILE"),
    ],
    consent: Annotated[
        str | None,
        typer.Option(help="Reference that the purge must have been asked for.", metavar="REF"),
    ] = None,
    shot: Annotated[
        str | None, typer.Option(help="Shot id that it must have been asked for.", metavar="ID")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that a device signed a receipt, and show what it says.

    Exit code 71 when it was altered, when another key signed it, or when it is for another
    consent or shot.
    """
    try:
        receipt = verify(_signed(file), _key(key))
    except ValueError as error:
        raise OperatorError(f"{file} is NOT valid: {error}") from error
    for name, wanted in (("consent", consent), ("shot", shot)):
        if wanted is not None and not (receipt.asked.by == name and receipt.asked.names(wanted)):
            raise OperatorError(f"{file} is a receipt for another {name}, or not for a {name}")
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(receipt), indent=2))
        return
    for line in _lines(receipt, known=bool(consent or shot)):
        typer.echo(line)


def _signed(path: Path) -> Mapping[str, Any]:
    """The signed receipt in a file, whatever it is wrapped in.

    Raises:
        OperatorError: the file cannot be read.
        ValueError: it is too large, or no JSON.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror}): check the path") from error
    if len(data) > _MAX_BYTES:
        raise ValueError("it is larger than any receipt")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        raise ValueError("it is no JSON") from None
    for name in _WRAPPINGS:
        if isinstance(found, dict) and "signature" not in found:
            found = found.get(name, found)
    return found if isinstance(found, dict) else {}


def _key(text: str) -> str:
    """A key that was given itself or as a file."""
    path = Path(text)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else text.strip()


def _lines(receipt: Receipt, *, known: bool) -> list[str]:
    at = datetime.fromtimestamp(receipt.at_ms / 1000, timezone.utc)
    clock = "" if receipt.clock_synced else " by a clock that was NOT synchronised"
    what = {"all": "everything", "before": f"everything before {receipt.asked.before_ms} ms"}
    asked = what.get(receipt.asked.by, f"one {receipt.asked.by}")
    if asked.startswith("one ") and not known:
        asked += f" (--{receipt.asked.by} checks which)"
    lines = [
        f"valid: signed by {receipt.device} at {receipt.site}",
        f"at       {at:%Y-%m-%d %H:%M:%S} UTC{clock}",
        f"asked    {asked}",
        f"removed  {receipt.rows} results and pictures, {receipt.keys} keys destroyed",
    ]
    lines += [
        f"         {r.camera} {r.first} to {r.last}, session {r.session}" for r in receipt.removed
    ]
    if receipt.removed_more:
        lines.append(f"         and {receipt.removed_more} ranges more")
    return lines
