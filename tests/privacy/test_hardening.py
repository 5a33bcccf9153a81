"""What hardening shuts, seen from inside and from beside the process."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edged.privacy import hardening

ROOT = Path(__file__).parents[2]


def run(body, **options):
    return subprocess.run(
        [sys.executable, "-c", f"import json, os\n{body}"],
        check=False,
        cwd=options.pop("cwd", ROOT),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        **options,
    )


def test_a_hardened_process_says_so():
    """Core dumps and reading by others are off, and new files are the owner's alone."""
    body = """
import dataclasses, resource
from edged.privacy.hardening import harden
state = dataclasses.asdict(harden())
limits = resource.getrlimit(resource.RLIMIT_CORE)
print(json.dumps([state["core_dumps"], state["dumpable"], limits, os.umask(0)]))
"""
    assert json.loads(run(body).stdout) == [False, False, [0, 0], 0o077]


def test_a_crash_leaves_no_core(tmp_path):
    """A process that aborts writes a core before hardening and none after."""
    body = """
import resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
from edged.privacy.hardening import harden
if {harden}:
    harden()
os.abort()
"""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1] != 0
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    for shut in (False, True):
        folder = tmp_path / str(shut)
        folder.mkdir()
        done = run(body.format(harden=shut), cwd=folder)
        assert done.returncode == -signal.SIGABRT, done.stderr
        if shut:
            assert not list(folder.iterdir())
        elif hard and "/" not in pattern and "|" not in pattern:
            assert list(folder.iterdir()), "the crash was to leave a core to compare with"


@pytest.mark.parametrize(
    ("swaps", "group", "limit", "expected"),
    [
        ("", "0::/x", None, "none"),
        ("/dev/zram0 partition 1 0 5\n", "0::/x", None, "memory"),
        ("/dev/sda2 partition 1 0 -2\n", "0::/x", "0", "forbidden"),
        ("/dev/sda2 partition 1 0 -2\n", "0::/x", "max", "possible"),
        ("/dev/zram0 partition 1 0 5\n/dev/sda2 partition 1 0 -2\n", "0::/x", None, "possible"),
        ("/dev/sda2 partition 1 0 -2\n", "4:memory:/x", "0", "possible"),
    ],
)
def test_swap_is_read_from_the_control_group(tmp_path, swaps, group, limit, expected):
    """Swap is possible unless there is none, only zram, or a group's limit forbids it."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (cgroups / "x").mkdir(parents=True)
    (proc / "swaps").write_text(f"Filename Type Size Used Priority\n{swaps}")
    (proc / "self" / "cgroup").write_text(f"{group}\n")
    if limit:
        (cgroups / "x" / "memory.swap.max").write_text(f"{limit}\n")
    assert hardening.swap(proc, cgroups) == expected


def test_what_cannot_be_read_counts_as_possible(tmp_path):
    """No /proc/swaps is no proof."""
    assert hardening.swap(tmp_path, tmp_path) == "possible"


@pytest.mark.parametrize("mode", ["off", "namespace"])
def test_a_process_dies_with_its_parent(mode):
    """When a parent is killed its child is gone, also an ordinary user's in a namespace."""
    child = f"""
import os, sys, time
from edged.errors import OperatorError
from edged.privacy import hardening, isolation
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
hardening.die_with(int(sys.argv[1]))
try:
    isolation.apply("{mode}")
except OperatorError:
    print(0, flush=True)
print(os.getpid(), flush=True)
time.sleep(60)
"""
    parent = f"""
import os, subprocess, sys
subprocess.Popen([sys.executable, "-c", {child!r}, str(os.getpid())]).wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        grandchild = int(process.stdout.readline())
        if not grandchild:
            process.kill()
            pytest.skip("this machine gives no namespace to ordinary users")
        watch = os.pidfd_open(grandchild)
        process.kill()
        try:
            assert select.select([watch], [], [], 20)[0], "the grandchild is still there"
        finally:
            os.close(watch)
