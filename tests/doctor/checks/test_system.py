"""Which system this is."""

from __future__ import annotations

from doctor_kit import ORIN_FILES, FakeHost, ids, only, setup

from edged.doctor.checks.system import container, look

RELEASE = {"/etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'}
SYSTEMD = {"/run/systemd/system/x": ""}


def test_the_facts_are_one_line(root):
    """Distribution, kernel, architecture and, on a board, its model."""
    found = only(look(FakeHost(root, files={**RELEASE, **SYSTEMD, **ORIN_FILES}), setup()))
    assert found.level == "ok"
    for word in ("Debian GNU/Linux 12 (bookworm)", "6.1.0", "Jetson Orin Nano"):
        assert word in found.what


def test_a_machine_without_systemd_gets_a_note(root):
    """Nothing would start edged again there."""
    assert ids(look(FakeHost(root, files=RELEASE), setup()))["system.no-systemd"] == "note"


def test_a_container_needs_no_systemd(root):
    """Whoever runs the container starts it again."""
    host = FakeHost(root, files={"/.dockerenv": ""})
    assert container(host) == "Docker"
    assert list(ids(look(host, setup()))) == ["system.facts"]
