"""`edged doctor`: what is wrong with this machine, and how to mend it.

Knows the terminal; what is looked at is in :mod:`edged.doctor`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from edged.commands.options import ConfigFile, Json
from edged.doctor.box import User
from edged.doctor.checks import ALL
from edged.doctor.finding import GROUPS, Check
from edged.doctor.host import Host
from edged.doctor.report import Report
from edged.doctor.run import run_checks
from edged.doctor.setup import read_setup
from edged.doctor.show import progress_line, show
from edged.runtime.visible_gpu import show_gpu
from edged.tables import did_you_mean

SERVICE_USER = "edged"
"""Whom the systemd units run as; root looks at the machine with this one's eyes."""


def doctor(
    config: ConfigFile = None,
    *,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="CHECK", help="This check or group alone; repeatable."),
    ] = None,
    list_checks: Annotated[
        bool, typer.Option("--list", help="Say what would be looked at, and look at nothing.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings count for the exit code, too.")
    ] = False,
    user: Annotated[
        str,
        typer.Option(
            "--user",
            help="Look with this user's permissions. Default: you; for root the user "
            f'"{SERVICE_USER}", if there is one.',
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Find what is wrong with this machine, and say how to mend it.

    Changes nothing.  Exit code 0 when nothing fails, 71 when something does, and with
    --strict 1 when nothing fails but something warns.
    """
    checks = _chosen(only or [])
    if list_checks:
        _list(checks, as_json=as_json)
        return
    host = Host(user=_user(user))
    _as_seen_by(host.user)
    setup = read_setup(config)
    show_gpu(setup.config.runtime.gpu)
    # Progress is for a person who waits; a pipe or a log gets the result alone.
    with progress_line(Console(stderr=True)) as progress:
        outcomes = run_checks(checks, host, setup, progress)
    report = Report(outcomes, setup, host.user.name, strict)
    if as_json:
        typer.echo(json.dumps(report.as_data(), indent=2))
    else:
        show(report, Console(highlight=False))
    raise typer.Exit(report.exit_code)


def _chosen(names: list[str]) -> list[Check]:
    """Checks of these ids and groups, in order; all without any.

    Raises:
        typer.BadParameter: a name is neither.
    """
    known = [*(check.id for check in ALL), *GROUPS]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise typer.BadParameter(f"there is no check or group {name!r}{hint}; see --list")
    return [check for check in ALL if not names or {check.id, check.group} & set(names)]


def _list(checks: list[Check], *, as_json: bool) -> None:
    if as_json:
        rows = [{"id": c.id, "group": c.group, "title": c.title} for c in checks]
        typer.echo(json.dumps({"checks": rows}, indent=2))
        return
    for check in checks:
        typer.echo(f"{check.group:<10} {check.id:<16} {check.title}")


def _user(name: str) -> User:
    """Whose permissions count.

    Raises:
        typer.BadParameter: there is no such user.
    """
    try:
        if name:
            return User.named(name)
        return User.named(SERVICE_USER) if os.geteuid() == 0 else User.current()
    except KeyError as error:
        if name:
            raise typer.BadParameter(f"there is no user {name!r} on this machine") from error
        return User.current()


def _as_seen_by(user: User) -> None:
    """Have the state folder be that user's, unless the environment names one.

    A unit gets /var/lib/edged from systemd, which nobody tells a shell.
    """
    if os.environ.get("STATE_DIRECTORY") or user.uid == os.geteuid():
        return
    state = "/var/lib/edged"
    if user.name != SERVICE_USER:
        state = str(Path(f"~{user.name}").expanduser() / ".local" / "state" / "edged")
    os.environ["STATE_DIRECTORY"] = state
