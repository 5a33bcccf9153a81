"""How the engine is kept off the network, and how it proves that to itself.

    namespace   an own, empty network namespace, and the filter of `seccomp` on top
    seccomp     the host's network namespace, but no socket except local ones
    off         nothing

:func:`apply` shuts a process in, before its first thread: :mod:`edged.privacy.launch`
calls it and then becomes the engine; under systemd the unit's `PrivateNetwork=yes` and
`RestrictAddressFamilies=AF_UNIX` do it instead.  :func:`check` is the engine's own look at what it
really has, whoever gave it, and :func:`require` compares that with what the
configuration asks for.  Nothing is sent and no address is tried.

As an ordinary user the network namespace needs a user namespace.  Own user and group
are mapped one to one, so files and device nodes keep their owner; supplementary groups
(`video`, `render`) keep working for access, they only cannot be changed any more.

Sockets inherited by the engine are named in the proof: a listening one serves LAN
cameras and reaches nobody; any other one counts as a network.

Knows no configuration and no frames.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from edged.errors import OperatorError
from edged.privacy import evidence, linux, seccomp

log = logging.getLogger(__name__)

Mode = Literal["namespace", "seccomp", "off"]

STRENGTH: Final[dict[Mode, int]] = {"off": 0, "seccomp": 1, "namespace": 2}

LAUNCHER_NETNS: Final = "EDGED_LAUNCHER_NETNS"
"""Environment variable by which a launcher tells the network namespace that it left."""

_FALLBACK_TUNNELS: Final = frozenset(
    ("tunl0", "sit0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip6gre0", "ip_vti0", "ip6_vti0")
)
"""Interfaces that the kernel itself puts, down, into each new namespace when their
modules are loaded (sysctl net.core.fb_tunnels_only_for_init_net)."""


@dataclass(frozen=True)
class Isolation:
    """What a process has, with the observations that show it.

    Attributes:
        mode: the strongest mode that the observations support.
        proof: one short sentence an observation, for `info` and for people.
    """

    mode: Mode
    proof: dict[str, str] = field(default_factory=dict)


def netns() -> str:
    """Name of this process's network namespace, e.g. "net:[4026531840]"."""
    return str(Path("/proc/self/ns/net").readlink())


# -- the launcher's side -------------------------------------------------------------


def apply(mode: Mode) -> None:
    """Shut this process in.  It must have one thread, and there is no way back.

    Raises:
        OperatorError: when this machine does not give the mode.
    """
    if mode == "off":
        return
    if mode == "namespace":
        try:
            enter_namespace()
        except OSError as error:
            if check().mode != "namespace":  # a container without a network has one already
                raise OperatorError(_namespace_help(error)) from error
    try:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.install()
    except OSError as error:
        if mode == "seccomp":
            raise OperatorError(
                f"isolation: the kernel refused the system call filter ({error}). Run the "
                'engine under its systemd unit, or set isolation.mode = "off" if a network '
                "in the engine is acceptable."
            ) from error
        log.warning("no system call filter here (%s), the namespace stands alone", error)


def enter_namespace() -> None:
    """Leave the network for an empty namespace.

    Raises:
        OSError: when the kernel, a container or a security module forbids it; this
            process is then as it was.
    """
    # Where a security module lets unshare pass and refuses the maps after it, the
    # process would be left as nobody: a child finds that out first.
    _rehearse(_unshare)
    _unshare()


def _unshare() -> None:
    try:
        linux.unshare(linux.CLONE_NEWNET)  # as root
    except PermissionError:
        user, group = os.geteuid(), os.getegid()
        linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNET)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # else the maps below belong to root
        Path("/proc/self/setgroups").write_text("deny")  # the kernel's price for a group map
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        linux.drop_capabilities()  # the new user namespace came with all of them


def _rehearse(act: Callable[[], None]) -> None:
    child = os.fork()
    if child == 0:
        try:
            act()
            code = 0
        except OSError as error:
            code = min(error.errno or errno.EPERM, 255)
        except BaseException:  # noqa: BLE001 - a fork must not return into its parent's code
            code = errno.EPERM
        os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        number = code if code > 0 else errno.EPERM
        raise OSError(number, f"unshare: {os.strerror(number)}")


def _namespace_help(error: OSError) -> str:
    cure = "Run the engine under its systemd unit (PrivateNetwork=yes)"
    if _reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"):
        cure += (
            ", or allow user namespaces to edged's interpreter in an AppArmor profile "
            "(kernel.apparmor_restrict_unprivileged_userns is 1)"
        )
    elif _reads("/proc/sys/user/max_user_namespaces", "0"):
        cure += ", or raise sysctl user.max_user_namespaces above 0"
    elif _reads("/proc/sys/kernel/unprivileged_userns_clone", "0"):
        cure += ", or set sysctl kernel.unprivileged_userns_clone = 1"
    return (
        f"isolation: no network namespace can be made here ({error}). {cure}, "
        'or set isolation.mode = "seccomp" (no sockets but local ones).'
    )


def _reads(path: str, value: str) -> bool:
    try:
        return Path(path).read_text().strip() == value
    except OSError:
        return False


# -- the engine's side ---------------------------------------------------------------


def check(launcher: str | None = None) -> Isolation:
    """What this process has, seen from inside.

    Args:
        launcher: network namespace of whoever started it, from the environment
            (:data:`LAUNCHER_NETNS`) when None; without one the interfaces decide.
    """
    launcher = launcher or os.environ.get(LAUNCHER_NETNS, "")
    own = netns()
    interfaces = evidence.interfaces()
    routes = evidence.routes()
    sockets = evidence.inherited_sockets()
    refused = evidence.refused_sockets()
    filtered = evidence.filtered()
    ring = evidence.makes_ring()
    apart = (
        own != launcher
        and interfaces is not None
        and all(
            name == "lo" or (name in _FALLBACK_TUNNELS and not up)
            for name, up in interfaces.items()
        )
        and routes == []
    )
    local_only = filtered and all(refused.values()) and not ring
    proof = {
        "netns": own,
        "launcher_netns": launcher or "unknown",
        "interfaces": "unreadable"
        if interfaces is None
        else ", ".join(f"{name} {'up' if up else 'down'}" for name, up in interfaces.items()),
        "routes": "unreadable" if routes is None else ", ".join(sorted(set(routes))) or "none",
        "inherited_sockets": ", ".join(sockets) or "none",
        "seccomp": "filter on every thread" if filtered else "no filter",
        "sockets_refused": ", ".join(n for n, no in refused.items() if no) or "none",
        "io_uring": "possible" if ring else "denied",
    }
    if any(not one.startswith("listener") for one in sockets):
        return Isolation("off", proof)
    return Isolation("namespace" if apart else "seccomp" if local_only else "off", proof)


def require(wanted: Mode, found: Isolation) -> None:
    """Compare what is there with what is wanted.

    Raises:
        OperatorError: when it is less.
    """
    if STRENGTH[found.mode] >= STRENGTH[wanted]:
        return
    seen = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in found.proof.items())
    raise OperatorError(
        f'isolation: the configuration asks for "{wanted}", this process has "{found.mode}" '
        f"({seen}). Start it with `edged run` or under its systemd unit with "
        "PrivateNetwork=yes; `edged isolation` shows what this machine can give."
    )
