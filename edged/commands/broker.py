"""`edged broker`: files for the mosquitto that devices talk to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edged.errors import OperatorError
from edged.fleet import mosquitto

app = typer.Typer(no_args_is_help=True, help="Files for the mosquitto that devices talk to.")

Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Write it there, mode 0600, and not to the terminal.",
                 metavar="FILE"),
]  # fmt: skip
Folder = Annotated[
    str, typer.Option(help="Folder of certificates, passwords and access rules on the broker.")
]


@app.command("acl")
def acl(
    *,
    operator: Annotated[
        list[str] | None,
        typer.Option(help="User name that sees all and gives commands; may be repeated. "
                     "Default: operator.", metavar="NAME"),
    ] = None,
    viewer: Annotated[
        list[str] | None,
        typer.Option(help="User name that sees all; may be repeated. Default: dashboard.",
                     metavar="NAME"),
    ] = None,
    home_assistant: Annotated[
        list[str] | None,
        typer.Option(help="User name of Home Assistant and of `edged fleet announce`; may be "
                     "repeated. Default: nobody.", metavar="NAME"),
    ] = None,
    site: Annotated[
        str,
        typer.Option(help="For a broker of one site, where devices are known by NAME and not by "
                     "SITE/NAME.", metavar="SITE"),
    ] = "",
    folder: Folder = mosquitto.FOLDER,
    out: Out = None,
) -> None:  # fmt: skip
    """Print access rules: each device writes its own topics and reads its own commands.

    The same rules serve any number of devices: a new one needs a certificate of its name.

        edged broker acl --operator anna --out /etc/mosquitto/edged/acl
    """
    names = ("Operator", "Dashboard") if site else ("operator", "dashboard")
    operators = operator if operator is not None else [names[0]]
    viewers = viewer if viewer is not None else [names[1]]
    _give(mosquitto.acl(operators, viewers, site, folder, home_assistant or []), out)


@app.command("conf")
def conf(
    *,
    port: Annotated[int, typer.Option(help="For devices.", min=1, max=65535)] = mosquitto.PORT,
    people_port: Annotated[
        int, typer.Option(help="For people and dashboards.", min=1, max=65535)
    ] = mosquitto.PEOPLE_PORT,
    folder: Folder = mosquitto.FOLDER,
    out: Out = None,
) -> None:
    """Print a configuration: devices by certificate, people by password, TLS for both.

    Its comments say how the certificates are made and what to do, step by step.

        edged broker conf --out /etc/mosquitto/conf.d/edged.conf
    """
    _give(mosquitto.conf(folder, port, people_port), out)


def _give(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.touch(mode=0o600)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OperatorError(
            f"{out} cannot be written ({error.strerror}); name another place with --out, or "
            "run this as who may write there"
        ) from error
    typer.echo(f"{out}: written")
