"""The doctor beside a CUDA driver that works, hangs or kills: a stub made with gcc."""

from __future__ import annotations

import os

import pytest
from doctor_kit import CARD_FILES, FakeHost, setup
from native_kit import compile_library

from edged.doctor.checks import driver, nodes
from edged.doctor.host import Host


@pytest.fixture(scope="session")
def stub_folder(tmp_path_factory, program):
    """A folder whose libcuda.so.1 is the stub."""
    folder = tmp_path_factory.mktemp("doctors-cuda")
    compile_library(program("gcc"), "libcuda_probe.c", folder / "libcuda.so.1")
    return folder


@pytest.fixture
def host(stub_folder, root):
    """`host(STUB_INIT=100)`: a real host with a card, whose driver behaves so."""

    def make(**behaviour):
        FakeHost(root, files={**CARD_FILES, "/sys/module/nvidia/version": "580.65.06"})
        env = {name: str(value) for name, value in behaviour.items()}
        return Host(root, env={**os.environ, "LD_LIBRARY_PATH": str(stub_folder), **env})

    return make


def test_a_working_driver_is_asked_in_a_process_of_its_own(host):
    """Its GPU, version and architecture are told."""
    (found,) = driver.look(host(), setup())
    assert (found.id, found.level) == ("driver.works", "ok")
    assert found.what == "CUDA up to 12.6: Stub 0 (sm_87, 7620 MB)"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"STUB_DO": "crash"}, "SIGSEGV"),
        ({"STUB_DO": "abort"}, "SIGABRT"),
        ({"STUB_INIT": 803}, "kernel module"),
        ({"STUB_INIT": 999}, "unknown error"),
    ],
)
def test_a_driver_that_fails_is_a_finding(host, behaviour, words):
    """However it ends, the doctor lives on and has a cure."""
    (found,) = driver.look(host(**behaviour), setup())
    assert (found.id, found.level) == ("driver.broken", "warn")
    assert words in found.what
    assert found.advice
    assert "edged doctor" not in found.advice


def test_nodes_are_not_missed_where_the_driver_works(host):
    """A sandbox may show them elsewhere."""
    assert [one.id for one in nodes.look(host(), setup())] == ["nodes.open"]
    assert [one.id for one in nodes.look(host(STUB_INIT=100), setup())] == ["nodes.missing"]
