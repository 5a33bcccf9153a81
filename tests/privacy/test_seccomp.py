"""The filter's program, run by a small interpreter for machines that are not at hand."""

from __future__ import annotations

import errno
import socket

import pytest

from edged.privacy import linux, seccomp

ALLOW, ERRNO = 0x7FFF_0000, 0x0005_0000
MACHINES = tuple(linux.SYSCALLS)


def verdict(machine, name_or_number, *, domain=0, arch=None):
    """What the filter answers to a call: 0 for allowed, else the errno."""
    number = linux.SYSCALLS[machine].get(name_or_number, name_or_number)
    data = {0: number, 4: arch or seccomp.AUDIT_ARCHES[machine], 16: domain}
    rules, at, word = seccomp.program(machine), 0, 0
    for _ in range(len(rules)):  # classic BPF jumps forward only
        code, if_true, if_false, value = rules[at]
        at += 1
        if code == 0x20:
            word = data[value]
        elif code == 0x06:
            assert value & 0xFFFF_0000 in (ALLOW, ERRNO)
            return value & 0xFFFF if value & 0xFFFF_0000 == ERRNO else 0
        else:
            hit = word == value if code == 0x15 else word >= value
            at += if_true if hit else if_false
    raise AssertionError("the program does not end in an answer")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", ["socket", "socketpair"])
def test_only_local_sockets_pass(machine, call):
    """AF_UNIX is allowed and every other family is unsupported, on both machines."""
    assert verdict(machine, call, domain=socket.AF_UNIX) == 0
    for family in [0, *range(2, 64)]:
        assert verdict(machine, call, domain=family) == errno.EAFNOSUPPORT


@pytest.mark.parametrize("machine", MACHINES)
def test_ways_around_are_denied_and_nothing_else(machine):
    """Of all plain calls exactly those in DENIED are refused."""
    named = {linux.SYSCALLS[machine][name] for name in seccomp.DENIED}
    sockets = {linux.SYSCALLS[machine][name] for name in ("socket", "socketpair")}
    for number in set(range(600)) - sockets:
        assert verdict(machine, number) == (errno.EPERM if number in named else 0), number


def test_foreign_calls_are_denied():
    """Neither 32-bit code nor x32 numbers reach the kernel on x86-64; nor ARM's 32-bit ones."""
    i386, arm = 0x4000_0003, 0x4000_0028
    assert verdict("x86_64", 1, arch=i386) == errno.EPERM
    assert verdict("x86_64", 0x4000_0000 | 41, domain=socket.AF_UNIX) == errno.EPERM
    assert verdict("aarch64", 1, arch=arm) == errno.EPERM


def test_an_unknown_machine_is_refused(monkeypatch):
    """Where no numbers are known nothing is installed and the errno says why."""
    monkeypatch.setattr(linux, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="riscv64") as caught:
        seccomp.install()
    assert caught.value.errno == errno.ENOSYS
