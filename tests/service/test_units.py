"""The units: systemd understands every line, and what they open stays within its bounds."""

from __future__ import annotations

import re
import subprocess

import pytest

from edged.resources import data_folder
from edged.service.plan import SHIPPED_PROGRAM, UNITS

EXPOSURE_MAX = {
    "edged-engine.service": 1.0,
    "edged-uplink.service": 1.5,
    "edged-camera@.service": 1.5,
}
SERVICES = list(EXPOSURE_MAX)


@pytest.fixture
def analyze(program):
    """`systemd-analyze` with these words; its process."""
    tool = program("systemd-analyze")

    def run(*words):
        return subprocess.run([tool, *words], check=False, capture_output=True, text=True)

    return run


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    """The units with a program that is there."""
    folder = tmp_path_factory.mktemp("units")
    program = folder / "edged"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in UNITS:
        text = (data_folder("systemd") / name).read_text()
        (folder / name).write_text(text.replace(SHIPPED_PROGRAM, str(program)))
    return folder


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line(analyze, units, name):
    """`verify` says what it does not know on stderr only, and nothing at all here."""
    done = analyze("verify", str(units / name))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_the_sandbox_is_tight(analyze, units, name):
    """Exposure by systemd's own table, 0 (shut) to 10."""
    done = analyze("security", "--offline=true", str(units / name))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= EXPOSURE_MAX[name]


def settings(name):
    """(key, value) of every line of a unit."""
    lines = (data_folder("systemd") / name).read_text().splitlines()
    return [tuple(line.split("=", 1)) for line in lines if re.match(r"[A-Z]\w*=", line)]


def test_raw_frames_reach_no_network_and_no_file():
    """For the two that hold them: no network, no core dump, no swap."""
    for name in ("edged-engine.service", "edged-camera@.service"):
        found = settings(name)
        for line in (
            ("PrivateNetwork", "yes"), ("RestrictAddressFamilies", "AF_UNIX"),
            ("IPAddressDeny", "any"), ("LimitCORE", "0"), ("MemorySwapMax", "0"),
        ):  # fmt: skip
            assert line in found, (name, line)


def test_groups_that_a_unit_names_are_made():
    """No unit starts with a group that is not there, and not every system has `render`."""
    lines = (data_folder("systemd") / "edged.sysusers").read_text().splitlines()
    made = {line.split()[1] for line in lines if line.startswith("g ")}
    named = {
        group
        for name in SERVICES for key, value in settings(name) if key == "SupplementaryGroups"
        for group in value.split()
    }  # fmt: skip
    assert named == made == {"video", "render"}


@pytest.mark.parametrize("name", SERVICES)
def test_threads_of_zeromq_may_set_their_policy(name):
    """ZeroMQ aborts the process where sched_setscheduler is refused, which @resources does."""
    filters = [value for key, value in settings(name) if key == "SystemCallFilter"]
    denied = max(i for i, value in enumerate(filters) if value.startswith("~"))
    assert any("sched_setscheduler" in value.split() for value in filters[denied + 1 :])


def test_a_relaxation_is_explained_above_its_line():
    """Whoever reads the unit learns why something is open."""
    for name, marks in {
        "edged-engine.service": ("SupplementaryGroups", "ProcSubset", "ExecStartPre"),
        "edged-camera@.service": ("DevicePolicy",),
        "edged-uplink.service": ("ProtectClock",),
    }.items():
        lines = (data_folder("systemd") / name).read_text().splitlines()
        for mark in marks:
            (at,) = (i for i, line in enumerate(lines) if line.startswith(f"{mark}="))
            assert lines[at - 1].startswith("#"), (name, mark)


def test_every_command_of_a_unit_is_one_of_ours(edged_words):
    """With options that it has."""
    for name in SERVICES:
        (line,) = (value for key, value in settings(name) if key == "ExecStart")
        program, command, *words = line.split()
        assert program == SHIPPED_PROGRAM
        known = edged_words(command)
        assert {word for word in words if word.startswith("--")} <= known


@pytest.fixture
def edged_words():
    """Options of a command."""
    from edged.cli import load

    def words(command):
        return {option for one in load(command).params for option in one.opts}

    return words
