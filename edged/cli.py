"""The `edged` command: one table of commands, and what an error looks like to a person.

A command's module is imported when that command runs, not before: `edged --help`
loads no OpenCV, no runtime and no socket library.  Every error that edged raises on
purpose becomes its message on stderr and its exit code; Ctrl-C ends with 130 and no
traceback.  Knows the names and one-line descriptions of commands, and nothing of what
they do.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from edged import __version__
from edged.errors import EdgedError

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells have it."""


class Entry(NamedTuple):
    """Where a command is found.

    Attributes:
        module: its module, imported when it runs.
        attribute: a function, or a Typer application of sub-commands.
        summary: its line in `edged --help`.
    """

    module: str
    attribute: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("edged.commands.demo", "demo", "See the whole way of a picture on this machine."),
    "config": Entry("edged.commands.config", "app", "Write, check and show the configuration."),
    "doctor": Entry(
        "edged.commands.doctor",
        "doctor",
        "Find what is wrong with this machine, and say how to mend it.",
    ),
    "models": Entry("edged.commands.models", "app", "List, download, import and verify models."),
    "engines": Entry("edged.commands.engines", "app", "Build, list and check what models run as."),
    "calibrate": Entry(
        "edged.commands.calibrate", "app", "Measure what shipped figures cannot know."
    ),
    "run": Entry("edged.commands.run", "run", "Run engine and uplink under one supervisor."),
    "engine": Entry("edged.commands.run", "engine", "Run the engine alone (as its unit does)."),
    "uplink": Entry("edged.commands.run", "uplink", "Run the uplink alone (as its unit does)."),
    "install": Entry("edged.commands.install", "install", "Put the systemd units in place."),
    "uninstall": Entry("edged.commands.install", "uninstall", "Take the units away again."),
    "isolation": Entry(
        "edged.commands.isolation", "isolation", "Say how the engine is kept off the network here."
    ),
    "send": Entry("edged.commands.send", "send", "Send photos and get the private pictures back."),
    "camera": Entry("edged.commands.camera", "camera", "Send a camera, a video or a folder."),
    "keys": Entry("edged.commands.keys", "app", "Say who may send frames over the network."),
    "sheet": Entry("edged.commands.sheet", "sheet", "See before and after of every scene."),
    "status": Entry("edged.commands.status", "status", "Ask the running engine how it is."),
    "outbox": Entry("edged.commands.outbox", "outbox", "Show what waits for the broker."),
    "purge": Entry("edged.commands.purge", "purge", "Destroy stored pictures for good."),
    "receipt": Entry("edged.commands.receipt", "app", "Check the signed receipt of a purge."),
    "dashboard": Entry(
        "edged.commands.dashboard", "dashboard", "Serve a web page over all devices of a broker."
    ),
    "simulate": Entry(
        "edged.commands.simulate", "simulate", "Publish as many devices would, to try a fleet."
    ),
    "watch": Entry("edged.commands.watch", "watch", "Show all devices of a broker in a terminal."),
    "fleet": Entry("edged.commands.fleet", "app", "Plug devices into what operators already run."),
    "ctl": Entry("edged.commands.ctl", "ctl", "Give a device a command through the broker."),
    "broker": Entry("edged.commands.broker", "app", "Write files for the mosquitto of devices."),
    "audit": Entry("edged.commands.audit", "audit", "Report what this device does with pictures."),
    "bench": Entry("edged.commands.bench", "bench", "Measure every stage on this machine."),
}


class LazyGroup(TyperGroup):
    """The group behind `edged`: lists its commands by name, loads the one that runs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Stand-ins with a description: enough for the list, the completion and the
        # "did you mean" of a mistyped name.
        self.commands.update(
            {name: TyperCommand(name=name, help=entry.summary) for name, entry in COMMANDS.items()}
        )

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command, for running it or for its own `--help`."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, load(name) if name and stand_in else stand_in, rest


def load(name: str) -> Any:
    """The command of this name, its module imported."""
    entry = COMMANDS[name]
    target = getattr(importlib.import_module(entry.module), entry.attribute)
    if not isinstance(target, typer.Typer):
        lone = typer.Typer()
        lone.command(name)(target)
        target = lone
    target._add_completion = False  # noqa: SLF001 - the root command alone offers completion
    command = typer.main.get_command(target)
    command.name = name
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    # Typer's own tracebacks can print local variables, and those hold pictures.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Private face swap on the device: camera frames in, guarded pictures out.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"edged {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Private face swap on the device: camera frames in, guarded pictures out."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        args: words after `edged`; the process's own when None.
    """
    try:
        app(args, prog_name="edged")
    except EdgedError as error:
        # Plain print: a message may hold brackets, which rich would take for markup.
        print(f"edged: {error}", file=sys.stderr)  # noqa: T201 - the command's error output
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
