"""The machine as checks see it: files, programs, packages, one user; nothing is changed.

Tests give another root folder and canned answers.  Whatever loads a foreign library goes
through :meth:`Host.ask`, a process of its own with a time limit: a broken driver can
crash or hang that one, and the doctor says so.
"""

from __future__ import annotations

import grp
import importlib.metadata
import json
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from edged.privacy.isolation import Mode
from edged.privacy.trial import Trial, try_mode
from edged.runtime.driver import Driver, probe
from edged.transport.clock import clock_synced

if TYPE_CHECKING:  # they load numpy and onnx, which may be what is broken
    from edged.runtime.choice import Refusal
    from edged.runtime.libraries import Finding, OrtInstall
    from edged.runtime.machine import Machine

T = TypeVar("T")

GpuRuntime = Literal["cuda", "tensorrt-rtx"]
_WITH_REASONS: tuple[GpuRuntime, ...] = ("cuda", "tensorrt-rtx")

PROGRAM_S = 10.0
"""Time limit of a program that is asked something."""


@dataclass(frozen=True)
class User:
    """Who would run the engine: name, user id and all group ids."""

    name: str
    uid: int
    gids: frozenset[int]

    @staticmethod
    def named(name: str) -> User:
        """A user of this machine.

        Raises:
            KeyError: there is none of this name.
        """
        entry = pwd.getpwnam(name)
        return User(name, entry.pw_uid, frozenset(os.getgrouplist(name, entry.pw_gid)))

    @staticmethod
    def current() -> User:
        """Who runs this process, with the groups that it has now."""
        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:  # a container's number without a name
            name = str(uid)
        return User(name, uid, frozenset((os.getegid(), *os.getgroups())))


@dataclass(frozen=True)
class Package:
    """An installed distribution: name, version and the folder that it lies in."""

    name: str
    version: str
    folder: str


@dataclass(frozen=True)
class Ran:
    """How a program ended.

    Attributes:
        code: exit code, negative for a signal, None when it was killed for its time.
        out, err: what it printed.
    """

    code: int | None
    out: str = ""
    err: str = ""

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        if self.code is None:
            return "gave no answer in time"
        if self.code < 0:
            return f"was killed by signal {-self.code}"
        return f"ended with {self.code}"


class Host:
    """See the module.

    Args:
        root: folder that stands for `/`.
        user: who would run the engine; this process's user when None.
        env: environment variables; this process's when None.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        user: User | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.root = root
        self.user = user or User.current()
        self.env = os.environ if env is None else env
        self.machine = platform.machine()
        self.kernel = platform.release()
        self.libc = " ".join(platform.libc_ver()).strip()
        self.python = sys.executable
        self.python_version: tuple[int, ...] = sys.version_info[:3]
        self.prefix = sys.prefix
        self._kept: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    # -- files ------------------------------------------------------------------------

    def at(self, path: str | Path) -> Path:
        """The real place of an absolute path."""
        return self.root / str(path).lstrip("/")

    def text(self, path: str | Path) -> str | None:
        """A small text file, None when it is absent or may not be read.

        Device trees end their strings with NUL; it is cut off.
        """
        try:
            return self.at(path).read_text(encoding="utf-8", errors="replace").strip("\x00\n ")
        except OSError:
            return None

    def exists(self, path: str | Path) -> bool:
        """Whether there is anything at a path."""
        try:
            return self.at(path).exists()
        except OSError:
            return False

    def names(self, pattern: str) -> list[str]:
        """Absolute paths that match a glob pattern, sorted."""
        found = self.root.glob(pattern.lstrip("/"))
        return sorted(f"/{path.relative_to(self.root)}" for path in found)

    def status(self, path: str | Path) -> os.stat_result | None:
        """Owner and mode, None when there is nothing."""
        try:
            return self.at(path).stat()
        except OSError:
            return None

    def lacks(self, path: str | Path) -> str:
        """What the user may not do with a node: "", "r", "w" or "rw".

        Judged from owner and mode, as the user may be another than this process's; for
        this process's own user the system is asked, which knows access lists, too.  To
        write to a node that is for reading only (/dev/nvmap) is not missed.
        """
        found = self.status(path)
        if found is None:
            return ""
        mode = stat.S_IMODE(found.st_mode) & 0o666
        wanted = [("r", 4)] if mode and not mode & 0o222 else [("r", 4), ("w", 2)]
        if self.user.uid == os.geteuid():
            at = self.at(path)
            return "".join(x for x, bit in wanted if not os.access(at, bit))
        if self.user.uid == 0:
            return ""
        shift = 6 if found.st_uid == self.user.uid else 3 if found.st_gid in self.user.gids else 0
        granted = mode >> shift
        return "".join(letter for letter, bit in wanted if not granted & bit)

    def group_name(self, gid: int) -> str:
        """Name of a group, or its number where it has none."""
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    # -- programs ---------------------------------------------------------------------

    def which(self, program: str) -> str | None:
        """Path of a program; daemons' folders are searched, too."""
        return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")

    def run(self, words: Sequence[str], timeout_s: float = PROGRAM_S) -> Ran:
        """Run a program to its end; absent ones end with 127, as in a shell."""
        try:
            done = subprocess.run(  # noqa: S603 - fixed words of the checks
                words,
                check=False,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.TimeoutExpired:
            return Ran(None)
        except OSError as error:
            return Ran(127, err=error.strerror or type(error).__name__)
        return Ran(done.returncode, done.stdout, done.stderr)

    def ask(self, code: str, *words: str, timeout_s: float = PROGRAM_S) -> dict[str, Any]:
        """Run Python code in a process of its own; its last line is a JSON object.

        Returns:
            the object, or {"died": how} when there was none.
        """
        ran = self.run([self.python, "-c", code, *words], timeout_s)
        lines = ran.out.strip().splitlines()
        try:
            answer = json.loads(lines[-1]) if ran.code == 0 and lines else None
        except ValueError:
            answer = None
        return answer if isinstance(answer, dict) else {"died": ran.ending}

    # -- what is installed ------------------------------------------------------------

    def packages(self) -> Mapping[str, Package]:
        """Installed distributions by normalised name; the first on the path wins."""
        return self.once("packages", _packages)

    def owners(self, file: str) -> list[Package]:
        """Distributions that brought a file, such as "cv2/__init__.py"."""
        return self.once(f"owners {file}", lambda: _owners(file))

    def requirements(self) -> list[str]:
        """What edged's own metadata asks for, extras included."""
        try:
            return importlib.metadata.requires("edged") or []
        except importlib.metadata.PackageNotFoundError:  # run from a checkout
            return []

    def package(self, name: str) -> Package | None:
        """One of them."""
        return self.packages().get(name)

    # -- time and room ----------------------------------------------------------------

    def clock_synced(self) -> bool:
        """See :func:`edged.transport.clock.clock_synced`."""
        return clock_synced()

    def now_s(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()

    def installed_s(self) -> float:
        """When this program's files were written, seconds since the Unix epoch."""
        return Path(__file__).stat().st_mtime

    def free_bytes(self, folder: Path) -> int:
        """Room for an ordinary user on the disk where a folder is or will be; 0 if unknown."""
        try:
            found = os.statvfs(existing(self.at(folder)))
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize

    # -- what other parts of edged know ------------------------------------------------

    def driver(self) -> Driver:
        """What the CUDA driver answers."""
        return self.once("driver", lambda: probe(root=self.root, environment=self.env))

    def onnxruntime(self) -> OrtInstall:
        """The onnxruntime that an import would give."""

        def ask() -> OrtInstall:
            from edged.runtime.libraries import ort_install  # noqa: PLC0415 - loads numpy

            return ort_install()

        return self.once("onnxruntime", ask)

    def reasons(self, runtime: GpuRuntime) -> tuple[Finding, ...]:
        """Why a runtime of onnxruntime cannot work here; none when a session came up."""
        backend = self._machine().backend(runtime)
        return self.once(f"reasons {runtime}", lambda: tuple(backend.findings()))  # type: ignore[attr-defined]

    def refusal(self, runtime: str) -> Refusal | None:
        """Why any runtime cannot work here; None when it can."""
        for name in _WITH_REASONS:
            if name == runtime:  # so that two checks do not look for them at once
                self.reasons(name)
        return self.once(f"refusal {runtime}", lambda: self._machine().refusal(runtime))

    def identity(self, runtime: str) -> Mapping[str, str]:
        """What engines of a runtime depend on here.

        Raises:
            EngineError: it cannot work here.
        """
        return self._machine().backend(runtime).identity()

    def _machine(self) -> Machine:
        def make() -> Machine:
            from edged.runtime.machine import Machine  # noqa: PLC0415 - loads numpy

            return Machine(ask_driver=self.driver)

        return self.once("machine", make)

    def isolation(self, mode: Mode) -> Trial:
        """What a process sees that was shut in by this mode."""
        return self.once(f"isolation {mode}", lambda: try_mode(mode))

    # -- asked once -------------------------------------------------------------------

    def once(self, key: str, make: Callable[[], T]) -> T:
        """The value of `make`, which is called once however many checks ask at a time."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._kept:
                self._kept[key] = make()
            kept: T = self._kept[key]
            return kept


def existing(path: Path) -> Path:
    """The nearest folder above a path that is there, itself if it is."""
    return next(each for each in (path, *path.parents) if each.exists())


def _packages() -> Mapping[str, Package]:
    found: dict[str, Package] = {}
    for dist in importlib.metadata.distributions():
        name = dist.metadata["Name"]
        if name:  # half-removed ones have none
            key = re.sub(r"[-_.]+", "-", name).lower()
            found.setdefault(key, Package(key, dist.version, str(dist.locate_file(""))))
    return found


def _owners(file: str) -> list[Package]:
    """By each distribution's own list of files: two names may share a folder."""
    found = []
    seen = set()
    for dist in importlib.metadata.distributions():
        name = dist.metadata["Name"]
        if name and any(str(path) == file for path in dist.files or ()):
            package = Package(
                re.sub(r"[-_.]+", "-", name).lower(), dist.version, str(dist.locate_file(""))
            )
            if package not in seen:
                seen.add(package)
                found.append(package)
    return sorted(found, key=lambda package: package.name)
