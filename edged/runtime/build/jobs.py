"""What a worker process is asked, and what it answers: the words on the pipe.

One job on stdin as JSON; then, on stdout, one JSON array a line: `["progress", phase,
share]` as often as it likes, and at last `["result", {...}]` or `["error", class, text]`.
Knows the form alone.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, TypeVar, Union

import msgspec

from edged import errors
from edged.errors import EdgedError, EngineError
from edged.runtime.backend import Backend, Configured
from edged.runtime.build.manifest import Ran, Verdict
from edged.runtime.build.subject import Model, Subject
from edged.runtime.settings import BuildSettings

R = TypeVar("R")


class Maker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a worker makes a backend that is like the asker's.

    Attributes:
        path: of its class, `module:name`.
        settings: of its sessions; empty for one without.
    """

    path: str
    settings: dict[str, Any] = {}


class _Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag=True):
    """What every job says.

    Attributes:
        parent: process id of the asker; the worker ends with it.
        model: the model in question.
    """

    parent: int
    model: Model


class Describe(_Job, frozen=True):
    """Find out the subject of a model; answers with a Subject."""


class Build(_Job, frozen=True):
    """Make an artifact; answers with nothing.

    Attributes:
        backend: how it is made.
        subject: what the graph must still be.
        settings: for the builder.
        source: file for the graph that the builder reads.
        out: file to make.
    """

    backend: Maker
    subject: Subject
    settings: BuildSettings
    source: Path
    out: Path


class Accept(_Job, frozen=True):
    """Open an artifact and compare it with FP32; answers with a Trial.

    Attributes:
        backend: how it is made.
        subject: what it was built from.
        folder: that holds the artifact.
    """

    backend: Maker
    subject: Subject
    folder: Path


class Bench(_Job, frozen=True):
    """Measure an accepted engine; answers with a list of Timing.

    Attributes:
        backend: how it is made.
        subject: what it was built from.
        folder: that holds the artifact.
        batches: sizes to run; those that it does not take are left out.
        runs: of each size, counted ones.
    """

    backend: Maker
    subject: Subject
    folder: Path
    batches: tuple[int, ...]
    runs: int


class Pictures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag=True):
    """Make the engines of the picture graphs, which are no model's; answers with nothing.

    Attributes:
        parent: as in every job.
        backend: how it is made.
        settings: for the builder.
        folder: to make them in, each in a folder of its graph's name.
    """

    parent: int
    backend: Maker
    settings: BuildSettings
    folder: Path


Job = Union[Describe, Build, Accept, Bench, Pictures]  # noqa: UP007 - msgspec evaluates it on 3.10


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was seen of an artifact.

    Attributes:
        ran, verdict: as in the manifest; None: it did not come so far.
        problem: why not.
    """

    ran: Ran | None = None
    verdict: Verdict | None = None
    problem: str = ""


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Latency of one batch size, from feeds in host memory to outputs in host memory."""

    batch: int
    p50_ms: float
    p95_ms: float
    runs: int


def encode(value: Any) -> bytes:
    """JSON, paths as text."""
    return msgspec.json.encode(value, enc_hook=str)


def decode(raw: bytes, kind: type[R]) -> R:
    """The value of a kind from JSON.

    Raises:
        EngineError: it is not of that form.
    """
    try:
        return msgspec.json.decode(raw, type=kind, dec_hook=lambda made, text: made(text))
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise EngineError("the build worker and edged are of different versions") from error


def maker(backend: Backend) -> Maker:
    """How a worker makes one like this."""
    kind = type(backend)
    settings = backend.settings() if isinstance(backend, Configured) else {}
    return Maker(path=f"{kind.__module__}:{kind.__qualname__}", settings=settings)


def make_backend(how: Maker) -> Backend:
    """A backend.

    Raises:
        EngineError: there is none of this path.
    """
    module, _, name = how.path.partition(":")
    try:
        kind: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EngineError(f"runtime {how.path} is not a part of this edged") from error
    made: Backend = kind.from_settings(how.settings) if how.settings else kind()
    return made


def make_error(kind: str, text: str) -> EdgedError:
    """The worker's error as one of ours."""
    plain = ("ConfigError", "ModelError", "EngineError", "LinkError", "OperatorError")
    made: EdgedError = getattr(errors, kind if kind in plain else "EngineError")(text)
    return made
