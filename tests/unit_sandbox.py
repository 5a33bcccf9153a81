"""Starts a program as a unit file would, where no systemd runs: its namespaces, by bubblewrap.

The unit itself is read, so that the two cannot drift: a key that is neither applied here
nor named as somebody else's business fails the test.  As root or as an ordinary user.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

FILTER = (
    "import os, sys; from edged.privacy import seccomp; seccomp.install(); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
"""RestrictAddressFamilies=AF_UNIX is this filter; systemd writes one of its own."""

ELSEWHERE = {
    # what the manager does, besides what begins as in MANAGER
    "Type", "NotifyAccess",
    # user and folders are the test's own
    "User", "Group", "SupplementaryGroups", "StateDirectory", "StateDirectoryMode",
    "ConfigurationDirectory", "RuntimeDirectory", "RuntimeDirectoryMode",
    "RuntimeDirectoryPreserve", "WorkingDirectory", "Environment",
    # control groups
    "MemorySwapMax", "MemoryMax", "OOMPolicy", "TasksMax", "IPAddressDeny", "DevicePolicy",
    "DeviceAllow",
    # filters that systemd compiles, on top of the one here
    "SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber", "RestrictNamespaces",
    "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality",
    # of the machine, and no way out of it
    "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups",
    "ProtectClock", "ProtectHostname", "ProtectProc", "ProcSubset", "RemoveIPC", "KeyringMode",
}  # fmt: skip
"""Keys that this start leaves out."""
MANAGER = ("Exec", "Timeout", "Restart", "Watchdog", "SuccessExit")
"""Beginnings of keys that say which commands are run, and when."""

Arguments = list[str]


@dataclass
class Unit:
    """The [Service] part of a unit file, and what stands in the place of its folders.

    Attributes:
        keys: every value of each key, in order.
        sources: path that the unit binds -> where that is in the test.
        keep: shown read-only although a private folder covers them (code, interpreter).
        writable: likewise, and writable.
    """

    keys: dict[str, list[str]]
    sources: dict[str, Path] = field(default_factory=dict)
    keep: Sequence[Path] = ()
    writable: Sequence[Path] = ()

    @classmethod
    def read(cls, path: Path, **places) -> Unit:
        """Parse a unit's text (systemd.syntax(7)); comments are left out."""
        keys: dict[str, list[str]] = {}
        section = ""
        for line in path.read_text().replace("\\\n", " ").splitlines():
            text = line.strip()
            if text.startswith("["):
                section = text
            elif section == "[Service]" and text and text[0] not in "#;":
                name, _, value = text.partition("=")
                keys.setdefault(name, []).append(value)
        return cls(keys, **places)

    def prefix(self) -> Arguments:
        """Words before a command line that run it as the unit would."""
        known = {
            "ProtectSystem", "ProtectHome", "PrivateTmp", "TemporaryFileSystem", "BindPaths",
            "BindReadOnlyPaths", "PrivateNetwork", "RestrictAddressFamilies", "NoNewPrivileges",
            "CapabilityBoundingSet", "AmbientCapabilities", "UMask", "LimitCORE", "LimitNOFILE",
        }  # fmt: skip
        others = self.keys.keys() - known - ELSEWHERE
        unknown = sorted(name for name in others if not name.startswith(MANAGER))
        assert not unknown, f"tests/unit_sandbox.py does not know the unit's {unknown}"
        return ["bwrap", "--die-with-parent", *self._files(), *self._process(), *self._limits()]

    def _one(self, name: str) -> str:
        """The last value of a key, which is the one that counts; empty where it is absent."""
        return self.keys.get(name, [""])[-1]

    def _files(self) -> Arguments:
        words = ["--ro-bind" if self._one("ProtectSystem") == "strict" else "--bind", "/", "/"]
        words += ["--dev-bind", "/dev", "/dev"]
        covered = ["/home", "/root"] if self._one("ProtectHome") == "yes" else []
        covered += ["/tmp", "/var/tmp"] if self._one("PrivateTmp") == "yes" else []
        for place in covered:
            words += ["--tmpfs", place] if Path(place).is_dir() else []
        for place in self.keep:
            words += ["--ro-bind", str(place), str(place)]
        for place in self.writable:
            words += ["--bind", str(place), str(place)]
        empty = [one.partition(":") for one in self.keys.get("TemporaryFileSystem", [])]
        for place, _, _ in empty:
            words += ["--tmpfs", place]
        for name, option in (("BindPaths", "--bind"), ("BindReadOnlyPaths", "--ro-bind")):
            for path in " ".join(self.keys.get(name, [])).split():
                words += self._bound(path, option)
        for place, _, options in empty:
            words += ["--remount-ro", place] if "ro" in options.split(",") else []
        return words

    def _bound(self, path: str, option: str) -> Arguments:
        place = path.removeprefix("-")
        assert ":" not in place, "a binding to another name is not known here"
        source = self.sources.get(place, Path(place))
        if place != path:
            option += "-try"
        return [option, str(source), place]

    def _process(self) -> Arguments:
        assert self._one("NoNewPrivileges") == "yes", "bubblewrap always does this"
        words = ["--unshare-net"] if self._one("PrivateNetwork") == "yes" else []
        if "CapabilityBoundingSet" in self.keys:
            assert self._one("CapabilityBoundingSet") == "", "it keeps none"
            words += ["--cap-drop", "ALL"]
        return words

    def _limits(self) -> Arguments:
        steps = [f"umask {mask}" for mask in self.keys.get("UMask", [])]
        for name, letter in (("LimitCORE", "c"), ("LimitNOFILE", "n")):
            steps += [f"ulimit -{letter} {value}" for value in self.keys.get(name, [])]
        words = ["sh", "-c", "; ".join([*steps, 'exec "$@"']), "sh"]
        if "RestrictAddressFamilies" in self.keys:
            assert self._one("RestrictAddressFamilies") == "AF_UNIX", "FILTER lets AF_UNIX pass"
            words += [sys.executable, "-c", FILTER]
        return words
