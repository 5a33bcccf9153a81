"""`edged ctl`: give a device a command through the broker."""

from __future__ import annotations

import json
from typing import Annotated, Any, get_args

import typer

from edged.commands.fleet_options import Broker, at_broker
from edged.commands.options import Json, RunDir, ask_engine
from edged.transport.topics import is_name
from edged.transport.wire import Command, ReplyDoc

COMMANDS: tuple[str, ...] = get_args(Command)
HERE = "."
"""The engine on this machine."""
REFUSED = 1
"""Exit code when the device says that it does not do it."""


@at_broker
def ctl(
    device: Annotated[
        str,
        typer.Argument(help="SITE/NAME, NAME where the site is default, or . for the engine on "
                       "this machine, without a broker."),
    ],
    command: Annotated[str, typer.Argument(help="One of: " + ", ".join(COMMANDS) + ".")],
    data: Annotated[
        list[str] | None,
        typer.Argument(help="What it takes: KEY=VALUE ..., values as JSON or plain words, or one "
                       "JSON object."),
    ] = None,
    *,
    broker: Broker,
    timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds.", min=0.1)] = 30.0,
    run_dir: RunDir = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Give a device a command through the broker, and print what it answers.

    Ends with 0 when the device did it, with 1 when it says why not, with 69 when nothing comes.

        edged ctl museum/booth-7 ping
        edged ctl booth-7 purge consent=ref-1 --broker mqtts://broker.example.org
        edged ctl . selftest
    """
    if command not in COMMANDS:
        raise typer.BadParameter("is none; say one of " + ", ".join(COMMANDS), param_hint="COMMAND")
    found = _data(data or [])
    if device == HERE:
        _end(ask_engine(run_dir, command, found, patience_s=timeout_s), as_json=as_json)
        return
    from edged.fleet.caller import Caller  # noqa: PLC0415
    from edged.fleet.link import FleetLink  # noqa: PLC0415

    site, name = _address(device)
    wanted = broker.access()
    filters = [f"edged/{site}/{name}/reply/{command}"]
    link = FleetLink(wanted, filters, lambda t, p, _retained: caller.heard(t, p))
    caller = Caller(link.publish)
    with link:
        link.wait(timeout_s)
        reply = caller.call(site, name, command, found, timeout_s)  # type: ignore[arg-type]
    _end(reply, as_json=as_json)


def _end(reply: ReplyDoc, *, as_json: bool) -> None:
    """Print what came, and end with its exit code."""
    if as_json:
        typer.echo(
            json.dumps({"status": reply.status, "error": reply.error, "text": reply.text,
                        "data": reply.data})
        )  # fmt: skip
    else:
        _show(reply.said if reply.status != "ok" else "", reply.data)
    if reply.status != "ok":
        raise typer.Exit(REFUSED)


def _address(device: str) -> tuple[str, str]:
    site, slash, name = device.rpartition("/")
    if not slash:
        site = "default"
    if not (is_name(site) and is_name(name)):
        raise typer.BadParameter("is not SITE/NAME of small letters, digits and dashes",
                                 param_hint="DEVICE")  # fmt: skip
    return site, name


def _data(words: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in words:
        if word.startswith("{"):
            found |= _object(word)
            continue
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{word!r} is not KEY=VALUE", param_hint="DATA")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _object(word: str) -> dict[str, Any]:
    try:
        found = json.loads(word)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{word!r} is no JSON object", param_hint="DATA")
    return found


def _show(error: str, data: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - not needed for --json
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    if error:
        Console(stderr=True).print(Text(f"refused: {error}", style="red"))
    elif not data:
        console.print("done")
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            console.print(Text(f"{key}:", style="bold"))
            for row in value:
                words = "  ".join(f"{name} {one}" for name, one in row.items() if one != "")
                console.print(Text(f"    {words}"))
            continue
        line = Text(f"{key}: ", style="bold")
        line.append(value if isinstance(value, str) else json.dumps(value, indent=2), style="")
        console.print(line)
