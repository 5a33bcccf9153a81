"""What a daemon writes to stderr, and what it must not.

One line a message.  In the journal: no time, because the journal has its own, and the
priority in front, as sd-daemon(3) reads it.  Elsewhere: the time and the process.

An uncaught exception is shown by its type and its places in the code, without its text:
a library's text may repeat what it was given.  Texts of edged's own errors and of the
system's (a file that is not there, a module that is not installed) are shown.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from types import TracebackType

from edged.errors import EdgedError

log = logging.getLogger(__name__)

_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}
_DEBUG = 7
_PLACES = 8
"""Of the call stack, the innermost ones."""
_HARMLESS = (EdgedError, OSError, ImportError)


class _Journal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelno, _DEBUG)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def set_up(process: str, *, verbose: bool = False) -> None:
    """Send all loggers to stderr.

    Args:
        process: name in front of each line outside the journal.
        verbose: show DEBUG too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        _Journal("%(message)s")
        if _is_journal()
        else logging.Formatter(f"%(asctime)s {process:<7} %(message)s", "%H:%M:%S")
    )
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True
    )
    sys.excepthook = _uncaught
    threading.excepthook = lambda hook: _uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)


def describe(error: BaseException) -> str:
    """An exception without anything that it may have been given."""
    text = f": {error}" if isinstance(error, _HARMLESS) else ""
    places = traceback.extract_tb(error.__traceback__)[-_PLACES:]
    where = "".join(f"\n  {p.filename}:{p.lineno} in {p.name}" for p in places)
    return f"{type(error).__name__}{text}{where}"


def _uncaught(
    kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None
) -> None:
    if not issubclass(kind, (SystemExit, KeyboardInterrupt)):
        log.critical("uncaught %s", describe(error) if error else kind.__name__)


def _is_journal() -> bool:
    """Whether stderr is the stream that systemd named."""
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # stderr is closed, or no file
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
