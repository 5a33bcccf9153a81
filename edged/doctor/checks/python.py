"""Whether this Python can have the wheels that edged needs.

Data: version, machine, libc, environment.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import jetson
from edged.doctor.host import Host
from edged.doctor.setup import Setup

MACHINES = ("x86_64", "aarch64")
"""What PyPI's onnxruntime and OpenCV have Linux wheels for."""


def look(host: Host, _setup: Setup) -> Iterator[Finding]:
    """Architecture, C library, and on a Jetson the Python that TensorRT's bindings want."""
    version = ".".join(str(part) for part in host.python_version)
    libc = host.libc or "unknown"
    data = {"version": version, "machine": host.machine, "libc": libc, "environment": host.prefix}
    bad = False
    if host.machine not in MACHINES:
        bad = True
        yield Finding(
            "python.machine",
            "fail",
            f"there are no wheels of onnxruntime and OpenCV for {host.machine}",
            advice=f"Use a 64-bit system: {' or '.join(MACHINES)}.",
            data=data,
        )
    if not libc.startswith("glibc"):
        bad = True
        yield Finding(
            "python.libc",
            "fail",
            "this system's C library is not glibc, and onnxruntime has no wheels for others",
            advice="Use a Debian or Ubuntu image instead of an Alpine one.",
            data=data,
        )
    wanted = bindings_python(host)
    if jetson(host) and wanted and wanted != host.python_version[:2]:
        bad = True
        name = ".".join(str(part) for part in wanted)
        yield Finding(
            "python.jetpack",
            "warn",
            f"this is Python {version}, and JetPack's TensorRT bindings are for {name}",
            where=host.python,
            advice="Make the environment again with the system's own Python.",
            cure=(f"/usr/bin/python{name} -m venv --system-site-packages {host.prefix}-jetpack",),
            data=data,
        )
    if not bad:
        yield Finding(
            "python.facts", "ok", f"Python {version}, {host.machine}, {libc}", host.python,
            data=data,
        )  # fmt: skip


def bindings_python(host: Host) -> tuple[int, int] | None:
    """Python version that apt's TensorRT bindings were built for, if they are here.

    Their extension is called tensorrt.cpython-310-aarch64-linux-gnu.so on one release and
    tensorrt.so on another, so the system's own python3 is believed.
    """
    if not host.names("/usr/lib/python3*/dist-packages/tensorrt/__init__.py"):
        return None
    for name in host.names("/usr/bin/python3.[0-9]*"):
        minor = name.rpartition(".")[2]
        if minor.isdigit() and host.at("/usr/bin/python3").resolve() == host.at(name).resolve():
            return 3, int(minor)
    return None


CHECK = Check("python", "machine", "Python version, architecture, C library", look)
