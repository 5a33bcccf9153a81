"""Which onnxruntime is here: one, and of the build that the runtimes want.

The builds for CPU and GPU are different distributions that write the same folder: side by
side the one installed last wins, or half of each stays.  It is the usual reason why a GPU
is idle.

Data: packages, cuda.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import gravity, jetson
from edged.doctor.host import Host
from edged.doctor.pip import pip
from edged.doctor.setup import Setup


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Absent, twice, or without code for this board."""
    found = host.onnxruntime()
    packages = dict(found.distributions)
    data = {"packages": packages, "cuda": found.cuda_version}
    where = str(found.folder or "")
    gpu = [name for name in packages if name != "onnxruntime"]
    if found.folder is None:
        yield Finding(
            "onnxruntime.absent",
            # TensorRT's own library runs models without it; everything else is made of it.
            "warn" if setup.wish == "tensorrt" else "fail",
            "onnxruntime is not installed: no model runs",
            where=host.prefix,
            advice="On a PC with an NVIDIA card: 'edged[gpu]'." if not jetson(host) else "",
            cure=(pip(host, "install", "'edged[cpu]'"),),
            data=data,
        )
        return
    if len(packages) > 1:
        names = " and ".join(f"{name} {version}" for name, version in packages.items())
        keep = "'edged[gpu]'" if gpu and not jetson(host) else "'edged[cpu]'"
        yield Finding(
            "onnxruntime.twice",
            "fail" if gravity(host, setup, "cuda", "tensorrt-rtx") == "fail" else "warn",
            f"onnxruntime is installed {len(packages)} times over each other: {names}",
            where,
            advice="All write the same folder. insightface asks for the one without GPU: install "
            "it with --no-deps, or remove that one after it.",
            cure=(
                pip(host, "uninstall", "-y", *packages),
                pip(host, "install", keep),
            ),
            data=data,
        )
    board = jetson(host)
    if board and gpu and len(packages) == 1:
        yield Finding(
            "onnxruntime.no-code",
            gravity(host, setup, "cuda"),
            f"{gpu[0]} from PyPI holds no code for the GPU of {board.model}",
            where,
            advice="A Jetson's GPU is used through TensorRT; beside it the CPU build is enough.",
            cure=(pip(host, "uninstall", "-y", *packages), pip(host, "install", "'edged[cpu]'")),
            data=data,
        )
    elif len(packages) <= 1:
        (name, version), *_ = packages.items() or [("onnxruntime", "of an unknown version")]
        built = f", for CUDA {found.cuda_version}" if found.cuda_version else ""
        yield Finding("onnxruntime.one", "ok", f"{name} {version}{built}", where, data=data)


CHECK = Check("onnxruntime", "software", "onnxruntime: one, of the right build", look)
