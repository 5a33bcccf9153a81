"""Whether an engine runs here, and what it says of itself.

Data: state, reason, as `edged status` gives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.errors import EdgedError

PATIENCE_S = 3.0


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """None running is well; one that is degraded knows why, and one that is mute is stuck."""
    socket = control_socket(host)
    if socket is None:
        yield Finding("engine.none", "ok", "no engine runs now", data={"state": "none"})
        return
    try:
        said = asked(socket)
    except EdgedError as error:
        yield Finding(
            "engine.mute",
            "warn",
            "an engine's socket is there, and no engine answers on it",
            str(socket),
            advice="One that has just begun loads its models first. Else it is stuck, or died "
            "without tidying up; a start tidies up.",
            cure=("journalctl -u edged-engine -n 50",)
            if host.exists("/run/systemd/system")
            else (),
            data={"state": "mute", "error": type(error).__name__},
        )
        return
    state, reason = str(said.get("state", "unknown")), str(said.get("reason", ""))
    data = {"state": state, "reason": reason}
    if state in ("online", "paused"):
        yield Finding("engine.well", "ok", f"the engine that runs here is {state}", data=data)
    else:
        yield Finding(
            "engine.degraded",
            "warn",
            f"the engine that runs here is {state}" + (f": {reason}" if reason else ""),
            str(socket),
            cure=("edged status",),
            data=data,
        )


def control_socket(host: Host) -> Path | None:
    """The socket of an engine, if there is one."""
    from edged.transport.rundir import default_run_dir  # noqa: PLC0415 - may refuse a folder

    try:
        folder = default_run_dir(client=True).absolute()
    except EdgedError:
        return None
    path = host.at(folder / "control.sock")
    return path if path.exists() else None


def asked(socket: Path) -> dict[str, object]:
    """The engine's answer.

    Raises:
        LinkError: there was none.
    """
    from edged.transport.control import ask  # noqa: PLC0415 - loads ZeroMQ

    return dict(ask(f"ipc://{socket}", "ping", {}, timeout_s=PATIENCE_S).data)


CHECK = Check("engine", "configuration", "an engine that runs now", look)
