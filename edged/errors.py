"""Every error class of edged, one a remedy, each with the exit code of its process.

    EdgedError              1   base; never raised itself
    |-- ConfigError        78   fix the configuration (EX_CONFIG)
    |-- ModelError         66   fetch or replace a model file (EX_NOINPUT)
    |-- EngineError        70   rebuild or change the runtime of a model (EX_SOFTWARE)
    |-- FrameError         65   drop this frame, the next one may be good (EX_DATAERR)
    |-- LinkError          69   retry the link: socket, broker, download (EX_UNAVAILABLE)
    `-- OperatorError      71   call the operator: isolation, disk, permissions (EX_OSERR)

A message says what is wrong, where, and what to do.  It never holds a frame, a
landmark, an embedding or any other number computed from a face.

Knows nothing of any other module.
"""

from __future__ import annotations

from typing import ClassVar


class EdgedError(Exception):
    """Base of all errors that edged raises on purpose."""

    exit_code: ClassVar[int] = 1


class ConfigError(EdgedError):
    """Raised when a configuration or recipe file must be changed.

    Args:
        problems: one line a problem, each with path, value, reason and, where one
            is near, a "did you mean".
    """

    exit_code: ClassVar[int] = 78

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class ModelError(EdgedError):
    """Raised when a model file is absent, damaged or not licensed for this use."""

    exit_code: ClassVar[int] = 66


class EngineError(EdgedError):
    """Raised when a runtime cannot load or run a model that is there."""

    exit_code: ClassVar[int] = 70


class FrameError(EdgedError):
    """Raised when one frame or message cannot be used.

    Args:
        reason: value of :class:`edged.verdicts.Reason` that the sender is told.
        message: for the log; must not repeat anything from the wire.
    """

    exit_code: ClassVar[int] = 65

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class LinkError(EdgedError):
    """Raised when a socket, a broker or a download failed and a retry may help."""

    exit_code: ClassVar[int] = 69


class OperatorError(EdgedError):
    """Raised when only a person can help: isolation, disk, permissions, keys."""

    exit_code: ClassVar[int] = 71
