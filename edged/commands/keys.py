"""`edged keys`: who may send frames over the network.

Makes, lists and takes away the CURVE keys of `[frames.lan]`.  Prints public keys alone; a
secret goes into its file and nowhere else.  A running engine follows within a second.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from edged.commands.options import ConfigFile, Json
from edged.config import Config, default_path, load
from edged.errors import OperatorError
from edged.tables import did_you_mean
from edged.transport import keyring

app = typer.Typer(no_args_is_help=True, help="Who may send frames over the network.")

Camera = Annotated[str, typer.Argument(help="Camera of the configuration.", metavar="NAME")]


@app.command("new")
def new(
    *,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="In the place of a pair that is there already; every "
                     "camera needs a new file then, and the engine a restart."),
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Make this device's own key pair, which cameras know it by."""
    folder = _configured(config).keys_folder
    public = keyring.make_device(folder, replace=replace)
    path = keyring.device_path(folder)
    _say(
        {"path": str(path), "public_key": public.decode()},
        f"{path}: made; public key {public.decode()}",
        as_json=as_json,
    )


@app.command("camera")
def camera(
    name: Camera,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File for the camera; default: NAME.key here."),
    ] = None,
    public: Annotated[
        str | None,
        typer.Option(help="Let this key in, which the camera has made itself, and make no file.",
                     metavar="KEY"),
    ] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Let a camera in: makes the file that it needs, in the place of a key that it had.

    The file holds a secret. Carry it to the camera and delete it here; this device keeps
    the public key alone. The key sends frames as this camera and as no other.
    """
    settings = _configured(config)
    if name not in settings.cameras:
        raise OperatorError(
            f"there is no table [cameras.{name}] in the configuration"
            f"{did_you_mean(name, tuple(settings.cameras))}"
        )
    folder = settings.keys_folder
    server = keyring.read_device(folder).public
    record = {"camera": name, "server_key": server.decode()}
    if public is not None:
        keyring.authorise(folder, name, public.encode())
        line = f"{name}: let in with its own key; it must know this device as {server.decode()}"
        _say(record | {"public_key": public}, line, as_json=as_json)
        return
    pair = keyring.Pair.fresh()
    path = out or Path(f"{name}.key")
    keyring.write_camera_file(path, name, pair, server)
    try:
        keyring.authorise(folder, name, pair.public)
    except OperatorError:
        path.unlink()
        raise
    _say(
        record | {"path": str(path), "public_key": pair.public.decode()},
        f"{name}: let in; carry {path} to the camera and delete it here",
        as_json=as_json,
    )


@app.command("list")
def listing(*, config: ConfigFile = None, as_json: Json = False) -> None:
    """Show whose keys may send frames, public keys alone."""
    settings = _configured(config)
    folder = settings.keys_folder
    device = keyring.device_path(folder)
    server = keyring.read_device(folder).public.decode() if device.exists() else None
    known = {name: key.decode() for name, key in keyring.cameras(folder).items()}
    if as_json:
        record = {"folder": str(folder), "public_key": server, "cameras": known}
        typer.echo(json.dumps(record, indent=2))
        return
    typer.echo(f"{'this device':<24} {server or 'none: make it with `edged keys new`'}")
    for name, key in known.items():
        note = "" if name in settings.cameras else "  (not a camera of the configuration)"
        typer.echo(f"{name:<24} {key}{note}")


@app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Camera whose key is taken away.", metavar="NAME")],
    *,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Take a camera's key away: a running engine takes nothing from it a second later."""
    public = keyring.revoke(_configured(config).keys_folder, name)
    _say(
        {"camera": name, "revoked_key": public.decode()},
        f"{name}: its key {public.decode()} is let in no more",
        as_json=as_json,
    )


def _configured(path: Path | None) -> Config:
    return load(path or default_path())


def _say(record: dict[str, Any], line: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(record) if as_json else line)
