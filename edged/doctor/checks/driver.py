"""Whether NVIDIA's driver works: asked in a process of its own, and the usual reasons why not.

Data: cuda, module, gpus, cards.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import cards, gravity, has_gpu, jetson
from edged.doctor.host import Host
from edged.doctor.kernel_module import Reason, install, reason
from edged.doctor.setup import Setup
from edged.runtime.driver import Driver

_HERE = ", then run: edged doctor"
"""How the driver's probe ends its cures; whoever reads this is running it."""


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """The driver's own answer, with a nearer reason where the system shows one."""
    driver = host.driver()
    data: dict[str, Any] = {
        "cuda": driver.version,
        "module": driver.module,
        "gpus": [dataclasses.asdict(gpu) for gpu in driver.gpus],
        "cards": cards(host),
    }
    if driver.usable:
        yield Finding("driver.works", "ok", describe(driver), data=data)
        if jetson(host) is None:
            yield from _too_old(host, setup, driver)
        return
    if not has_gpu(host):
        required = gravity(host, setup) == "fail"
        yield Finding(
            "driver.no-gpu",
            "fail" if required else "note",
            "there is no NVIDIA GPU here, so the models run on the CPU",
            advice='For live video a GPU is needed; README, "On a GPU".'
            if not required
            else f'runtime.require = "{setup.config.runtime.require}" asks for one.',
            data=data,
        )
        return
    if "no permission" in driver.problem:
        nearer: Reason | None = Reason("denied", "The check nodes says who may open them.", ())
    else:
        nearer = reason(host)
    slug, advice, cure = nearer or Reason("broken", driver.cure.replace(_HERE, ""), ())
    yield Finding(
        f"driver.{slug}",
        gravity(host, setup),
        driver.problem,
        where=", ".join(cards(host)),
        advice=f"{advice[:1].upper()}{advice[1:]}",
        cure=cure,
        data=data,
    )


def _too_old(host: Host, setup: Setup, driver: Driver) -> Iterator[Finding]:
    """Libraries of a newer CUDA than the driver serves; within one major version all run."""
    found = host.onnxruntime()
    serves = int(driver.version.partition(".")[0] or 0)
    if serves and found.cuda_major > serves:
        yield Finding(
            "driver.old",
            gravity(host, setup, "cuda", "tensorrt-rtx"),
            f"the driver serves CUDA up to {driver.version}, and the onnxruntime here is built for "
            f"CUDA {found.cuda_version}",
            advice="CUDA 13 wants driver 580 or later.",
            cure=(*install(host), "sudo reboot"),
            data={"cuda": driver.version, "onnxruntime_cuda": found.cuda_version},
        )


def describe(driver: Driver) -> str:
    """The driver and its GPUs in one line."""
    gpus = "; ".join(f"{gpu.name} (sm_{gpu.sm}, {gpu.memory_mb} MB)" for gpu in driver.gpus)
    version = f"driver {driver.module}, " if driver.module else ""
    return f"{version}CUDA up to {driver.version}: {gpus}"


CHECK = Check("driver", "graphics", "NVIDIA's driver", look, timeout_s=45)
