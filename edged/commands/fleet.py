"""`edged fleet`: plug the devices of a broker into what operators already run."""

from __future__ import annotations

import importlib.util
import json
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from edged.commands.fleet_options import Broker, at_broker
from edged.commands.options import Json
from edged.errors import OperatorError
from edged.fleet.words import counted

app = typer.Typer(no_args_is_help=True, help="Plug devices into what operators already run.")

LISTEN_S = 3.0
PATIENCE_S = 10.0


@app.command()
def export(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path(
        "edged-fleet"
    ),
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="SITE/NAME[/CAMERA...]", help="Document for Home Assistant, too."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write files for Prometheus, Grafana, Telegraf and Home Assistant, and JSON Schemas.

    All are made from the definition of the health document, so that they fit this version.

        edged fleet export --device museum/booth-7/booth
    """
    _need("prometheus_client")
    from edged.fleet.export.files import files  # noqa: PLC0415 - the extra
    from edged.fresh_file import write_fresh  # noqa: PLC0415

    made = files(_device(one) for one in device or [])
    for name, text in made.items():
        write_fresh(out / name, text.encode())
    if as_json:
        typer.echo(json.dumps({"folder": str(out), "files": sorted(made)}))
        return
    typer.echo(f"{len(made)} files in {out}:")
    for name in sorted(made):
        typer.echo(f"    {name}")


@app.command()
@at_broker
def prometheus(
    *,
    broker: Broker,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Figures alone are served, no pictures.")
    ] = "127.0.0.1:9809",
) -> None:
    """Serve the figures of all devices for Prometheus, until Ctrl-C.

    Plain HTTP, as Prometheus asks by default: off this machine put it behind a proxy or a firewall.

        edged fleet prometheus --broker mqtts://broker.example.org
    """
    _need("prometheus_client")
    from prometheus_client import start_http_server  # noqa: PLC0415 - the extra

    from edged.fleet.export.prometheus import FleetCollector, registry  # noqa: PLC0415
    from edged.fleet.fleet import Fleet  # noqa: PLC0415
    from edged.fleet.link import FleetLink  # noqa: PLC0415
    from edged.fleet.messages import FILTERS  # noqa: PLC0415

    host, _colon, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise typer.BadParameter("is not HOST:PORT, such as 127.0.0.1:9809", param_hint="--listen")
    wanted = broker.access()
    fleet, lock = Fleet(), threading.Lock()

    def heard(topic: str, payload: bytes, _retained: bool) -> None:
        with lock:
            fleet.feed(topic, payload, time.monotonic())

    def locked(make: Any) -> Any:
        with lock:
            return make()

    quiet = [one for one in FILTERS if "/image/" not in one]
    with FleetLink(wanted, quiet, heard) as link:
        link.wait(PATIENCE_S)
        try:
            server, _thread = start_http_server(
                int(port), host.strip("[]"), registry(FleetCollector(fleet, locked))
            )
        except OSError as error:
            raise OperatorError(f"--listen {listen}: {error.strerror}; choose another") from error
        typer.echo(f"http://{listen}/metrics tells of the devices of {wanted}", err=True)
        try:
            threading.Event().wait()
        finally:
            server.shutdown()


@app.command()
@at_broker
def announce(
    *,
    broker: Broker,
    once: Annotated[
        bool, typer.Option("--once", help="Announce who is there now, and end.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take the devices out of Home Assistant.")
    ] = False,
) -> None:
    """Tell Home Assistant of all devices of its broker, until Ctrl-C.

    Each becomes a device with its figures, its last pictures and buttons. The announcements are
    retained: they stay when this ends.

        edged fleet announce --broker mqtts://broker.example.org
    """
    from edged.fleet.export.announcer import FILTERS, Announcer  # noqa: PLC0415
    from edged.fleet.link import FleetLink  # noqa: PLC0415

    wanted = broker.access()
    link = FleetLink(wanted, FILTERS, lambda t, p, _retained: announcer.heard(t, p))
    announcer = Announcer(link.retain)
    with link:
        link.wait(PATIENCE_S)
        if once or remove:
            threading.Event().wait(LISTEN_S)
        else:
            typer.echo("announcing devices as they are heard of; Ctrl-C ends it", err=True)
            while not link.refused:
                time.sleep(1)
        count = len(announcer.said)
        if remove:
            announcer.take_back()
        link.settle(PATIENCE_S)
    typer.echo(f"{counted(count, 'device')} {'taken out' if remove else 'announced'}")


def _device(text: str) -> tuple[str, str, tuple[str, ...]]:
    from edged.transport.topics import is_name  # noqa: PLC0415 - `edged --help` goes without

    levels = text.split("/")
    if len(levels) < 2 or not all(map(is_name, levels)):
        raise typer.BadParameter(
            "is not SITE/NAME or SITE/NAME/CAMERA of small letters, digits and dashes",
            param_hint="--device",
        )
    return levels[0], levels[1], tuple(levels[2:])


def _need(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise OperatorError("this needs the extra of the dashboard: pip install 'edged[dashboard]'")
