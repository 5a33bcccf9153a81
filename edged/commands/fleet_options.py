"""How commands for many devices are told their broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Broker = Annotated[
    str,
    typer.Option(
        "--broker", "-b", envvar="EDGED_BROKER", metavar="URL",
        help="mqtts://host[:port]; mqtt:// for a broker on this machine alone.",
    ),
]  # fmt: skip
Username = Annotated[str, typer.Option(envvar="EDGED_BROKER_USERNAME", help="At the broker.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(envvar="EDGED_BROKER_PASSWORD_FILE", metavar="FILE",
                 help="File of the broker's password."),
]  # fmt: skip
CaFile = Annotated[
    Path | None,
    typer.Option(metavar="PEM", help="Authorities to trust. Default: the system's."),
]
CertFile = Annotated[
    Path | None, typer.Option(metavar="PEM", help="Our certificate, where the broker asks.")
]
KeyFile = Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")]

LOOPBACK = "mqtt://127.0.0.1"
"""Default: a broker on this machine."""
