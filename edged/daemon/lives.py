"""How earlier engines ended: what a crash loop is told by, whoever starts them again.

One small file in the run folder, which is gone after a reboot: a power cut is no crash.  A
clean stop takes it away; a minute of running forgives.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

import msgspec

from edged.fresh_file import write_fresh

log = logging.getLogger(__name__)

FILE = "engine.lives"
FORGIVE_S = 60.0
"""As `edged run` forgives a program that ran so long."""
LOOP = 3
"""Unclean ends in a row that are called a crash loop."""
_REASON = re.compile(r"[a-z-]{1,40}")


class _Noted(msgspec.Struct):
    ends: int = 0
    reason: str = "killed"


class Lives:
    """The ends before this start.

    Args:
        run_dir: private folder that outlives a process and not a reboot.

    Attributes:
        ends: unclean ones in a row before this start.
        reason: of the last: what it said itself, or "killed"; empty where there was none.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / FILE
        before = self._read()
        self.ends = 0 if before is None else min(before.ends + 1, 1_000_000)
        self.reason = "" if before is None else before.reason
        self._forgiven = False
        self._write("killed")  # unless it gets to say something else

    @property
    def trouble(self) -> str:
        """Slug while this is a crash loop; empty when it is none or forgiven."""
        return "crash-loop" if self.ends >= LOOP and not self._forgiven else ""

    def ran(self, seconds: float) -> None:
        """The engine has taken frames for so long."""
        if seconds >= FORGIVE_S and not self._forgiven:
            self._forgiven = True
            if self.ends:
                self.ends = 0
                self._write("killed")

    def ends_with(self, reason: str) -> None:
        """This process ends itself, uncleanly."""
        self._write(reason)

    def ended_well(self) -> None:
        """It was stopped, and has stopped."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> _Noted | None:
        try:
            found = msgspec.json.decode(self._path.read_bytes()[:1000], type=_Noted)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            return _Noted()
        sound = found.ends >= 0 and _REASON.fullmatch(found.reason)
        return found if sound else _Noted()

    def _write(self, reason: str) -> None:
        try:
            write_fresh(self._path, msgspec.json.encode(_Noted(self.ends, reason)))
        except OSError as error:
            log.warning("%s cannot be written (%s)", self._path, error.strerror)
