"""Whether the clock can be believed."""

from __future__ import annotations

from doctor_kit import FakeHost, ids, only, setup

from edged.doctor.checks.clock import look


def test_a_synchronised_clock_is_well(root):
    """The kernel's word is taken for it."""
    assert ids(look(FakeHost(root), setup())) == {"clock.synchronised": "ok"}


def test_a_clock_before_the_installation_fails(root):
    """A board without a battery starts in the past, where no certificate is valid."""
    found = only(look(FakeHost(root, now_s=lambda: 1.0), setup()))
    assert (found.id, found.level) == ("clock.past", "fail")


def test_an_unsynchronised_clock_warns_with_the_command_that_fits(root):
    """Timedatectl where systemd runs, else a package."""
    bare = only(look(FakeHost(root, clock_synced=lambda: False), setup()))
    assert (bare.id, bare.level, bare.cure) == (
        "clock.unsynchronised", "warn", ("sudo apt install chrony",),
    )  # fmt: skip
    host = FakeHost(
        root, clock_synced=lambda: False, files={"/run/systemd/system/x": ""},
        programs={"timedatectl": ""},
    )  # fmt: skip
    assert only(look(host, setup())).cure == ("sudo timedatectl set-ntp true",)


def test_a_container_is_told_that_the_clock_is_its_hosts(root):
    """No command inside would help."""
    host = FakeHost(root, clock_synced=lambda: False, files={"/.dockerenv": ""})
    found = only(look(host, setup()))
    assert found.cure == ()
    assert "host" in found.advice


def test_a_clock_that_is_trusted_gets_a_note(root):
    """broker.clock = "trust" says that a person knows."""
    trusting = setup(replace={'host = "127.0.0.1"': 'host = "127.0.0.1"\nclock = "trust"'})
    found = look(FakeHost(root, clock_synced=lambda: False), trusting)
    assert ids(found) == {"clock.unsynchronised": "note"}
