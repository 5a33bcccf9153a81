"""What the engine would run on here, and why, chosen as the engine chooses.

Data: runtime, wished, reason, slug, refused (runtime to slug).
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import GPU_RUNTIMES, has_gpu
from edged.doctor.host import Host
from edged.doctor.runtimes import chosen, refusals
from edged.doctor.setup import Setup
from edged.errors import EngineError


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """None at all, another than preferred, a GPU that lies idle, or what was wanted."""
    try:
        choice = chosen(host, setup)
    except EngineError as error:
        require = setup.config.runtime.require
        yield Finding(
            "runtime.none",
            "fail",
            f'runtime.require = "{require}" cannot be had, so the engine does not start'
            if require
            else "no runtime can be had, so the engine does not start",
            advice=str(error),
            data={"runtime": "", "wished": False, "refused": refusals(host, setup)},
        )
        return
    refused = refusals(host, setup)
    data = {
        "runtime": choice.name,
        "wished": choice.wished,
        "reason": choice.reason,
        "slug": choice.slug,
        "refused": refused,
    }
    checks: list[str] = ["driver"]
    if has_gpu(host):
        checks = [name for name in GPU_RUNTIMES if name in refused and setup.wish in ("", name)]
    why = (f"edged doctor {' '.join(f'--only {name}' for name in checks)}",)
    if not choice.wished:
        yield Finding(
            "runtime.other",
            "warn",
            f'runtime.prefer = "{setup.config.runtime.prefer}" cannot be had; {choice.name} serves',
            cure=why,
            data=data,
        )
    elif choice.name == "cpu" and has_gpu(host) and not setup.wish:
        yield Finding(
            "runtime.idle",
            "warn",
            "there is a GPU, and nothing here can use it: the models would run on the CPU",
            cure=why,
            data=data,
        )
    else:
        asked = "as configured" if setup.wish else "the best here"
        yield Finding("runtime.chosen", "ok", f"models would run on {choice.name}, {asked}",
                      data=data)  # fmt: skip


CHECK = Check(
    "runtime", "graphics", "what the models would run on", look, timeout_s=300, configured=True
)
