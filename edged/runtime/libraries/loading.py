"""Asks the dynamic loader, in a process of its own, which libraries it can load.

A library's constructors run when it is loaded and a bad driver's can crash, hang or
print; none of that may happen in the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edged.runtime.child import ask_child

TIMEOUT_S = 60.0
"""A first read from a slow card takes its time."""

_PROBE = """
import ctypes, json, os, sys
places = json.load(sys.stdin)
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for name, paths in places:
    error = "absent"
    for path in paths:
        try:
            ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        except OSError as reason:
            error = str(reason)
        else:
            error = ""
            break
    print(json.dumps([name, error]), file=out, flush=True)
"""
"""Loads each library in turn and says the loader's error; what they print goes to stderr."""


def load_errors(libraries: Sequence[tuple[str, Sequence[str]]]) -> Mapping[str, str]:
    """What the loader says of each library, "" where it can be loaded.

    Args:
        libraries: (name, paths or sonames to try in turn), loaded in this order into one
            process, so that earlier ones serve later ones.
    """
    asked = json.dumps([[name, list(paths)] for name, paths in libraries])
    answer = ask_child(_PROBE, asked, TIMEOUT_S)
    said = dict(json.loads(line) for line in answer.said.splitlines() if line.startswith("["))
    return {name: said.get(name, answer.ended) for name, _ in libraries}


def wheel_paths(site: Path, soname: str) -> Iterable[str]:
    """Where NVIDIA's wheels keep a library, beside the package `onnxruntime`.

    `nvidia/cu13/lib` and `nvidia/cudnn/lib`, or a folder a component before CUDA 13; the
    same places that `onnxruntime.preload_dlls` looks in.
    """
    return (str(path) for path in sorted(site.glob(f"nvidia/*/lib/{soname}")))
