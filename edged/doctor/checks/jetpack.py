"""Which JetPack a Jetson has: it decides about Python and TensorRT.

Data: model, jetson_linux, jetpack.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import JETPACK_SUPPORTED, gravity, jetson
from edged.doctor.host import Host
from edged.doctor.setup import Setup


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Nothing on other machines."""
    board = jetson(host)
    if board is None:
        return
    release = ".".join(str(part) for part in board.linux)
    data = {"model": board.model, "jetson_linux": release, "jetpack": board.jetpack}
    if not board.linux:
        yield Finding(
            "jetpack.unknown",
            "note",
            f"{board.model}, and no Jetson Linux release is named",
            "/etc/nv_tegra_release",
            advice="In a container that is so unless the file is mounted into it.",
            data=data,
        )
    elif not board.supported:
        yield Finding(
            "jetpack.old",
            gravity(host, setup, "tensorrt"),
            f"Jetson Linux {release} is too old or too early for TensorRT engines",
            "/etc/nv_tegra_release",
            advice=f"Flash {JETPACK_SUPPORTED} (cat /etc/nv_tegra_release says what is there).",
            data=data,
        )
    else:
        name = f"JetPack {board.jetpack}, " if board.jetpack else ""
        yield Finding(
            "jetpack.version", "ok", f"{board.model}, {name}Jetson Linux {release}", data=data
        )


CHECK = Check("jetpack", "graphics", "JetPack version (Jetson)", look)
