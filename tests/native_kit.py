"""Libraries made here with gcc that carry NVIDIA's names, and where tests keep them.

A test that needs one asks for the fixture `compile_library`: it skips without gcc (apt install
gcc), which is a failure under CI.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "native"


def compile_library(gcc: str, source: str, target: Path, *defines: str) -> Path:
    """Makes `target` of tests/native/`source`; its soname is its file name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [
        gcc, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", *(f"-D{define}" for define in defines),
        str(SOURCES / source), f"-Wl,-soname,{target.name}", "-o", str(target), "-ldl",
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    return target
