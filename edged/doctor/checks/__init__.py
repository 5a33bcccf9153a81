"""Every check, one file each, in the order of the report.

A new one is a new file with a `CHECK` and a line here.
"""

from __future__ import annotations

from typing import Final

from edged.doctor.checks import (
    broker,
    clock,
    config,
    cuda,
    disk,
    driver,
    engine,
    engines,
    gpu_memory,
    guard,
    isolation,
    jetpack,
    licences,
    memory,
    mig,
    model_files,
    nodes,
    onnxruntime,
    opencv,
    packages,
    power,
    precision,
    provenance,
    providers,
    python,
    runtime,
    swap,
    system,
    tensorrt,
    tensorrt_rtx,
    visible,
)
from edged.doctor.finding import Check

ALL: Final[tuple[Check, ...]] = tuple(
    module.CHECK
    for module in (
        system,
        python,
        clock,
        memory,
        disk,
        driver,
        nodes,
        visible,
        mig,
        gpu_memory,
        jetpack,
        power,
        runtime,
        tensorrt,
        tensorrt_rtx,
        cuda,
        packages,
        onnxruntime,
        providers,
        opencv,
        config,
        engine,
        model_files,
        licences,
        precision,
        engines,
        guard,
        isolation,
        provenance,
        swap,
        broker,
    )
)
