"""What can be wrong with a device, and what to do about it; limits that two places share.

A reason is the word in `status` and in `troubles` of `health`.  The engine sets it, and
whoever shows it (dashboard, `edged watch`, `edged status`) finds the sentence here.
"""

from __future__ import annotations

from typing import Final

HOT_CPU_C = 90.0
HOT_GPU_C = 87.0
"""Boards throttle from about 95 (a Jetson's trip point 97 to 99, desktop cards 83 to 93)."""
COOLER_C = 5.0
"""So far below its limit a sensor must fall to be well again."""
AGEING_S = 300.0
"""A result that waits so long while the device is online is not being taken."""
RECENT_S = 600.0
"""Gaps and refusals of so many seconds count."""

ASK_DOCTOR: Final = "`edged doctor` on the device says more."
_LOG: Final = "see `journalctl -u edged-engine`"
_DRIVER: Final = "`edged doctor` on the device says which package or driver to install."
_BUILD: Final = "Run `edged engines build` there, or wait while it is built in the background."

REMEDIES: Final[dict[str, str]] = {
    # -- said by the uplink for an engine that says nothing
    "starting": "Wait a minute; if it stays, `systemctl status edged-engine` there says why.",
    "engine-silent": "The engine hangs or is gone: `systemctl status edged-engine` there.",
    # -- the engine as a whole
    "uplink-absent": "Nothing is published: `systemctl status edged-uplink` on the device.",
    "pipeline-thread-ended": f"Restart the engine, and report it; {_LOG}.",
    "stage-stuck": f"The engine ends and is started again; if it comes back, {_LOG}.",
    "crash-loop": f"The engine ended three times in a row; {_LOG}, and run `edged doctor`.",
    "self-test-failed": "Its networks do not run: `edged doctor`, then restart the engine.",
    "frames-failing": f"Restart the engine; if it comes back, report it, and {_LOG}.",
    # -- privacy
    "guard-not-calibrated": "Run `edged calibrate guard` with photos of your own.",
    "builtin-barred": "Install real models (`edged models pull`), or read `[publish]` in the "
    "README before you publish pictures of the built-in ones.",
    "signing-failed": "Look at `[provenance]`: its certificate may have ended, or the clock is "
    "wrong.",
    "guard-refuses-much": "The guard keeps most pictures in: see `reasons` in health, then light, "
    "camera and `edged calibrate camera`.",
    # -- outbox and disk
    "outbox-error": f"The outbox cannot be written: look at its disk and folder; {_LOG}.",
    "outbox-nearly-full": "Mend the way to the broker, or raise `outbox.max_bytes`: soon results "
    "are lost or refused.",
    "results-not-taken": "The broker does not take them: see its log, limits and access rules.",
    "disk-nearly-full": "Make room on the disk of the state folder: soon no picture is taken.",
    "disk-worn": "The flash memory is near its end: plan to replace it, and keep no data on it "
    "alone.",
    # -- models
    "engine-load-failed": "A built engine does not load: `edged engines check` on the device.",
    "model-replaced": "A model file was replaced while it is in use: restart the engine, or put "
    "the old file back.",
    "model-failing": f"A model fails again and again; {_LOG}, and `edged models verify`.",
    "model-out-of-memory": "Free memory: smaller sizes or fewer models, or nothing beside it on "
    "the GPU.",
    "gpu-lost": "The GPU fell off: look at `dmesg` for Xid, at power and cooling, then reboot.",
    "runtime-not-wished": ASK_DOCTOR,
    # -- the machine
    "hot-cpu": "Clean fan and filter, give it air; it slows down when it is too hot.",
    "hot-gpu": "Clean fan and filter, give it air; it slows down when it is too hot.",
    "throttled": "It runs slower than it could: look at cooling and power supply "
    "(`throttle_reasons` in health says which).",
    "gpu-memory-errors": "The GPU's memory had errors that could not be corrected: reset or "
    "reboot it, and replace the card if they come back.",
    "memory-nearly-gone": "End what else runs there, or use fewer or smaller models.",
    "clock-not-synchronised": "Give it a time server (`timedatectl`): until then commands need a "
    "second step, and times in results are doubtful.",
    "camera-silent": "A camera has stopped sending (`cameras` in health says which): look at its "
    "power, cable and program.",
}  # fmt: skip
"""Reason -> what to do, one or two sentences."""

RUNTIMES: Final = ("tensorrt-rtx", "tensorrt", "cuda", "cpu")
RUNTIME_REMEDIES: Final[dict[str, str]] = {
    "no-driver": "Install NVIDIA's driver, or let the engine's user reach the GPU's device files: "
    "`edged doctor`.",
    "no-gpu": "The driver sees no GPU: look at the slot, power and `nvidia-smi`.",
    "no-such-gpu": "Set `runtime.gpu` to a GPU that is there: `edged doctor` lists them.",
    "wrong-sm": "This GPU is too old or too new for the installed packages: `edged doctor`.",
    "no-tensorrt": _DRIVER,
    "no-rtx-plugin": _DRIVER,
    "rtx-unloadable": _DRIVER,
    "onnxruntime-absent": _DRIVER,
    "onnxruntime-cpu-only": _DRIVER,
    "onnxruntime-old": _DRIVER,
    "double-onnxruntime": "Two onnxruntime packages lie over each other: `edged doctor` says which "
    "one to remove.",
    "cuda-trial-failed": ASK_DOCTOR,
    "own-option": "Take it out of `runtime.cuda_options`: edged sets it itself.",
    "unknown-option": "Correct its name in `runtime.cuda_options`.",
    "unusable": ASK_DOCTOR,
    "engine-absent": _BUILD,
    "engine-stale": _BUILD,
    "engine-built": _BUILD,
    "engine-damaged": _BUILD,
    "engine-rejected": "It differs too much from FP32 here: `edged engines check` shows by how "
    "much; `edged calibrate precision` finds nodes to keep.",
    "engine-unbuildable": ASK_DOCTOR,
    "engine-failed": "It loads and does not run: `edged engines check` on the device.",
}  # fmt: skip
"""The same for why a preferred runtime does not serve; the reason has its name before it."""


def remedy(reason: str) -> str:
    """What to do about a reason; for one that is not known, whom to ask."""
    return known(reason) or ASK_DOCTOR


def known(reason: str) -> str:
    """What to do about a reason; empty when there is no sentence for it."""
    if reason in REMEDIES:
        return REMEDIES[reason]
    for name in RUNTIMES:  # the longer name first
        if reason.startswith(f"{name}-"):
            return RUNTIME_REMEDIES.get(reason.removeprefix(f"{name}-"), "")
    return ""
