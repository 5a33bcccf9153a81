"""The session protocol: named arrays in, arrays out, and who owns what.

Every runtime (onnxruntime now, TensorRT later) stands behind :class:`Session`, so
that stages know none of them.  Importing and constructing are cheap; entering the
context allocates; leaving it frees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np

from edged.faces import Tensor


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and dtype of one input or output.

    Attributes:
        name: as in the model file.
        shape: extents; None where the file leaves it open.
        dtype: numpy dtype.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[np.generic]


@dataclass(frozen=True)
class RuntimeChoice:
    """Which runtime serves, and why: logged, in `info`, and never silent."""

    name: str
    precision: str
    reason: str
    wished: bool
    """False when it is not what the configuration asked for (state `degraded`)."""


class Session(Protocol):
    """One model, loaded and ready.

    A session belongs to one thread.  Arrays that :meth:`run` returns stay valid until
    its next call on the same session and are not to be written to.
    """

    model_id: str
    inputs: Sequence[TensorSpec]
    outputs: Sequence[TensorSpec]

    def __enter__(self) -> Session:  # noqa: PYI034 - Self needs 3.11
        """Load and allocate."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free everything."""
        ...

    def run(self, feeds: Mapping[str, Tensor]) -> Sequence[Tensor]:
        """One inference.

        Args:
            feeds: every input by name, of the declared dtype.

        Returns:
            All outputs in the file's order.

        Raises:
            EngineError: when the runtime fails; the message holds no tensor values.
        """
        ...


class Meter:
    """Nanoseconds spent inside sessions, so that the host's own share can be told apart."""

    def __init__(self) -> None:
        self.total_ns = 0
        self.runs = 0

    def add(self, elapsed_ns: int) -> None:
        """Count one run."""
        self.total_ns += elapsed_ns
        self.runs += 1
