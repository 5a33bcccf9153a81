"""Containerfile, quadlets and lock agree with one another and with the units; no Podman needed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edged import __version__
from edged.cli import load
from edged.resources import data_folder
from edged.service import lock

CHECKOUT = Path(__file__).parents[2]
QUADLETS = ("edged-engine.container", "edged-uplink.container")
# podman-container.unit(5) and podman-volume.unit(5) of Podman 5, those of interest here
CONTAINER_KEYS = {
    "AddDevice", "ContainerName", "DropCapability", "Environment", "EnvironmentFile", "Exec",
    "HealthCmd", "HealthInterval", "HealthOnFailure", "HealthRetries", "HealthStartPeriod",
    "HealthTimeout", "Image", "Network", "NoNewPrivileges", "Notify", "PidsLimit", "PodmanArgs",
    "PublishPort", "ReadOnly", "ReadOnlyTmpfs", "SeccompProfile", "Secret", "StopTimeout", "Tmpfs",
    "Ulimit", "User", "Volume",
}  # fmt: skip


def lines(name):
    """(section, key, value) of a quadlet or unit."""
    section, found = "", []
    for line in (data_folder("systemd") / name).read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.append((section, key, value))
    return found


def values(name, key):
    """All values of a key."""
    return [value for _, one, value in lines(name) if one == key]


@pytest.mark.parametrize("name", QUADLETS)
def test_a_quadlet_has_known_keys_and_the_image_of_this_version(name):
    """Podman's generator ignores a unit with a key that it does not know."""
    found = lines(name)
    sections = {section for section, *_ in found}
    assert sections == {"Unit", "Container", "Service", "Quadlet", "Install"}
    assert {key for section, key, _ in found if section == "Container"} <= CONTAINER_KEYS
    assert values(name, "Image") == [f"localhost/edged:{__version__}"]
    assert f"edged:{__version__}" in (CHECKOUT / "Containerfile").read_text()
    assert f"edged:{__version__}" in (CHECKOUT / "README.md").read_text()


@pytest.mark.parametrize("name", QUADLETS)
def test_a_quadlet_is_shut_in_and_starts_a_command_of_ours(name):
    """Read-only, no capabilities, no core dumps, no swap; volumes that are there."""
    for key, value in {"ReadOnly": "true", "DropCapability": "all", "NoNewPrivileges": "true",
                       "Notify": "true"}.items():  # fmt: skip
        assert values(name, key) == [value], key
    assert "core=0:0" in values(name, "Ulimit")
    memory, swap = re.findall(r"--memory(?:-swap)?=(\S+)", values(name, "PodmanArgs")[0])
    assert memory == swap
    (command,) = values(name, "Exec")
    assert load(command).name == command
    for volume in values(name, "Volume"):
        source = volume.split(":")[0]
        assert source == "/etc/edged" or (data_folder("systemd") / source).is_file()


def test_the_engine_has_no_network_and_the_uplink_no_state():
    """The trust boundary, in containers as in units."""
    engine, uplink = QUADLETS
    assert values(engine, "Network") == ["none"]
    assert not any("edged-state" in volume for volume in values(uplink, "Volume"))
    assert "edged-run.volume:/run/edged" in values(engine, "Volume")
    assert "edged-run.volume:/run/edged" in values(uplink, "Volume")


@pytest.mark.parametrize("name", QUADLETS)
def test_a_quadlet_is_watched_and_started_again_as_its_unit_is(name):
    """And tells the program inside how long it may be silent."""
    unit = name.replace(".container", ".service")
    for key in ("StartLimitIntervalSec", "StartLimitBurst", "Restart", "RestartSec",
                "RestartPreventExitStatus", "TimeoutStartSec", "WatchdogSec"):  # fmt: skip
        assert values(name, key) == values(unit, key), key
    seconds = int(values(name, "WatchdogSec")[0].removesuffix("s"))
    assert f"WATCHDOG_USEC={seconds * 1_000_000}" in values(name, "Environment")


@pytest.mark.parametrize("name", [*QUADLETS, "edged-run.volume", "edged-state.volume"])
def test_a_booth_without_a_network_starts_at_once(name):
    """Podman's generator has each unit wait for network-online.target unless told not to."""
    assert ("Quadlet", "DefaultDependencies", "false") in lines(name)


def test_the_image_gets_what_is_in_the_checkout_and_runs_as_nobody_of_note():
    """What COPY names is there and let through, the user is a number, models stay out."""
    text = (CHECKOUT / "Containerfile").read_text()
    kept = (CHECKOUT / ".containerignore").read_text().split()
    for words in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE):
        for name in words.split():
            assert (CHECKOUT / name).exists()
            assert f"!{name}" in kept
    assert kept[0] == "*"
    assert text.rindex("\nUSER edged\n") > text.rindex("\nFROM ")
    assert "--uid 10001" in text
    assert text.count("--require-hashes") == 2
    uid = {uid for name in QUADLETS for uid in re.findall(
        r"uid=(\d+)", (data_folder("systemd") / name).read_text())}  # fmt: skip
    assert uid == {"10001"}


def test_the_part_of_a_lock_is_what_was_asked_for_and_what_that_needs():
    """By its `# via` lines, in one or several; rings end."""
    text = (
        "# head\n"
        "a==1 \\\n    --hash=sha256:1\n    # via edged (pyproject.toml)\n"
        "b-c==2 ; python_version < '3'\n    --hash=sha256:2\n    # via\n    #   a\n    #   d\n"
        "d==3\n    --hash=sha256:3\n    # via b-c\n"
        "e==4\n    --hash=sha256:4\n    # via edged (pyproject.toml)\n"
    )
    found = lock.part(text, ["A"])
    assert re.findall(r"^\S+==\d", found, re.MULTILINE) == ["a==1", "b-c==2", "d==3"]
    assert "--hash=sha256:2" in found
    with pytest.raises(KeyError):
        lock.part(text, ["z"])


def test_the_part_for_the_image_is_whole_and_no_more():
    """Whatever an installed package of it says that it needs is in it; tests' packages are not."""
    text = (CHECKOUT / "requirements.lock").read_text()
    wanted = lock.direct((CHECKOUT / "pyproject.toml").read_text(), ["cpu"])
    found = lock.part(text, wanted)
    names = set(re.findall(r"^([\w.-]+)==", found, re.MULTILINE))
    assert {"onnxruntime", "numpy", "cffi"} <= names
    assert not names & {"pytest", "mypy", "insightface", "scikit-image"}
    assert found.count("==") <= found.count("--hash=")
    for name in names:
        try:
            needed = distribution(name).requires or []
        except PackageNotFoundError:  # of another Python or system
            continue
        for line in needed:
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate({"extra": ""}):
                assert re.sub(r"[-_.]+", "-", one.name).lower() in names, (name, line)
