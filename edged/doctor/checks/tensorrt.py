"""Whether TensorRT's Python bindings and its libraries are here and fit each other.

The libraries come from JetPack or from NVIDIA's index, which a stub on PyPI fetches them
from.  The import is tried in a process of its own: it loads the libraries.

Data: version, packages, reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edged.doctor.finding import Check, Finding, Level
from edged.doctor.hardware import gravity, has_gpu, jetson
from edged.doctor.host import Host
from edged.doctor.pip import pip
from edged.doctor.setup import Setup

OLDEST = (10, 3)
"""JetPack 6.1's; older ones have no strongly typed networks that are fit for use."""
_APT = "/usr/lib/python3*/dist-packages/tensorrt/__init__.py"
_LIBRARY = re.compile(r"lib(nvinfer|nvonnxparser|nvinfer_plugin|cudart|cudnn|cublas)\w*\.so[.\d]*")


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Absent, bindings alone, too old, or made for a newer driver."""
    if not has_gpu(host) and setup.wish != "tensorrt":
        return
    level = gravity(host, setup, "tensorrt")
    seen = host.tensorrt()
    packages = {
        name: package.version
        for name, package in host.packages().items()
        if name.startswith("tensorrt") and "rtx" not in name
    }
    version = str(seen.get("version", ""))
    reason = str(seen.get("text") or seen.get("died") or "")
    data = {"version": version, "packages": packages, "reason": reason}
    if "died" in seen:
        yield Finding(
            "tensorrt.died",
            level,
            f"a process that imports tensorrt {seen['died']}",
            advice="Bindings and libraries of different versions do that.",
            data=data,
        )
    elif not version:
        yield from _not_loading(host, reason, str(seen.get("absent", "")), level, data)
    else:
        yield from _versions(host, version, level, data)


def _not_loading(
    host: Host, reason: str, absent: str, level: Level, data: Mapping[str, object]
) -> Iterator[Finding]:
    board = jetson(host)
    library = _LIBRARY.search(reason)
    if library:
        yield Finding(
            "tensorrt.no-libraries",
            level,
            f"TensorRT's bindings are here and its library is not: {library[0]}",
            advice="PyPI has stubs that fetch the libraries, some 4 GB, from NVIDIA's own index."
            if jetson(host) is None
            else "The bindings on PyPI are not for Jetsons; JetPack has both.",
            cure=_install(host),
            data=data,
        )
    elif board and host.names(_APT) and host.prefix != "/usr":
        yield Finding(
            "tensorrt.hidden",
            level,
            "JetPack's TensorRT is installed, and this environment does not see it",
            where=host.prefix,
            advice="An environment shows the system's packages only if it was made so. Then "
            "install edged into it again.",
            cure=(f"/usr/bin/python3 -m venv --clear --system-site-packages {host.prefix}",),
            data=data,
        )
    elif absent in ("tensorrt", "tensorrt_bindings", "tensorrt_libs"):
        yield Finding(
            "tensorrt.absent",
            level,
            "TensorRT is not installed",
            where=host.prefix,
            cure=_install(host) if board or level != "note" else (),
            data=data,
        )
    else:
        yield Finding(
            "tensorrt.broken", level, f"TensorRT does not load: {reason}", cure=_install(host),
            data=data,
        )  # fmt: skip


def _versions(
    host: Host, version: str, level: Level, data: Mapping[str, object]
) -> Iterator[Finding]:
    number = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    board = jetson(host)
    driver = host.driver()
    wheels = [re.match(r"tensorrt-cu(\d+)", name) for name in host.packages()]
    built = next((int(wheel[1]) for wheel in wheels if wheel), 0)
    serves = int(driver.version.partition(".")[0] or 0)
    if number < OLDEST:
        yield Finding(
            "tensorrt.old",
            level,
            f"TensorRT {version} is older than {OLDEST[0]}.{OLDEST[1]}",
            advice="edged builds on it for trials only.",
            cure=_install(host),
            data=data,
        )
    elif board and number >= (11, 0) and board.linux < (39, 2, 2):
        yield Finding(
            "tensorrt.jetpack",
            level,
            f"TensorRT {version} does not run on this JetPack",
            advice="TensorRT 11 needs JetPack 7.2.2 or later; take the one that came with yours.",
            data=data,
        )
    elif built and serves and built > serves:
        yield Finding(
            "tensorrt.driver",
            level,
            f"TensorRT {version} is built for CUDA {built}, and the driver serves {driver.version}",
            advice="Install a newer driver (580 or later for CUDA 13), or the build for CUDA "
            f"{serves}.",
            cure=(pip(host, "install", f"tensorrt-cu{serves}"),),
            data=data,
        )
    else:
        yield Finding("tensorrt.here", "ok", f"TensorRT {version}", data=data)


def _install(host: Host) -> tuple[str, ...]:
    """How TensorRT comes to this machine."""
    if jetson(host):
        return ("sudo apt update", "sudo apt install nvidia-jetpack")
    # The extra brings the CPU's onnxruntime, which must not lie over the GPU's.
    others = set(host.onnxruntime().distributions) - {"onnxruntime"}
    return (pip(host, "install", "tensorrt" if others else "'edged[tensorrt]'"),)


CHECK = Check("tensorrt", "graphics", "TensorRT: bindings and libraries", look, timeout_s=60)
