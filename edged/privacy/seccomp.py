"""A system call filter under which a process can make local sockets and no others.

A classic BPF program, as seccomp(2) takes it: `socket` and `socketpair` pass for
AF_UNIX alone, and what would lead around that rule is denied.  Calls of a foreign
architecture (32-bit, x32) are denied as a whole, because their numbers differ.
Denied calls fail with an errno, so that a library that asks first (psutil, glibc, zmq)
goes on without what it asked for.

The filter is no sandbox for hostile code: it makes sure that no bug, library or
setting of ours opens a way out.  It is inherited by children and kept over exec, and
nothing can take it off.

Knows the numbers in :mod:`edged.privacy.linux` and nothing of edged.
"""

from __future__ import annotations

import ctypes
import errno
import socket
from typing import Final, NamedTuple

from edged.privacy import linux

AUDIT_ARCHES: Final = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
"""AUDIT_ARCH_* of linux/audit.h."""

DENIED: Final = {
    "io_uring_setup": "makes sockets without the socket call",
    "io_uring_enter": "likewise",
    "io_uring_register": "likewise",
    "setns": "leads back into the network that was left",
    "pidfd_getfd": "takes an open socket out of another process",
    "ptrace": "makes another process act",
    "process_vm_writev": "likewise",
}
"""Calls denied with EPERM, and the way around the socket rule that each would be."""

_ALLOW: Final = 0x7FFF_0000
_ERRNO: Final = 0x0005_0000
_X32_BIT: Final = 0x4000_0000

# struct seccomp_data: nr, arch, instruction_pointer, args[6]; little endian, so the low
# half of args[0] comes first.  The kernel cuts `domain` to an int, so does the filter.
_AT_NUMBER: Final = 0
_AT_ARCH: Final = 4
_AT_DOMAIN: Final = 16

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_SET_MODE_FILTER: Final = 1
_FLAG_ALL_THREADS: Final = 1  # SECCOMP_FILTER_FLAG_TSYNC
_FLAG_FULL_SPEED: Final = 4
"""SECCOMP_FILTER_FLAG_SPEC_ALLOW: before Linux 5.16 a filter without it slows the whole
process down by the store-bypass mitigation, which guards against code that edged does
not run."""


class Instruction(NamedTuple):
    """One `struct sock_filter`: jumps count the instructions to skip."""

    code: int
    if_true: int
    if_false: int
    value: int


def program(machine: str) -> list[Instruction]:
    """The filter for a machine.

    Args:
        machine: "x86_64" or "aarch64".

    Raises:
        KeyError: for another machine, whose numbers nobody has put in the tables.
    """
    numbers = linux.SYSCALLS[machine]
    deny = Instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM)
    rules = [
        Instruction(_LOAD, 0, 0, _AT_ARCH),
        Instruction(_IF_EQUAL, 1, 0, AUDIT_ARCHES[machine]),
        deny,
        Instruction(_LOAD, 0, 0, _AT_NUMBER),
    ]
    if machine == "x86_64":
        rules += [Instruction(_IF_AT_LEAST, 0, 1, _X32_BIT), deny]
    for name in DENIED:
        rules += [Instruction(_IF_EQUAL, 0, 1, numbers[name]), deny]
    rules += [
        Instruction(_IF_EQUAL, 2, 0, numbers["socket"]),
        Instruction(_IF_EQUAL, 1, 0, numbers["socketpair"]),
        Instruction(_RETURN, 0, 0, _ALLOW),
        Instruction(_LOAD, 0, 0, _AT_DOMAIN),
        Instruction(_IF_EQUAL, 0, 1, socket.AF_UNIX),
        Instruction(_RETURN, 0, 0, _ALLOW),
        # what a kernel without that family answers, and systemd's RestrictAddressFamilies=
        Instruction(_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT),
    ]
    return rules


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filters", ctypes.POINTER(_Filter)))


def install() -> None:
    """Put every thread of this process under the filter, for good.

    Raises:
        OSError: where the kernel has no seccomp, or ENOSYS on an unknown machine.
    """
    try:
        rules = program(linux.machine())
    except KeyError:
        raise OSError(errno.ENOSYS, f"no filter is known for {linux.machine()}") from None
    filters = (_Filter * len(rules))(*(_Filter(*rule) for rule in rules))
    wanted = _Program(len(rules), filters)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)  # else only root may install a filter
    where = ctypes.cast(ctypes.pointer(wanted), ctypes.c_void_p)
    failed = linux.syscall("seccomp", _SET_MODE_FILTER, _FLAG_ALL_THREADS | _FLAG_FULL_SPEED, where)
    if failed:  # with TSYNC the kernel names the thread that it could not reach
        raise OSError(errno.EAGAIN, f"thread {failed} has a filter of its own")
