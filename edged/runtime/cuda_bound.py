"""Bound buffers of one set of extents: what a run on the GPU reads and writes.

Device memory is onnxruntime's (`OrtValue`), host memory is page-locked.  Knows nothing of
models; belongs to the session that made it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edged.errors import EngineError
from edged.faces import Tensor
from edged.runtime.cudart import Stream
from edged.runtime.ort import spec_of
from edged.runtime.session import Feeds

GRAPH_ID = "gpu_graph_id"
"""Run option: which captured graph a run belongs to; -1 means none."""
NO_SYNC = "disable_synchronize_execution_providers"
"""Run option: do not wait for the GPU at the end of a run; our stream does."""


class CudaArray:
    """An array on the GPU.

    Attributes:
        value: onnxruntime's hold on the memory.
    """

    def __init__(self, value: Any, dtype: DTypeLike) -> None:
        self.value = value
        self._dtype = np.dtype(dtype)
        self._shape = tuple(int(extent) for extent in value.shape())

    @classmethod
    def empty(cls, ort: ModuleType, shape: Sequence[int], dtype: DTypeLike) -> CudaArray:
        """Memory that nothing was written to yet.

        Raises:
            EngineError: there is none left.
        """
        kind = np.dtype(dtype)
        try:
            value = ort.OrtValue.ortvalue_from_shape_and_type(list(shape), kind.type, "cuda", 0)
        except Exception as error:  # noqa: BLE001 - onnxruntime's own types
            msg = (
                f"the GPU has no memory for {int(np.prod(shape)) * kind.itemsize} bytes "
                f"({type(error).__name__}); raise runtime.gpu_memory_mb or run fewer models"
            )
            raise EngineError(msg) from None
        return cls(value, kind)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Numpy dtype."""
        return self._dtype

    @property
    def ptr(self) -> int:
        """Its address on the device."""
        return int(self.value.data_ptr())

    @property
    def nbytes(self) -> int:
        """Its size."""
        return int(np.prod(self._shape, dtype=np.int64)) * self._dtype.itemsize


@dataclass(repr=False)
class Bound:
    """Everything of one set of extents.

    Attributes:
        session: onnxruntime's, which these buffers belong to.
        binding: likewise.
        options: of its runs.
        graph_id: of its captured graph; -1 for none.
        inputs: on the device, by name.
        staged: page-locked other ends of those that were fed from the host.
        outputs: on the device, in the file's order; those of open extents change.
        hosts: their page-locked other ends, once they were wanted on the host.
        open_outputs: an output's extents are known after a run only.
        ran: whether it was run before.
    """

    session: Any
    binding: Any
    options: Any
    graph_id: int
    inputs: Mapping[str, CudaArray]
    outputs: list[CudaArray]
    staged: dict[str, NDArray[Any]] = field(default_factory=dict)
    hosts: list[NDArray[Any]] = field(default_factory=list)
    dtypes: tuple[np.dtype[Any], ...] = ()
    open_outputs: bool = False
    ran: bool = False

    def feed(self, feeds: Feeds, stream: Stream) -> None:
        """Copy feeds into the bound inputs.

        Raises:
            EngineError: a feed has another dtype than the model's input.
        """
        for name, place in self.inputs.items():
            given = feeds[name]
            if given.dtype != place.dtype:
                raise EngineError(f"input {name} takes {place.dtype}, not {given.dtype}")
            if isinstance(given, CudaArray):
                stream.move(given.ptr, place.ptr, place.nbytes)
                continue
            if self.ran:
                stream.wait()  # the last run's copy has left the staging memory
            if name not in self.staged:
                self.staged[name] = stream.cudart.pinned(place.shape, place.dtype)
            np.copyto(self.staged[name], np.asarray(given), casting="no")
            stream.upload(self.staged[name], place.ptr)

    def download(self, stream: Stream) -> Sequence[Tensor]:
        """The outputs in host memory, valid until the next run."""
        if self.open_outputs:
            self.collect()
        if self.open_outputs or not self.hosts:
            self.hosts = [stream.cudart.pinned(one.shape, one.dtype) for one in self.outputs]
        for one, host in zip(self.outputs, self.hosts, strict=True):
            stream.download(one.ptr, host)
        stream.wait()
        return self.hosts

    def collect(self) -> None:
        """Take over outputs that onnxruntime allocated."""
        self.outputs = [
            CudaArray(value, dtype)
            for value, dtype in zip(self.binding.get_outputs(), self.dtypes, strict=True)
        ]


def bind(
    ort: ModuleType,
    session: Any,
    extents: Sequence[tuple[int, ...]],
    graph_id: int,
) -> Bound:
    """Buffers for inputs of these extents.

    Args:
        ort: the package.
        session: onnxruntime's.
        extents: of each input, in the file's order.
        graph_id: of the graph to capture; -1 for none.

    Raises:
        EngineError: the extents do not fit the model, or there is no memory.
    """
    names: dict[str, int] = {}
    inputs = {}
    for node, shape in zip(session.get_inputs(), extents, strict=True):
        _match(node, shape, names)
        dtype = spec_of(node).dtype
        inputs[node.name] = CudaArray.empty(ort, shape, dtype)
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, array.value)
    shapes = [_resolved(node.shape, names) for node in session.get_outputs()]
    dtypes = tuple(spec_of(node).dtype for node in session.get_outputs())
    outputs: list[CudaArray] = []
    for node, found, dtype in zip(session.get_outputs(), shapes, dtypes, strict=True):
        if found is None or None in shapes:
            binding.bind_output(node.name, "cuda", 0)
            continue
        outputs.append(CudaArray.empty(ort, found, dtype))
        binding.bind_ortvalue_output(node.name, outputs[-1].value)
    options = ort.RunOptions()
    options.log_severity_level = 4
    options.add_run_config_entry(GRAPH_ID, str(graph_id))
    options.add_run_config_entry(NO_SYNC, "1")
    return Bound(
        session,
        binding,
        options,
        graph_id,
        inputs,
        outputs,
        dtypes=dtypes,
        open_outputs=None in shapes,
    )


def _match(node: Any, shape: tuple[int, ...], names: dict[str, int]) -> None:
    """Note what a symbol of the model stands for.

    Raises:
        EngineError: the extents are not the model's.
    """
    if len(node.shape) != len(shape):
        raise EngineError(f"input {node.name} takes {len(node.shape)} axes, not {len(shape)}")
    for wanted, given in zip(node.shape, shape, strict=True):
        known = names.setdefault(wanted, given) if isinstance(wanted, str) else wanted
        if isinstance(known, int) and known > 0 and known != given:
            raise EngineError(f"input {node.name} has other extents than the model takes")


def _resolved(shape: Sequence[Any], names: Mapping[str, int]) -> tuple[int, ...] | None:
    """Extents with their symbols filled in; None when one is not known."""
    found = [names.get(one) if isinstance(one, str) else one for one in shape]
    if any(not isinstance(one, int) or one < 0 for one in found):
        return None
    return tuple(int(one) for one in found if isinstance(one, int))
