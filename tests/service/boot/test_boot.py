"""The units under a systemd that is PID 1: put in, used, killed, frozen, taken out again.

The tests of this file go in their order through one booted machine.  `make boot-test` adds
those of `more_boots.py`, which take minutes.
"""

from __future__ import annotations

import json

import pytest
from service.boot.booth import furnish, install, main_pid, shoot, status, traces
from service.boot.machine import PROGRAM

ENGINE, UPLINK = "edged-engine.service", "edged-uplink.service"
UNITS = (ENGINE, UPLINK)
pytestmark = pytest.mark.timeout(300)

DROP_IN = f"/run/systemd/system/{ENGINE}.d"


@pytest.fixture(scope="module")
def before(machine):
    """What bears the name before anything is installed: a checkout, perhaps."""
    return traces(machine)


@pytest.fixture(scope="module")
def booth(machine, before):  # noqa: ARG001 - looked at first
    """With broker and consumer, and edged installed and started."""
    furnish(machine)
    install(machine)
    return machine


def test_install_starts_units_that_say_when_they_are_ready(booth):
    """Type=notify: `systemctl enable --now` came back after READY=1 of both."""
    for unit in UNITS:
        assert booth.show(unit, "ActiveState") == "active"
        assert booth.show(unit, "NRestarts") == "0"
    assert booth.show(ENGINE, "StatusText")


def test_the_engine_finds_itself_shut_in(booth):
    """A network namespace of its own, no core dumps, no capability; in its own words and ours."""
    info = status(booth)["info"]
    assert info["isolation"]["mode"] == "namespace"
    assert info["hardening"]["core_dumps"] is False
    pid = main_pid(booth, ENGINE)
    own, host = booth.run(f"readlink /proc/{pid}/ns/net /proc/1/ns/net").splitlines()
    assert own != host
    assert "CapEff:\t0000000000000000" in booth.run(f"cat /proc/{pid}/status")
    seen = booth.run(f"nsenter -t {pid} -m ls /run").split()
    assert set(seen) <= {"edged", "systemd", "credentials"}


def test_a_shot_goes_through_to_the_broker(booth):
    """From another user than the service's own, here root."""
    assert shoot(booth) == ("queued", 1)


def test_a_reload_and_a_self_test_work_within_the_sandbox(booth):
    """By systemd, and by hand; the clock alone may be wrong in a container."""
    pid = main_pid(booth, ENGINE)
    booth.run(f"systemctl reload {ENGINE}")
    assert main_pid(booth, ENGINE) == pid
    _, told = booth.ask(f"{PROGRAM} ctl . selftest --run-dir /run/edged --json --timeout 50")
    checks = json.loads(told)["data"]["checks"]
    assert {check["name"] for check in checks} > {"recogniser", "picture", "outbox", "isolation"}
    assert {check["name"] for check in checks if not check["ok"]} <= {"clock"}


def test_a_killed_engine_is_started_again(booth):
    """SIGKILL; the new one has a watchdog of five seconds in the place of the minute."""
    booth.put(f"{DROP_IN}/watchdog.conf", "[Service]\nWatchdogSec=5s\n")
    booth.run("systemctl daemon-reload")
    booth.run(f"kill -KILL {main_pid(booth, ENGINE)}")
    booth.until(f"test $(systemctl show {ENGINE} -p NRestarts --value) = 1 && "
                f"systemctl is-active {ENGINE}", within_s=110)  # fmt: skip


def test_a_frozen_engine_is_ended_by_the_watchdog_and_the_next_one_goes_on(booth):
    """SIGSTOP; a shot goes through to the broker afterwards."""
    booth.run(f"kill -STOP {main_pid(booth, ENGINE)}")
    booth.until(f"journalctl -u {ENGINE} | grep -q 'Watchdog timeout'")
    booth.run(f"rm -r {DROP_IN} && systemctl daemon-reload")
    booth.until(f"systemctl is-active {ENGINE}", within_s=110)
    assert booth.show(ENGINE, "NRestarts") == "2"
    assert shoot(booth) == ("queued", 1)


def test_the_journal_holds_no_complaint_of_its_own(booth):
    """Nothing that systemd could not apply, no traceback, no warning of Python."""
    told = booth.run(f"journalctl -o cat -u {ENGINE} -u {UPLINK}")
    for word in ("Traceback", "Warning:", "ignoring", "Unknown", "Permission denied"):
        assert word not in told, told


def test_uninstall_with_purge_leaves_nothing(booth, before):
    """No file, no user, no unit, no process."""
    booth.run(f"{PROGRAM} uninstall --purge --yes", within_s=110)
    assert traces(booth) == before
    assert booth.ask("pgrep -f bin/edged")[1] == ""
