"""Whether the kernel gives the isolation that is configured, and the GPU inside of it.

A short-lived process is shut in as the engine would be and looks around, as
`edged isolation` does.

Data: mode, given, reason, lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import gravity
from edged.doctor.host import Host
from edged.doctor.setup import Setup


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """The configured mode, and what else there is if it cannot be had."""
    mode = setup.config.isolation.mode
    if mode == "off":
        yield Finding(
            "isolation.off",
            "warn",
            'isolation.mode = "off": nothing but trust keeps the engine off the network',
            str(setup.path),
            advice="`edged isolation` says what this machine can give.",
            data={"mode": mode, "given": True},
        )
        return
    trial = host.isolation(mode)
    data = {"mode": mode, "given": trial.given, "reason": trial.reason, "lost": list(trial.lost)}
    if not trial.given:
        weaker = mode == "namespace" and host.isolation("seccomp").given
        yield Finding(
            "isolation.refused",
            "fail",
            f'isolation.mode = "{mode}" cannot be had here, so the engine does not start',
            advice=trial.reason.removeprefix("isolation: ")
            + (' (isolation.mode = "seccomp" works here.)' if weaker else ""),
            cure=("edged isolation",),
            data=data,
        )
        return
    if trial.lost:
        yield Finding(
            "isolation.gpu-lost",
            gravity(host, setup),
            f"inside the isolation the GPU's nodes cannot be opened: {', '.join(trial.lost[:3])}",
            advice="Outside of it they can.",
            data=data,
        )
    else:
        yield Finding("isolation.given", "ok", f"the engine can be shut in ({mode})", data=data)


CHECK = Check(
    "isolation", "privacy", "keeping the engine off the network", look, timeout_s=30,
    configured=True,
)  # fmt: skip
