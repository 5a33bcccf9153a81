"""Whether the user may open the GPU's device nodes, and whether they are there.

On a Jetson CUDA opens `/dev/nvmap` (root:video, readable by its group alone) and, from
JetPack 6 on, the render nodes; without them it says "no device" and not "permission
denied".  On a PC `/dev/nvidia-uvm` appears only when something asks for it first, which a
unit inside a sandbox cannot.

Data: nodes, missing, denied, groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edged.doctor.checks.system import container
from edged.doctor.finding import Check, Finding, Level
from edged.doctor.hardware import gravity, has_gpu, jetson
from edged.doctor.host import Host
from edged.doctor.setup import Setup

CARD = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia[0-9]*")
"""Of a PC's card."""
BOARD = ("/dev/nvmap",)
"""Of a Jetson: every release has this one; the others differ."""
ALSO = (
    "/dev/nvhost-gpu", "/dev/nvhost-*-gpu", "/dev/nvgpu/*/*", "/dev/dri/renderD*",
)  # fmt: skip
"""Of a Jetson, where they are there."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Missing nodes, then nodes that are there and shut."""
    if not has_gpu(host) or host.exists("/dev/dxg"):
        return
    board = jetson(host) is not None
    must = BOARD if board else CARD
    found = [name for pattern in (*must, *(ALSO if board else ())) for name in host.names(pattern)]
    missing = [pattern for pattern in must if not host.names(pattern)]
    denied = [name for name in found if host.lacks(name)]
    groups = sorted({group for name in denied if (group := _group(host, name))})
    data = {"nodes": found, "missing": missing, "denied": denied, "groups": groups}
    level = gravity(host, setup)
    shown = bool(missing) and not host.driver().usable
    if shown:
        yield _missing(host, missing, level=level, data=data)
    if denied:
        yield Finding(
            "nodes.denied",
            level,
            f"user {host.user.name} may not open {_few(denied)}",
            where=", ".join(f"{name} ({_mode(host, name)})" for name in denied[:3]),
            advice='CUDA calls that "no device". Log in again afterwards, or restart the unit.'
            if groups
            else "No group has access to them: look at the udev rules of the driver's package.",
            cure=(f"sudo usermod -aG {','.join(groups)} {host.user.name}",) if groups else (),
            data=data,
        )
    if not shown and not denied:
        yield Finding(
            "nodes.open", "ok", f"user {host.user.name} may open all {len(found)} GPU nodes",
            data=data,
        )  # fmt: skip


def _missing(
    host: Host, missing: list[str], *, level: Level, data: Mapping[str, list[str]]
) -> Finding:
    inside = container(host)
    cure: tuple[str, ...] = ()
    if inside:
        advice = (
            f"The GPU is not passed into this container: give {inside} `--gpus all` (on a "
            "Jetson `--runtime nvidia`), with NVIDIA's container toolkit on the host."
        )
    elif missing == ["/dev/nvidia-uvm"]:
        advice = (
            "It appears when something first asks for it. Ask for it at boot, or the GPU is "
            "missing inside the engine's sandbox."
        )
        cure = (
            "sudo nvidia-modprobe -u -c 0",
            "echo nvidia-uvm | sudo tee /etc/modules-load.d/edged.conf",
        )
    else:
        advice = "The kernel's module made no nodes; the check driver says why."
    return Finding(
        "nodes.missing", level, f"there is no {_few(missing)}", advice=advice, cure=cure, data=data
    )


def _group(host: Host, name: str) -> str:
    """The group that would open a node; none where the group's own bits are shut."""
    found = host.status(name)
    if found is None or not found.st_mode & 0o060 or found.st_gid == 0:
        return ""
    return host.group_name(found.st_gid)


def _mode(host: Host, name: str) -> str:
    found = host.status(name)
    assert found is not None
    return f"mode {found.st_mode & 0o777:04o}, group {host.group_name(found.st_gid)}"


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


CHECK = Check("nodes", "graphics", "device nodes of the GPU and their groups", look)
