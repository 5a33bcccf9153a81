"""Whether the wall clock can be believed: TLS, consent and results depend on it.

Data: synchronised.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.checks.system import container
from edged.doctor.finding import Check, Finding
from edged.doctor.host import Host
from edged.doctor.setup import Setup

_SLACK_S = 86_400
"""Time zones of archives and of file systems differ by less."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """A clock before this installation is wrong; one nobody synchronises may become so."""
    synced = host.clock_synced()
    data = {"synchronised": synced}
    if host.now_s() < host.installed_s() - _SLACK_S:
        yield Finding(
            "clock.past",
            "fail",
            "the clock is earlier than this installation, so every TLS certificate looks invalid",
            advice="Boards without a battery start in the past until a time server is reached.",
            cure=cure(host),
            data=data,
        )
    elif not synced:
        trusted = setup.config.broker.clock == "trust"
        yield Finding(
            "clock.unsynchronised",
            "note" if trusted else "warn",
            "the kernel says that nobody synchronises the clock",
            advice='broker.clock = "trust" is set, so commands are judged by it all the same.'
            if trusted
            else "Results may carry a wrong time, and commands from the broker need a challenge."
            + (" This is a container: the clock is its host's." if container(host) else ""),
            cure=cure(host),
            data=data,
        )
    else:
        yield Finding("clock.synchronised", "ok", "the clock is synchronised", data=data)


def cure(host: Host) -> tuple[str, ...]:
    """The command that gets the clock synchronised here."""
    if container(host):
        return ()
    if host.which("timedatectl") and host.exists("/run/systemd/system"):
        return ("sudo timedatectl set-ntp true",)
    return ("sudo apt install chrony",)


CHECK = Check("clock", "machine", "whether the clock is set and synchronised", look)
