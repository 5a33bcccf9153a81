"""What a worker process says: progress and answer on its pipe, last words on its stderr.

Everything is bounded, because a worker is not trusted to be sane.  Knows the words of
:mod:`.jobs`; knows no process.
"""

from __future__ import annotations

import logging
import signal
import time
from pathlib import Path

import msgspec

from edged.errors import EngineError
from edged.runtime.backend import BuildProgress

log = logging.getLogger(__name__)

_REPEAT_S = 5.0
"""A builder may be silent for minutes; whoever shows progress hears of it all the same."""

_MAX_LINE_BYTES = 1 << 20
_STDERR_BYTES = 16_384
_LAST_WORDS_CHARS = 200


class Heard:
    """The words of one worker.

    Args:
        progress: told of its phases.

    Attributes:
        result: JSON of its answer; None: it gave none.
        error: class and text of the error that it named; None: it named none.
    """

    def __init__(self, progress: BuildProgress) -> None:
        self.result: bytes | None = None
        self.error: tuple[str, str] | None = None
        self._progress = progress
        self._last: tuple[str, float] = ("", 0.0)
        self._told_s = time.monotonic()
        self._rest = b""
        self._words = bytearray()

    def take_lines(self, block: bytes) -> None:
        """Bytes of its pipe.

        Raises:
            EngineError: a line has no end.
        """
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            raise EngineError("the build worker talks without end; report this")
        for line in lines:
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            first, *rest = msgspec.json.decode(line, type=list[msgspec.Raw])
            kind = msgspec.json.decode(first, type=str)
            if kind == "progress":
                phase, share = rest
                self._tell(
                    msgspec.json.decode(phase, type=str), msgspec.json.decode(share, type=float)
                )
            elif kind == "result":
                self.result = bytes(rest[0])
            elif kind == "error":
                name, text = (msgspec.json.decode(part, type=str) for part in rest)
                self.error = (name, text)
        except (msgspec.MsgspecError, ValueError, IndexError):
            log.warning("the build worker wrote a line that is none of its words")

    def _tell(self, phase: str, share: float) -> None:
        self._last, self._told_s = (phase, share), time.monotonic()
        self._progress(phase, share)

    def repeat(self) -> None:
        """Tell the last phase again when there was nothing new for a while."""
        if self._last[0] and time.monotonic() - self._told_s > _REPEAT_S:
            self._tell(*self._last)

    def take_words(self, block: bytes) -> None:
        """Bytes of its stderr; the last ones are kept."""
        self._words += block
        del self._words[:-_STDERR_BYTES]

    def crash(self, code: int) -> str:
        """An end without an answer in words: signal or exit code, and what it said last.

        Args:
            code: exit code, negative: the signal's number.
        """
        words = scrub(bytes(self._words))
        for line in words:
            log.debug("build worker: %s", line)
        last = f'; its last words: "{words[-1][:_LAST_WORDS_CHARS]}"' if words else ""
        if code < 0:
            return f"killed by {_signal_name(-code)}{last}"
        return f"ended with exit code {code} and no answer{last}"


def scrub(raw: bytes) -> list[str]:
    """Lines of a process's stderr, fit for a log: printable, without the user's folder."""
    text = raw.decode(errors="replace").replace(str(Path.home()), "~")
    lines = ("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines())
    return [line.strip() for line in lines if line.strip()]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
