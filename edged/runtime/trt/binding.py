"""One engine bound to one set of input extents: a context, addresses and a CUDA graph.

A graph holds the addresses and the state of the context that it was recorded from, and
that context must not change afterwards (TensorRT's rule); so every set of extents has its
own context, and all of them share the scratch memory, for one of them runs at a time.
"""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Iterator

from edged.errors import EngineError
from edged.runtime.trt.cuda import Cuda
from edged.runtime.trt.engine import Engine, Extents
from edged.runtime.trt.layout import Slot, extent_bytes, pack

log = logging.getLogger(__name__)


class Binding:
    """A context whose tensors have their places.

    Args:
        engine: to run.
        shapes: extents of its inputs, in their order.
        scratch: address of the context's memory.

    Raises:
        EngineError: TensorRT refuses the extents.
    """

    def __init__(self, engine: Engine, shapes: tuple[Extents, ...], scratch: int) -> None:
        self._engine = engine
        self._context = engine.context(shapes, scratch)
        self.inputs: tuple[Slot, ...] = pack(
            (entry.spec.name, shape, entry.spec.dtype)
            for entry, shape in zip(engine.inputs, shapes, strict=True)
        )
        self.outputs: tuple[Slot, ...] = pack(engine.output_slots(self._context))
        self.input_bytes = extent_bytes(self.inputs)
        self.output_bytes = extent_bytes(self.outputs)
        self._graph: int | None = None
        self._warm = False
        self._recordable = True

    def place(self, inputs: int, outputs: int) -> None:
        """Tell the context where its tensors are: two regions by address."""
        for start, slots in ((inputs, self.inputs), (outputs, self.outputs)):
            for slot in slots:
                if not self._context.set_tensor_address(slot.name, start + slot.offset):
                    raise self._engine.failure(f"refuses the address of {slot.name}")

    def start(self, cuda: Cuda, stream: int) -> None:
        """Put one run into the stream: by itself at first, as a graph from the second on.

        The first run lets TensorRT settle what depends on the extents; it must not be
        recorded.

        Raises:
            EngineError: TensorRT or CUDA refuses.
        """
        if self._graph is None and self._warm and self._recordable:
            self._graph = self._record(cuda, stream)
        if self._graph is not None:
            cuda.launch(self._graph, stream)
            return
        self._enqueue(stream)
        self._warm = True

    def close(self, cuda: Cuda) -> None:
        """Let graph and context go; nothing of it may be in the stream any more."""
        if self._graph is not None:
            cuda.drop_graph(self._graph)
        self._graph = None
        self._context = None

    @property
    def recorded(self) -> bool:
        """Whether runs are launched as a graph by now."""
        return self._graph is not None

    def _enqueue(self, stream: int) -> None:
        if not self._context.execute_async_v3(stream):
            raise self._engine.failure("did not run")

    def _record(self, cuda: Cuda, stream: int) -> int | None:
        """A graph of one run; None, for good, when this engine cannot be recorded."""
        try:
            with _no_collection():
                cuda.begin_capture(stream)
                self._enqueue(stream)
                return cuda.end_capture(stream)
        except EngineError as error:
            cuda.abandon_capture(stream)
            self._recordable = False
            log.warning(
                "model %s: runs without a CUDA graph, a little slower: %s",
                self._engine.model_id,
                str(error),
            )
            return None


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keeps garbage where it is: giving GPU memory back would spoil what is recorded."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
