"""The launcher's own manners; what it gives is tested in test_isolation.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edged.privacy.launch import launched

ROOT = Path(__file__).parents[2]


def run(argv, **more):
    return subprocess.run(
        argv,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
    )


def test_the_program_takes_the_launchers_place():
    """The process id stays, and so do arguments and exit code: no parent is left between."""
    words = ["import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(7)", "a b", "--x"]
    with subprocess.Popen(
        launched("off", [sys.executable, "-c", *words]),
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        out, _ = process.communicate(timeout=60)
    assert out.split(maxsplit=1) == [str(process.pid), "['a b', '--x']\n"]
    assert process.returncode == 7


@pytest.mark.parametrize("words", [[], ["namespace"], ["namespace", "--"], ["open", "--", "true"]])
def test_a_wrong_command_line_starts_nothing(words):
    """Without a known mode and a program there is a usage line and no program."""
    done = run([sys.executable, "-m", "edged.privacy.launch", *words])
    assert done.returncode == 1
    assert done.stderr.startswith("usage:")


def test_a_program_that_is_not_there_is_named():
    """The message says which program could not be started."""
    done = run(launched("seccomp", ["/nowhere/engine"]))
    assert done.returncode == 1
    assert "/nowhere/engine" in done.stderr


@pytest.mark.skipif(Path("/dev/nvidia-uvm").exists(), reason="the GPU's nodes are there already")
@pytest.mark.parametrize("exit_code", [0, 1])
def test_the_gpus_nodes_are_made_before_the_door_shuts(tmp_path, exit_code):
    """nvidia-modprobe runs outside, with its rights; when it fails the program still starts."""
    helper = tmp_path / "nvidia-modprobe"
    helper.write_text(
        f'#!/bin/sh\necho "$@" >{tmp_path}/called\ngrep NoNewPrivs /proc/self/status '
        f">>{tmp_path}/called\nexit {exit_code}\n"
    )
    helper.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = run(launched("seccomp", [sys.executable, "-c", "print('up')"]), PATH=path)
    assert done.stdout == "up\n", done.stderr
    assert (tmp_path / "called").read_text().split() == ["-u", "-c", "0", "NoNewPrivs:", "0"]
