"""`edged dashboard`: the web page over all devices of a broker."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from edged.commands.fleet_options import Broker, at_broker
from edged.errors import ConfigError, OperatorError


@at_broker
def dashboard(
    *,
    broker: Broker,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where the page is served.")
    ] = "127.0.0.1:8080",
    https_cert: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Certificate of the page, for https.")
    ] = None,
    https_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    users: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Who may log in. Without it: this machine, view only."),
    ] = None,
    add_user: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write a user into that file, ask for a password, end."),
    ] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="With --add-user: may give commands, too.")
    ] = False,
) -> None:
    """Serve a web page over all devices of a broker.

    Everybody who logs in may look; operators may give commands. Nothing is written to a disk.

        edged dashboard --users users.json --add-user ann --operator
        edged dashboard --users users.json --broker mqtts://broker.example.org
    """
    missing = [p for p in ("nicegui", "uvicorn") if importlib.util.find_spec(p) is None]
    if missing:
        raise OperatorError("the dashboard needs its extra: pip install 'edged[dashboard]'")
    from edged.dashboard.accounts import Door, add_account, read_accounts  # noqa: PLC0415 - extra

    if add_user is not None:
        if users is None:
            raise typer.BadParameter("needs --users FILE to write to", param_hint="--add-user")
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        add_account(users, add_user, password, "operator" if operator else "viewer")
        typer.echo(f"{add_user} may {'look and act' if operator else 'look'}: {users}")
        return
    from edged.dashboard.app import Listen, serve  # noqa: PLC0415 - the extra, and slow

    host, port = _where(listen)
    accounts = read_accounts(users) if users is not None else {}
    _check(host, https_cert, https_key, protected=bool(accounts))
    wanted = broker.access()
    scheme = "https" if https_cert is not None else "http"
    typer.echo(f"{scheme}://{host}:{port} shows the devices of {wanted}; Ctrl-C ends it", err=True)
    if not accounts:
        typer.echo(
            "nobody is asked for a password, and nobody may give commands (--users)", err=True
        )
    serve(wanted, Listen(host, port, https_cert, https_key), Door(accounts))


def _where(listen: str) -> tuple[str, int]:
    host, _colon, port = listen.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise typer.BadParameter("is not HOST:PORT, such as 127.0.0.1:8080", param_hint="--listen")
    return host.strip("[]"), int(port)


def _check(host: str, cert: Path | None, key: Path | None, *, protected: bool) -> None:
    from edged.transport.link import is_loopback  # noqa: PLC0415 - `edged --help` goes without

    if (cert is None) != (key is None):
        raise ConfigError("--https-cert and --https-key: one needs the other")
    if is_loopback(host):
        return
    if not protected:
        raise ConfigError(
            f"--listen {host}: others reach that address, and nobody would be asked for a "
            "password; add --users FILE (make it with --add-user NAME)"
        )
    if cert is None:
        raise ConfigError(
            f"--listen {host}: passwords would cross the network in the open; add --https-cert "
            "and --https-key, or listen on 127.0.0.1 behind a proxy that speaks https"
        )
