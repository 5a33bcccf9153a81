"""Options that several commands share, and how the running engine is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edged.transport.rundir import default_run_dir
from edged.transport.wire import ReplyDoc

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Default: $EDGED_CONFIG, ./edged.toml or /etc/edged."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
RunDir = Annotated[
    Path | None,
    typer.Option("--run-dir", help="Folder of the sockets. Default: /run/edged, or one of yours."),
]


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
