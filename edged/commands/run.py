"""`edged run`, and its two programs alone: `edged engine` and `edged uplink`.

Puts the pieces together that each process begins with: configuration, log, run folder,
hardening, isolation.  The engine's libraries are imported after it is shut in, the
uplink's process never imports them.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from edged.commands.options import ConfigFile, RunDir
from edged.config import Config, default_path, load
from edged.daemon import logs
from edged.errors import EdgedError
from edged.privacy import hardening, isolation
from edged.privacy.launch import launched
from edged.transport.lan import LISTENER_FD, handed_in, open_listener, take_over
from edged.transport.notify import Notifier
from edged.transport.rundir import default_run_dir, make_run_dir

log = logging.getLogger(__name__)

WATCHDOG_S = 60.0
"""Silence after which `edged run` takes a program for hung; as WatchdogSec= of the units."""

_DEADLINES = 2
"""A frame on its way feeds no watchdog, and may take all of `frames.deadline_ms`."""

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")]


def run(config: ConfigFile = None, run_dir: RunDir = None, verbose: Verbose = False) -> None:
    """Run engine and uplink under one supervisor, until Ctrl-C.

    Exit code 0: stopped as asked. 78: the configuration must be changed. 66: a model is
    missing. 71: the operator is needed (isolation, permissions).
    """
    from edged.daemon.child import Program  # noqa: PLC0415 - the other two do not need them
    from edged.daemon.supervisor import Supervisor  # noqa: PLC0415

    logs.set_up("edged", verbose=verbose)
    path, settings, folder = _begin(config, run_dir)
    program = _command("engine", path, folder, verbose=verbose)
    if settings.isolation.mode != "off":
        program = launched(settings.isolation.mode, program)
    uplink_program = _command("uplink", path, folder, verbose=verbose)
    patience_s = max(WATCHDOG_S, _DEADLINES * settings.frames.deadline_ms / 1000)
    # It stays open here, so that a camera only waits while the engine starts again.
    listener = open_listener(settings.frames.lan.listen) if settings.frames.lan else None
    fds = (listener.fileno(),) if listener else ()
    programs = [
        Program(
            "engine",
            tuple(program),
            environment={LISTENER_FD: str(fds[0])} if fds else {},
            pass_fds=fds,
            watchdog_s=patience_s,
        ),
        Program("uplink", tuple(uplink_program), watchdog_s=WATCHDOG_S),
    ]
    log.info("configuration %s, sockets in %s", path, folder)
    raise typer.Exit(Supervisor(programs, folder).run())


def engine(config: ConfigFile = None, run_dir: RunDir = None, verbose: Verbose = False) -> None:
    """Run the engine alone: frames in, private pictures out, no network.

    From a shell it leaves the network itself, as far as isolation.mode asks. Under
    systemd it checks that its unit has done so, and does not start otherwise.
    """
    logs.set_up("engine", verbose=verbose)
    notifier = Notifier()
    try:
        path, settings, folder = _begin(config, run_dir)
        wanted, lan = settings.isolation.mode, settings.frames.lan
        listeners = handed_in(os.environ)
        if lan and not listeners and not _was_shut_in():
            listeners = [open_listener(lan.listen).detach()]
        if wanted != "off" and not _was_shut_in():
            for fd in listeners:
                os.set_inheritable(fd, True)
                os.environ[LISTENER_FD] = str(fd)
            again = _command("engine", path, folder, verbose=verbose)
            os.execv(sys.executable, launched(wanted, again))  # noqa: S606 - ourselves
        listeners = take_over(listeners, lan.listen if lan else None)
        notifier.status("loading libraries")
        from edged.daemon.engine_main import main  # noqa: PLC0415 - not before it is shut in

        code = main(
            settings, folder, listeners=listeners, source=path
        )  # looks at its isolation first
    except EdgedError as error:
        notifier.status(str(error).replace("\n", "; "))
        raise
    raise typer.Exit(code)


def uplink(config: ConfigFile = None, run_dir: RunDir = None, verbose: Verbose = False) -> None:
    """Run the uplink alone: hands the engine's results to the broker; sees no frames."""
    logs.set_up("uplink", verbose=verbose)
    notifier = Notifier()
    try:
        _, settings, folder = _begin(config, run_dir)
        from edged.daemon.uplink import serve  # noqa: PLC0415 - paho, for this process alone

        code = serve(settings.uplink, f"ipc://{folder}/egress.sock")
    except EdgedError as error:
        notifier.status(str(error).replace("\n", "; "))
        raise
    raise typer.Exit(code)


def _begin(config: Path | None, run_dir: Path | None) -> tuple[Path, Config, Path]:
    """What all three begin with: hardened, configured, with a run folder."""
    hardening.harden()
    faulthandler.enable()  # places in the code, no values; also when a watchdog ends us
    path = (config or default_path()).absolute()
    settings = load(path)
    return path, settings, make_run_dir((run_dir or default_run_dir()).absolute())


def _command(name: str, config: Path, run_dir: Path, *, verbose: bool) -> list[str]:
    words = [sys.executable, "-m", "edged", name, "--config", str(config)]
    return [*words, "--run-dir", str(run_dir), *(["--verbose"] if verbose else [])]


def _was_shut_in() -> bool:
    """Whether a launcher or a service manager is responsible for the isolation."""
    return (
        isolation.LAUNCHER_NETNS in os.environ
        or "NOTIFY_SOCKET" in os.environ
        or os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())
    )
