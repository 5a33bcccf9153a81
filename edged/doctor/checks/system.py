"""Which system this is: distribution, kernel, container, service manager.

Data: system, kernel, machine, container, systemd.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import jetson
from edged.doctor.host import Host
from edged.doctor.setup import Setup


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """One line of facts; no systemd is a note, because something else must restart us."""
    release = dict(
        line.split("=", 1) for line in (host.text("/etc/os-release") or "").splitlines()
        if "=" in line
    )  # fmt: skip
    name = " ".join(shlex.split(release.get("PRETTY_NAME", ""))) or "Linux"
    board = jetson(host)
    inside = container(host)
    systemd = host.exists("/run/systemd/system")
    words = [name, f"kernel {host.kernel}", host.machine]
    words += [board.model] if board else []
    words += [f"inside {inside}"] if inside else []
    data = {
        "system": name,
        "kernel": host.kernel,
        "machine": host.machine,
        "container": inside,
        "systemd": systemd,
    }
    yield Finding("system.facts", "ok", ", ".join(words), data=data)
    if not systemd and not inside:
        yield Finding(
            "system.no-systemd",
            "note",
            "systemd does not run here, so nothing starts edged again after a power cut",
            advice="`edged run` restarts engine and uplink; let your own service manager start it.",
        )


def container(host: Host) -> str:
    """Name of the container that this is, or ""."""
    if host.exists("/.dockerenv"):
        return "Docker"
    if host.exists("/run/.containerenv"):
        return "Podman"
    return host.env.get("container", "")


CHECK = Check("system", "machine", "distribution, kernel, container, service manager", look)
