"""What TensorRT says while it works: the last errors, for messages of ours.

Its texts name layers and extents of a network, never a value of a tensor.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from edged.runtime.failures import says_no_memory

log = logging.getLogger(__name__)

_KEPT = 20
_SHOWN_CHARS = 300


def make_logger(trt: Any) -> Any:
    """A logger for TensorRT, which must outlive everything made with it.

    Its attribute `errors` holds the last texts of severity error and above; they and
    warnings go to :mod:`logging` as debug lines, because every failure is raised, too.
    """
    severities = trt.ILogger.Severity
    fatal = (severities.INTERNAL_ERROR, severities.ERROR)

    class Logger(trt.ILogger):  # type: ignore[misc] # a base class known only at run time
        """Keeps the last errors."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: deque[str] = deque(maxlen=_KEPT)

        def log(self, severity: Any, text: str) -> None:
            """Called by TensorRT, from any of its threads."""
            if severity in fatal:
                self.errors.append(text)
            if severity in fatal or severity == severities.WARNING:
                log.debug("TensorRT: %s", text)

    return Logger()


def last_error(logger: Any) -> str:
    """The last error in one line, "no reason given" when there was none."""
    if not logger.errors:
        return "no reason given"
    return " ".join(str(logger.errors[-1]).split())[:_SHOWN_CHARS]


def ran_out_of_memory(logger: Any) -> bool:
    """The GPU had too little memory, going by what TensorRT said."""
    return any(says_no_memory(text) for text in logger.errors)
