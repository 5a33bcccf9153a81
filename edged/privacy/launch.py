"""Shut a fresh process in, then become the program that is to run there.

    python -m edged.privacy.launch MODE -- PROGRAM ARGUMENT...

A process of its own, because a user namespace wants one with a single thread, and
OpenCV, numpy and the GPU libraries start threads when they are imported.  Namespace
and filter outlive exec, so the process id stays and no parent is left behind; open
files that are inheritable (a listener for LAN cameras) stay open.

Imports nothing but the standard library and this package's leaves.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edged.errors import EdgedError
from edged.privacy import isolation

GPU_HELPER_S = 20
"""Longest wait for NVIDIA's helper; loading its modules takes about a second."""


def launched(mode: isolation.Mode, program: Sequence[str]) -> list[str]:
    """The command line that runs a program shut in."""
    return [sys.executable, "-m", "edged.privacy.launch", mode, "--", *program]


def wake_gpu() -> None:
    """Have NVIDIA's device nodes made while that is still possible.

    libcuda runs the setuid helper `nvidia-modprobe` for this on first use after boot;
    inside, setuid no longer works, and the GPU would be silently missing.
    """
    helper = shutil.which("nvidia-modprobe")
    if helper and not Path("/dev/nvidia-uvm").exists():
        try:
            subprocess.run(  # noqa: S603 - found on PATH, fixed arguments
                [helper, "-u", "-c", "0"],
                check=False,
                timeout=GPU_HELPER_S,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            print(f"edged: nvidia-modprobe did not help ({error})", file=sys.stderr)  # noqa: T201


def main(arguments: Sequence[str]) -> None:
    """Shut in, exec; returns only by an exception or an exit."""
    match arguments:
        case ("namespace" | "seccomp" | "off" as mode, "--", *program) if program:
            pass
        case _:
            sys.exit("usage: python -m edged.privacy.launch namespace|seccomp|off -- PROGRAM")
    wake_gpu()
    before = isolation.netns()
    try:
        isolation.apply(mode)
        # Empty where the namespace was there before (a container without a network):
        # nobody here knows the one outside.
        stayed = mode == "namespace" and isolation.netns() == before
        os.environ[isolation.LAUNCHER_NETNS] = "" if stayed else before
        os.execvp(program[0], program)  # noqa: S606 - that is this module's purpose
    except EdgedError as error:
        print(f"edged: {error}", file=sys.stderr)  # noqa: T201 - the command's error output
        sys.exit(error.exit_code)
    except OSError as error:
        sys.exit(f"edged: cannot start {program[0]}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
