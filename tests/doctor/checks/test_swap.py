"""Swap and core dumps."""

from __future__ import annotations

import pytest
from doctor_kit import FakeHost, ids, setup

from edged.doctor.checks.swap import look

HEADING = "Filename Type Size Used Priority\n"


def found(root, swaps, core_dumps=False):
    host = FakeHost(
        root, files={"/proc/swaps": HEADING + swaps, "/proc/self/cgroup": "0::/\n"},
        says={"core_dumps": core_dumps},
    )  # fmt: skip
    return look(host, setup())


@pytest.mark.parametrize("swaps", ["", "/dev/zram0 partition 4096 0 5\n"])
def test_no_swap_and_compressed_memory_are_well(root, swaps):
    """Zram is memory again; Jetsons have it."""
    assert ids(found(root, swaps)) == {"swap.none": "ok"}


def test_a_swap_partition_warns(root):
    """Faces could be written to it."""
    assert ids(found(root, "/dev/sda2 partition 4096 0 -2\n")) == {"swap.possible": "warn"}


@pytest.mark.parametrize("core_dumps", [True, None])
def test_a_process_that_still_dumps_its_core_fails(root, core_dumps):
    """So does one that could not be asked."""
    assert ids(found(root, "", core_dumps)) == {"swap.core-dumps": "fail"}
