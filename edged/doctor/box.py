"""A machine's files and programs, seen for one user; nothing is changed.

Tests give another root folder.
"""

from __future__ import annotations

import grp
import json
import os
import platform
import pwd
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edged.transport.clock import clock_synced

T = TypeVar("T")

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


class Box:
    """Files, programs, clock and room of a machine, for one user.

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
