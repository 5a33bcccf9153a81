"""What a runtime offers to the engine store: an identity, a builder, a loader.

It stands below the runtimes, which implement it, and below :mod:`edged.runtime.build`,
which calls it in processes of its own.  Knows no library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from edged.runtime.session import Meter, Session
from edged.runtime.settings import BuildSettings

BuildProgress = Callable[[str, float], None]
"""Told of a build: phase in one or two words, share of that phase that is done, 0 to 1."""


def silent(_phase: str, _share: float) -> None:
    """Progress that nobody looks at."""


class Shapes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The extents of one input that an engine must take.

    Attributes:
        min: the smallest.
        opt: the ones it is tuned for.
        max: the largest.
    """

    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The extents of every input of a graph, inputs of fixed shape included.

    Attributes:
        inputs: by name, in the graph's order.
    """

    inputs: dict[str, Shapes]


class Backend(Protocol):
    """A runtime that runs built artifacts; see :class:`Configured` for one with settings.

    Its class can be called without arguments: the worker process finds it by its import
    path and makes its own.  Importing and constructing load no library of the runtime.

    Attributes:
        name: "tensorrt", "tensorrt-rtx" or "cuda".
        artifact: name of the file that :meth:`build` makes; it may write more beside it,
            which are kept and checked alike.
    """

    name: str
    artifact: str

    def identity(self) -> Mapping[str, str]:
        """What an artifact depends on here: versions, driver, GPU name, SM.

        Every pair is a part of the engine's key; a changed one means a rebuild and is
        shown to people, so the names are words ("TensorRT", "driver") and the values
        short.

        Raises:
            EngineError: this runtime cannot work here; the message holds the cure.
        """
        ...

    def build(
        self,
        model: Path,
        profile: Profile,
        out: Path,
        settings: BuildSettings,
        progress: BuildProgress,
    ) -> None:
        """Make the artifact; runs in a process of its own, which may crash.

        Args:
            model: ONNX graph with its final precision, on the same file system as `out`.
            profile: extents that it must take.
            out: file to write, named :attr:`artifact`, in a folder that is else empty.
            settings: memory and effort.
            progress: to be called at least once a second where the library allows it.

        Raises:
            ModelError: the graph cannot be built; trying again is of no use.
            EngineError: the builder failed.
            OSError: the file cannot be written.
        """
        ...

    def open(self, folder: Path, *, model_id: str, meter: Meter) -> Session:
        """A session over an artifact, not yet entered; entering it loads.

        Args:
            folder: that holds :attr:`artifact`, verified by the caller.
            model_id: for messages.
            meter: counts the time inside `run`.

        Raises:
            EngineError: it cannot be run here.
        """
        ...


@runtime_checkable
class Configured(Protocol):
    """A backend with settings of its own, which the worker's must have, too.

    What is accepted is then what will run.  Settings that change results belong into the
    identity.
    """

    def settings(self) -> dict[str, Any]:
        """Plain values that :meth:`from_settings` takes."""
        ...

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Backend:
        """A backend that makes the same sessions."""
        ...


@runtime_checkable
class Tameable(Protocol):
    """A backend whose artifacts have a fast form and a plain one."""

    def tame(self, folder: Path) -> bool:
        """Make an artifact that was not accepted plain; False: it is already.

        Args:
            folder: that holds it.
        """
        ...
