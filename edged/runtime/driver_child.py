"""Asks the CUDA driver what it has; run as a script in its own short-lived process.

A driver that does not fit its kernel module can hang, abort or crash the process that
calls it, so nobody calls it in the daemon before this script came back.  Standard library
only: it needs nothing of edged on its path.

Prints one JSON object a line, flushed before each call, so that whoever reads a truncated
answer knows the call that did not return:

    {"step": "cuInit"}
    {"fault": "cuInit", "code": 100, "text": ""}          or, at the end,
    {"version": 12060, "library": "...", "gpus": [{"name": "...", "sm": "87", ...}]}
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

LIBRARIES = (
    "libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1",
    "/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1",
)
"""Where the driver's library is: the loader's own search, then JetPack 6 and 7, JetPack 5."""

# CUdevice_attribute of cuda.h
_INTEGRATED = 18
_MAJOR = 75
_MINOR = 76

_NAME_BYTES = 256


class Refused(Exception):  # noqa: N818 - an answer, not an error of this script
    """One call of the driver failed: its name, CUresult and a text of the loader."""

    def __init__(self, call: str, code: int, text: str = "") -> None:
        super().__init__(call)
        self.answer = {"fault": call, "code": code, "text": text}


def say(**line: object) -> None:
    """Writes one line at once."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def load() -> tuple[ctypes.CDLL, str]:
    """The driver's library and the name it was found under."""
    first = ""
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL), name
        except OSError as error:  # noqa: PERF203 - three names
            first = first or str(error)
    raise Refused("dlopen", 0, first)


def ask(cuda: ctypes.CDLL, call: str, *arguments: Any) -> None:
    """Calls the driver; its answer is in the arguments."""
    say(step=call)
    function = getattr(cuda, call, None)
    if function is None:
        raise Refused("dlsym", 0, call)
    code = int(function(*arguments))
    if code:
        raise Refused(call, code)


def gpu(cuda: ctypes.CDLL, index: int) -> dict[str, object]:
    """What the driver tells of one device."""
    device = ctypes.c_int()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    memory_bytes = ctypes.c_size_t()
    ask(cuda, "cuDeviceGet", ctypes.byref(device), index)
    ask(cuda, "cuDeviceGetName", name, _NAME_BYTES, device)
    ask(cuda, "cuDeviceTotalMem_v2", ctypes.byref(memory_bytes), device)
    found = []
    for attribute in (_MAJOR, _MINOR, _INTEGRATED):
        value = ctypes.c_int()
        ask(cuda, "cuDeviceGetAttribute", ctypes.byref(value), attribute, device)
        found.append(value.value)
    return {
        "index": index,
        "name": name.value.decode("utf-8", "replace"),
        "sm": f"{found[0]}{found[1]}",
        "memory_mb": memory_bytes.value // 1024**2,
        "integrated": bool(found[2]),
    }


def main() -> None:
    """Walks through the driver and says what it found."""
    try:
        say(step="dlopen")
        cuda, library = load()
        version = ctypes.c_int()
        count = ctypes.c_int()
        ask(cuda, "cuDriverGetVersion", ctypes.byref(version))
        say(version=version.value)
        ask(cuda, "cuInit", 0)
        ask(cuda, "cuDeviceGetCount", ctypes.byref(count))
        gpus = [gpu(cuda, index) for index in range(count.value)]
        say(version=version.value, library=library, gpus=gpus)
    except Refused as refused:
        say(**refused.answer)


if __name__ == "__main__":
    main()
