"""Options that several commands share, and how the running engine is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edged.transport.rundir import default_run_dir
from edged.transport.wire import ReplyDoc

if TYPE_CHECKING:
    from edged.transport.curve import CurveClient

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Default: $EDGED_CONFIG, ./edged.toml or /etc/edged."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
RunDir = Annotated[
    Path | None,
    typer.Option("--run-dir", help="Folder of the sockets. Default: /run/edged, or one of yours."),
]

CurveKey = Annotated[
    Path | None,
    typer.Option(
        "--curve-key",
        help="Key file for a tcp:// endpoint, from `edged keys camera`.",
        metavar="FILE",
    ),
]
ServerKey = Annotated[
    str | None,
    typer.Option(help="Public key of the device, where the key file does not hold it.",
                 metavar="KEY"),
]  # fmt: skip


def curve_of(key_file: Path | None, server_key: str | None) -> CurveClient | None:
    """The keys that a sender on the network speaks with; None: none were named.

    Raises:
        OperatorError: the file holds none, or nobody says the device's key.
    """
    from edged.transport.curve import CurveClient  # noqa: PLC0415 - ZeroMQ
    from edged.transport.keyring import is_key, read_camera_file  # noqa: PLC0415

    if key_file is None:
        if server_key is not None:
            raise typer.BadParameter("needs --curve-key as well", param_hint="--server-key")
        return None
    pair, server = read_camera_file(key_file)
    wanted = server_key.encode() if server_key is not None else server
    if wanted is None or not is_key(wanted):
        raise typer.BadParameter(
            "is needed, 40 characters: `edged keys list` on the device shows it",
            param_hint="--server-key",
        )
    return CurveClient(public=pair.public, secret=pair.secret, server=wanted)


def ask_engine(
    run_dir: Path | None, name: str, data: dict[str, Any], *, patience_s: float
) -> ReplyDoc:
    """What the running engine answers to one command.

    Args:
        run_dir: as given by :data:`RunDir`.
        name: of the command.
        data: that it takes.
        patience_s: how long it may take.

    Raises:
        LinkError: no engine answers.
    """
    from edged.transport.control import ask  # noqa: PLC0415 - ZeroMQ; doctor does without it

    folder = (run_dir or default_run_dir(client=True)).absolute()
    return ask(f"ipc://{folder}/control.sock", name, data, timeout_s=patience_s)
