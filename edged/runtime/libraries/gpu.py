"""Why no runtime of a GPU can work here: driver, device."""

from __future__ import annotations

from edged.runtime.driver import Driver
from edged.runtime.libraries.finding import Finding


def gpu_findings(driver: Driver, device: int = 0) -> tuple[Finding, ...]:
    """No driver, no GPU, or not the one that was asked for.

    Args:
        driver: as probed.
        device: index of the GPU, as the configuration asks.
    """
    if driver.problem:
        cure = driver.cure
        if "CUDA_VISIBLE_DEVICES" in driver.problem:  # runtime.gpu sets it, too
            cure += "; runtime.gpu is the number of a GPU of that list"
        return (Finding("no-driver", driver.problem, cure),)
    known = [one.index for one in driver.gpus]
    if not known:
        return (Finding("no-gpu", "the driver sees no GPU", driver.cure or "see `edged doctor`"),)
    if device not in known:
        return (
            Finding(
                "no-such-gpu",
                f"runtime.gpu = {device}, and the GPUs here are {known}",
                f"set runtime.gpu = {known[0]}",
            ),
        )
    return ()
