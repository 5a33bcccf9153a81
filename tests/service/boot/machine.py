"""This machine once more, under a systemd that is PID 1: systemd-nspawn on a throw-away overlay.

The guest sees the host's own files, and what it writes goes into memory and is gone with it.
It has a network of its own with nothing but a loopback.  `/opt/edged` is made in it, from the
checkout and the packages that the tests run with.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

HOME = "/opt/edged"
PROGRAM = f"{HOME}/bin/edged"
_CHECKOUT = Path(__file__).resolve().parents[3]
_NAME = "edged-boot-test"
_HIDDEN = tuple(Path(path) for path in ("/home", "/root", "/run", "/tmp"))
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root", "LANG": "C.UTF-8", "COLUMNS": "160",
}  # fmt: skip
_MADE = f"""\
set -e
rm -rf /etc/edged /var/lib/edged /etc/systemd/system/edged* {HOME}  # of the host, in the overlay
! getent passwd edged >/dev/null || userdel edged
! getent group render >/dev/null || groupdel render  # not every machine has it
{{python}} -m venv --without-pip --clear {HOME}
printf '%s\\n' {{paths}} > {HOME}/lib/python{{version}}/site-packages/tests.pth
printf '#!{HOME}/bin/python3\\nfrom edged.cli import main\\nmain()\\n' > {PROGRAM}
chmod 755 {PROGRAM}
"""


class BootError(Exception):
    """The machine cannot be started here, or did not do what it was told."""


class Machine:
    """A booted guest; a context manager.

    Args:
        folder: for the mount point of the root and the log of the boot.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "boot.log"
        self._root = folder / "root"
        self._process: subprocess.Popen[bytes] | None = None
        self._console: IO[bytes] | None = None
        self._leader = 0

    def __enter__(self):
        """Boot and make `/opt/edged`.

        Raises:
            BootError: it cannot be done here, and why.
        """
        python = _visible_python()
        for name in ("systemd-nspawn", "nsenter", "mount", "umount"):
            if shutil.which(name) is None:
                raise BootError(f"{name} is not installed")
        if os.geteuid():
            raise BootError("only root boots a machine")
        self._root.mkdir()
        done = subprocess.run(["mount", "--bind", "/", self._root], check=False,
                              capture_output=True, text=True)  # fmt: skip
        if done.returncode:
            raise BootError(f"mount: {done.stderr.strip()}")
        try:
            self._boot()
            self._furnish(python)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End every process of it and let go of the root."""
        if self._process is not None:
            self._process.kill()
            if self._leader:
                subprocess.run(["kill", "-KILL", str(self._leader)], check=False)
            self._process.wait()
        if self._console is not None:
            self._console.close()
        subprocess.run(["umount", self._root], check=True)
        if not _host_has_systemd():
            _forget_groups()

    def ask(self, command: str, *, within_s: float = 60) -> tuple[int, str]:
        """Exit status of a shell command in the guest, and what it printed (both streams)."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._leader), "-a", "bash", "-c", f"cd /; {command}"],
            check=False, env=_ENVIRONMENT, timeout=within_s, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/",
        )  # fmt: skip
        return done.returncode, done.stdout.rstrip("\n")

    def run(self, command: str, *, within_s: float = 60) -> str:
        """What a command printed.

        Raises:
            BootError: it failed.
        """
        status, told = self.ask(command, within_s=within_s)
        if status:
            raise BootError(f"{command}: exit {status}\n{told}")
        return told

    def put(self, path: str, content: str | bytes) -> None:
        """Write a file in the guest."""
        given = content.encode() if isinstance(content, str) else content
        command = f'mkdir -p "$(dirname {path})" && cat > {path}'
        subprocess.run(["nsenter", "-t", str(self._leader), "-a", "sh", "-c", command], check=True,
                       input=given, env=_ENVIRONMENT, cwd="/")  # fmt: skip

    def show(self, unit: str, name: str) -> str:
        """A property of a unit, as `systemctl show` has it."""
        return self.run(f"systemctl show {unit} -p {name} --value")

    def until(self, command: str, *, within_s: float = 60) -> str:
        """What a command printed when it succeeded at last.

        Raises:
            BootError: it did not.
        """
        until_s = time.monotonic() + within_s
        while True:
            status, told = self.ask(command)
            if status == 0:
                return told
            if time.monotonic() > until_s:
                raise BootError(f"{command}: not within {within_s:g} s\n{told}")
            time.sleep(0.2)

    def _boot(self) -> None:
        self._console = self.log.open("wb")
        paths = [f"--bind-ro={path}:{HOME}.paths/{i}" for i, path in enumerate(_search_path())]
        # Where no systemd runs there is nobody to register with and no unit to be made.
        alone = [] if _host_has_systemd() else ["--keep-unit"]
        self._process = subprocess.Popen(
            [
                "systemd-nspawn", f"--directory={self._root}", "--volatile=overlay", "--boot",
                "--register=no", *alone, "--private-network", "--console=pipe", "--quiet",
                "--hostname=booth", f"--machine={_NAME}", *paths,
                "systemd.unit=basic.target",
            ],
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=subprocess.STDOUT, cwd="/",
        )  # fmt: skip
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        until_s = time.monotonic() + 60
        while time.monotonic() < until_s and self._process.poll() is None:
            for pid in children.read_text().split():
                self._leader = int(pid)
                if "running" in self.ask("systemctl is-active basic.target && echo running")[1]:
                    return
            time.sleep(0.2)
        told = self.log.read_text(errors="replace").strip().splitlines()
        raise BootError(f"systemd did not come up: {' / '.join(told[-3:])}")

    def _furnish(self, python: str) -> None:
        paths = " ".join(f"{HOME}.paths/{i}" for i in range(len(_search_path())))
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        self.run(_MADE.format(python=python, paths=paths, version=version))


def _search_path() -> list[Path]:
    """The checkout, and where the tests' packages lie."""
    found = [Path(entry).resolve() for entry in sys.path if "site-packages" in entry]
    return [_CHECKOUT, *dict.fromkeys(path for path in found if path.is_dir())]


def _visible_python() -> str:
    """A Python of the tests' version that units see (ProtectHome= hides a user's own)."""
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for path in (Path(sys.base_prefix) / "bin" / version, Path("/usr/bin") / version):
        real = path.resolve()
        if path.is_file() and not any(real.is_relative_to(hidden) for hidden in _HIDDEN):
            return str(path)
    raise BootError(f"no {version} that units can see; tests run with {sys.base_prefix}")


def _host_has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _forget_groups() -> None:
    """Remove the empty control groups and folders that nspawn leaves without a manager above."""
    with contextlib.suppress(OSError):
        Path("/run/systemd/nspawn/propagate", _NAME).rmdir()
    groups = [
        Path("/sys/fs/cgroup", tree, name)
        for tree in ("systemd", "unified", ".") for name in ("payload", "supervisor")
    ]  # fmt: skip
    until_s = time.monotonic() + 5  # until the kernel has let go of the last process
    while any(group.is_dir() for group in groups) and time.monotonic() < until_s:
        for group in groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        time.sleep(0.05)
