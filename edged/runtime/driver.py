"""What the CUDA driver of this machine can do, asked in a process of its own.

TensorRT kills its process with a segmentation fault on a machine without a working driver
(seen with 8.6.0 and 11.4), so everything that wants a GPU asks here first.  The question
itself runs in a subprocess: a bad driver may crash or hang that one, never the daemon.

Knows the driver's library by the answers of :mod:`edged.runtime.driver_child` and nothing
of TensorRT, onnxruntime or models.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edged.errors import EngineError
from edged.runtime import driver_child
from edged.runtime.child import Answer, ask_child
from edged.runtime.driver_faults import (
    DRIVER,
    Machine,
    explain_call,
    explain_load,
    look,
    no_device,
)

TIMEOUT_S: Final = 30.0
"""A cold Jetson takes seconds for its first cuInit; a hung driver takes for ever."""

_SCRIPT: Final = "import runpy; runpy.run_path({path!r}, run_name='__main__')"
_MODULE_FILE: Final = "proc/driver/nvidia/version"
_REBOOT: Final = (
    "reboot; if it comes back, install NVIDIA's driver (Jetson: JetPack) again; "
    "dmesg | grep -i nvrm tells more"
)


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver describes it.

    Attributes:
        index: the driver's number, 0 first.
        name: for people, such as "Orin".
        sm: compute capability without the dot: "87" is 8.7.
        memory_mb: MiB; on an integrated GPU it is the machine's own memory.
        integrated: shares the machine's memory (Jetson).
    """

    index: int
    name: str
    sm: str
    memory_mb: int
    integrated: bool


@dataclass(frozen=True)
class Driver:
    """What was found, or what is wrong and what to do.

    Attributes:
        version: newest CUDA version that the driver serves ("12.6"), "" when unknown.
        gpus: its GPUs; empty when there is a problem.
        problem: one sentence, "" when all is well.
        cure: what a person does about it, "" when all is well.
        module: version of the kernel module ("580.65.06"), "" where it is not told.
        library: name or path under which libcuda was found.
    """

    version: str
    gpus: tuple[Gpu, ...]
    problem: str = ""
    cure: str = ""
    module: str = ""
    library: str = ""

    @property
    def usable(self) -> bool:
        """There is a GPU that programs can use."""
        return bool(self.gpus) and not self.problem


def probe(
    *,
    timeout_s: float = TIMEOUT_S,
    environment: Mapping[str, str] | None = None,
    root: Path = Path("/"),
) -> Driver:
    """Asks the driver; never raises for a bad one and never takes longer than `timeout_s`.

    Args:
        timeout_s: after this the driver counts as hung.
        environment: variables of the subprocess; None takes this process's own.
        root: where /dev, /etc and /proc are looked for.
    """
    values = dict(os.environ if environment is None else environment)
    machine = look(root, values)
    module = _module_version(root)
    script = _SCRIPT.format(path=driver_child.__file__)
    return _read(ask_child(script, "", timeout_s, values), machine, module)


def _read(answer: Answer, machine: Machine, module: str) -> Driver:
    """Makes a value of the child's lines."""
    seen = _lines(answer.said)
    version = _version(seen)
    last = seen[-1] if seen else {}
    if "fault" in last:
        return Driver(version, (), *_fault(last, machine), module)
    if "gpus" not in last:
        what = "hangs" if answer.hung else "crashes the process that asks it"
        problem = f"the CUDA driver {what}, in {_last_step(seen)}: {answer.ended}"
        return Driver(version, (), problem, _REBOOT, module)
    gpus = tuple(Gpu(**one) for one in last["gpus"])
    problem, cure = ("", "") if gpus else no_device(machine)
    return Driver(version, gpus, problem, cure, module, str(last["library"]))


def _fault(line: Mapping[str, Any], machine: Machine) -> tuple[str, str]:
    call, text = str(line["fault"]), str(line["text"])
    if call == "dlopen":
        return explain_load(text, machine)
    if call == "dlsym":
        return f"libcuda.so.1 is no CUDA driver or too old: it has no {text}", DRIVER
    return explain_call(call, int(line["code"]), machine)


def _lines(said: str) -> list[dict[str, Any]]:
    """The child's lines; a driver that prints to the same pipe is passed over."""
    found = []
    for raw in said.splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return found


def _version(seen: list[dict[str, Any]]) -> str:
    """12060 is 12.6 (cuDriverGetVersion: 1000 * major + 10 * minor)."""
    for line in seen:
        if "version" in line:
            number = int(line["version"])
            return f"{number // 1000}.{number % 1000 // 10}"
    return ""


def _last_step(seen: list[dict[str, Any]]) -> str:
    steps = [str(line["step"]) for line in seen if "step" in line]
    return steps[-1] if steps else "the probe's start"


def _module_version(root: Path) -> str:
    """Version of the loaded kernel module, as its file in /proc tells it."""
    try:
        text = (root / _MODULE_FILE).read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(r"\b(\d{3,4}\.\d+(?:\.\d+)?)\b", text)
    return found.group(1) if found else ""


_good: list[Driver] = []


def require() -> Driver:
    """A usable driver's answer, asked once a process for as long as it is good.

    Raises:
        EngineError: there is none; the message holds the cure.
    """
    if not _good:
        found = probe()
        if not found.usable:
            raise EngineError(f"{found.problem}; {found.cure}")
        _good.append(found)
    return _good[0]
