"""How commands for many devices are told their broker."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from edged.fleet.access import Access

Url = Annotated[
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


class Broker(NamedTuple):
    """What a person said of the broker, not checked yet."""

    url: str
    username: str
    password_file: Path | None
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None

    def access(self) -> Access:
        """The way there.

        Raises:
            ConfigError: what was said is no way to a broker, or not a safe one.
        """
        from edged.fleet.access import access  # noqa: PLC0415 - paho; `edged --help` goes without

        return access(
            self.url,
            username=self.username,
            password_file=self.password_file,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
        )


def _said(
    *,
    broker: Url = LOOPBACK,
    username: Username = "",
    password_file: PasswordFile = None,
    ca_file: CaFile = None,
    cert_file: CertFile = None,
    key_file: KeyFile = None,
) -> Broker:
    return Broker(broker, username, password_file, ca_file, cert_file, key_file)


def at_broker(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a broker in the place of its parameter `broker`.

    Args:
        command: takes `broker: Broker` by name.
    """
    options = inspect.signature(_said, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def told(**given: Any) -> None:
        said = _said(**{name: given.pop(name) for name in options})
        command(**given, broker=said)

    parameters: list[inspect.Parameter] = []
    for one in own.parameters.values():
        parameters += options.values() if one.name == "broker" else [one]
    # Typer makes a command's options from both of these, by its version.
    told.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    told.__annotations__ = {one.name: one.annotation for one in parameters}
    return told
