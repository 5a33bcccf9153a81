"""The few calls of the Linux kernel that Python's library does not offer, by ctypes.

Knows numbers and how to raise; why a call is made is known to
:mod:`edged.privacy.isolation`, :mod:`edged.privacy.seccomp` and
:mod:`edged.privacy.hardening`.  Every function raises OSError with the kernel's errno.
Constants are those of the kernel's uapi headers (prctl.h, sched.h, seccomp.h,
capability.h) and are the same on x86-64 and aarch64 unless a table says otherwise.
"""

from __future__ import annotations

import ctypes
import os
import platform
from typing import Final

CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWNET: Final = 0x4000_0000

PR_SET_PDEATHSIG: Final = 1
PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39

SYSCALLS: Final[dict[str, dict[str, int]]] = {
    "x86_64": {
        "socket": 41,
        "socketpair": 53,
        "ptrace": 101,
        "capset": 126,
        "setns": 308,
        "process_vm_writev": 311,
        "seccomp": 317,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "pidfd_getfd": 438,
    },
    "aarch64": {
        "socket": 198,
        "socketpair": 199,
        "ptrace": 117,
        "capset": 91,
        "setns": 268,
        "process_vm_writev": 271,
        "seccomp": 277,
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "pidfd_getfd": 438,
    },
}
"""System call numbers by machine (asm/unistd_64.h, asm-generic/unistd.h)."""

_CAPABILITY_VERSION_3: Final = 0x2008_0522
_libc = ctypes.CDLL(None, use_errno=True)
# variadic in C: without types every argument would be cut to 32 bits on aarch64
_libc.syscall.restype = ctypes.c_long
_libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def machine() -> str:
    """Name of the processor family as the tables here spell it, e.g. "x86_64"."""
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())


def _checked(result: int, call: str) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def prctl(option: int, value: int = 0) -> int:
    """Set or read one attribute of this process."""
    return _checked(_libc.prctl(option, value, 0, 0, 0), "prctl")


def unshare(flags: int) -> None:
    """Move into new namespaces; for a user namespace the process must have one thread."""
    _checked(_libc.unshare(ctypes.c_int(flags)), "unshare")


def syscall(name: str, *arguments: int | ctypes.c_void_p) -> int:
    """A system call by its name in :data:`SYSCALLS`.

    Raises:
        OSError: by the kernel, or ENOSYS where the machine is in no table.
    """
    number = SYSCALLS.get(machine(), {}).get(name, -1)  # -1 is answered with ENOSYS
    words = [a if isinstance(a, ctypes.c_void_p) else ctypes.c_ulong(a) for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words), name)


def drop_capabilities() -> None:
    """Give up every capability that this process holds, for good."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()  # two of (effective, permitted, inheritable)
    syscall("capset", ctypes.cast(header, ctypes.c_void_p), ctypes.cast(nothing, ctypes.c_void_p))
