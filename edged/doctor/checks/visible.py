"""Environment variables that hide the GPU from CUDA.

Data: the variables that are set, by name.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import gravity, has_gpu
from edged.doctor.host import Host
from edged.doctor.setup import Setup

HIDING = {
    "CUDA_VISIBLE_DEVICES": ("", "-1", "none", "NoDevFiles"),
    "NVIDIA_VISIBLE_DEVICES": ("void", "none"),
}
"""Values that leave no device; the first is CUDA's, the second the container toolkit's."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """This shell's environment; a unit has its own."""
    if not has_gpu(host):
        return
    named = {name: host.env[name] for name in HIDING if name in host.env}
    hiding = [name for name, value in named.items() if value in HIDING[name]]
    for name in hiding:
        yield Finding(
            "visible.hidden",
            gravity(host, setup),
            f"{name} hides every GPU",
            where=f'{name}="{named[name]}" in this environment',
            cure=(f"unset {name}",),
            data=named,
        )
    capabilities = host.env.get("NVIDIA_DRIVER_CAPABILITIES", "")
    if capabilities and not {"all", "compute"} & set(capabilities.split(",")):
        yield Finding(
            "visible.no-compute",
            gravity(host, setup),
            "the container has the GPU without its compute libraries",
            where=f'NVIDIA_DRIVER_CAPABILITIES="{capabilities}"',
            advice="Start it with NVIDIA_DRIVER_CAPABILITIES=compute,utility.",
            data={**named, "NVIDIA_DRIVER_CAPABILITIES": capabilities},
        )
    elif not hiding:
        chosen = named.get("CUDA_VISIBLE_DEVICES", "")
        what = f"CUDA sees device {chosen} alone" if chosen else "nothing hides the GPU from CUDA"
        yield Finding("visible.open", "ok", what, data=named)


CHECK = Check("visible", "graphics", "environment variables that hide the GPU", look)
