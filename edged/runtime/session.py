"""The session protocol: named arrays in, arrays out, and who owns what.

Every runtime (onnxruntime now, TensorRT later) stands behind :class:`Session`, so
that stages know none of them.  Importing and constructing are cheap; entering the
context allocates; leaving it frees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

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
    """Which runtime serves, and why: logged, in `info`, and never silent.

    Attributes:
        name: "tensorrt", "tensorrt-rtx", "cuda" or "cpu".
        precision: "fp32", or "fp16-planned": FP16 but for what a measured plan keeps.
        reason: for people, one sentence.
        wished: False when it is not what the configuration asked for (state `degraded`).
        slug: for machines, why it is not: "cuda-no-driver"; empty when nothing is wrong.
        engine: of the artifact that is loaded: statuses, figures; empty where there is
            none.
    """

    name: str
    precision: str
    reason: str
    wished: bool
    slug: str = ""
    engine: Mapping[str, Any] = field(default_factory=dict)


class DeviceArray(Protocol):
    """An array that lies where sessions compute: GPU memory, or numpy's own on a CPU.

    It goes from one session to the next without a copy.  Only :meth:`Session.upload` and
    :meth:`Session.run_resident` make one, only :meth:`Session.download` reads one, and it
    stays on the thread that made it.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Numpy dtype."""
        ...


Feeds = Mapping[str, Tensor | DeviceArray]
"""Every input by name, of the declared dtype, from the host or from the device."""


class Session(Protocol):
    """One model, loaded and ready.

    A session belongs to one thread.  Arrays that :meth:`run` and :meth:`run_resident`
    return stay valid until the next call of either on the same session and are not to be
    written to; that call may be fed with them, since feeds are copied before it begins.
    """

    model_id: str

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """In the file's order, once it is entered."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """In the file's order, once it is entered."""
        ...

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

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """One inference.

        Args:
            feeds: every input by name, of the declared dtype.

        Returns:
            All outputs in the file's order, in host memory.

        Raises:
            EngineError: when the runtime fails; the message holds no tensor values.
        """
        ...

    def run_resident(self, feeds: Feeds) -> Sequence[DeviceArray]:
        """The same, but the outputs stay on the device.

        It may return before the device is done: what runs later on any session of this
        thread comes after it, and :meth:`download` waits.
        """
        ...

    def upload(self, array: Tensor) -> DeviceArray:
        """A copy on the device, for any session of this thread on the same device.

        It stays valid for as long as it is referred to.  On a CPU it is the array itself,
        so the caller leaves that unchanged meanwhile.
        """
        ...

    def download(self, array: DeviceArray, into: Tensor | None = None) -> Tensor:
        """The array in host memory, written into `into` when it is given.

        Args:
            array: from this device.
            into: C-contiguous, of the same shape and dtype.

        Raises:
            EngineError: when the runtime fails, also in an earlier run whose outputs
                stayed on the device.
        """
        ...


class OnHost:
    """The resident half of :class:`Session` for runtimes that compute in host memory."""

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`Session`."""
        raise NotImplementedError

    def run_resident(self, feeds: Feeds) -> Sequence[DeviceArray]:
        """See :class:`Session`."""
        return self.run(feeds)

    def upload(self, array: Tensor) -> DeviceArray:
        """See :class:`Session`."""
        return array

    def download(self, array: DeviceArray, into: Tensor | None = None) -> Tensor:
        """See :class:`Session`."""
        host = np.asarray(array)
        if into is None:
            return host
        np.copyto(into, host, casting="no")
        return into


class Meter:
    """Nanoseconds spent inside sessions, so that the host's own share can be told apart."""

    def __init__(self) -> None:
        self.total_ns = 0
        self.runs = 0

    def add(self, elapsed_ns: int) -> None:
        """Count one run."""
        self.total_ns += elapsed_ns
        self.runs += 1

    def moved(self, elapsed_ns: int) -> None:
        """Count time that an upload or a download took, the device's rest included."""
        self.total_ns += elapsed_ns
