"""Asks the dynamic loader, in a process of its own, which libraries it can load.

A library's constructors run when it is loaded and a bad driver's can crash, hang or
print; none of that may happen in the engine.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

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
    text, ended = ask_child(_PROBE, asked, TIMEOUT_S)
    said = dict(json.loads(line) for line in text.splitlines() if line.startswith("["))
    return {name: said.get(name, ended) for name, _ in libraries}


def ask_child(script: str, text: str, timeout_s: float) -> tuple[str, str]:
    """What a script said on stdout, and how its process ended, in words.

    Args:
        script: Python text; it sees an empty `sys.path` but for the standard library.
        text: its stdin.
        timeout_s: then it is killed.
    """
    command = [sys.executable, "-I", "-c", script]
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and text
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = child.communicate(text, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        child.kill()
        said = ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            said, _ = child.communicate(timeout=2.0)
        return said, f"no answer in {timeout_s:.0f} s"
    if child.returncode < 0:
        return said, f"its process was ended by signal {-child.returncode}"
    return said, f"its process ended with code {child.returncode}"


def wheel_paths(site: Path, soname: str) -> Iterable[str]:
    """Where NVIDIA's wheels keep a library, beside the package `onnxruntime`.

    `nvidia/cu13/lib` and `nvidia/cudnn/lib`, or a folder a component before CUDA 13; the
    same places that `onnxruntime.preload_dlls` looks in.
    """
    return (str(path) for path in sorted(site.glob(f"nvidia/*/lib/{soname}")))
