"""A TensorRT engine behind the session protocol.

Memory is allocated once, for the profile's largest extents: two regions on the device,
inputs and outputs, each with a pinned twin, so that a run is one copy up, one launch and
one copy down.  Each set of input extents gets an own context and CUDA graph; the last few
are kept.

Knows no recipe and no graph; the driver is asked and the plan tried out in a process of
its own before anything here touches TensorRT.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np

from edged.errors import EngineError
from edged.faces import Tensor
from edged.runtime import driver
from edged.runtime.session import DeviceArray, Feeds, Meter, TensorSpec
from edged.runtime.trt import names, trial
from edged.runtime.trt.binding import Binding
from edged.runtime.trt.cuda import GpuMemoryError
from edged.runtime.trt.engine import Engine, Extents
from edged.runtime.trt.lane import Lane, OnGpu, hold_lane, release_lane
from edged.runtime.trt.layout import Slot

KEPT_BINDINGS: Final = 8
"""Sets of extents whose context and graph are kept: 1 to 8 faces, or as many canvases."""


@dataclass
class _Loaded:
    """What an entered session holds.

    Attributes:
        engine: the deserialised plan.
        lane: the owner thread's stream.
        bindings: by extents, least used first.
        scratch: device memory of whichever context runs.
        feeds, results: device regions of inputs and outputs.
        feeds_host, results_host: their pinned twins.
        uploaded: reached when `feeds_host` may be written again.
        resident: outputs handed out on the device, stale from the next run on.
    """

    engine: Engine
    lane: Lane
    bindings: OrderedDict[tuple[Extents, ...], Binding]
    scratch: int
    feeds: int
    results: int
    feeds_host: Tensor
    results_host: Tensor
    uploaded: int
    resident: Sequence[OnGpu] = ()


class TrtSession:
    """One engine, loaded.

    Args:
        plan: file of the serialised engine.
        model_id: for messages.
        meter: counts the time inside runs, uploads and downloads.
        vouched: the plan has been loaded and run in a process of its own on this driver;
            else that is done first.
    """

    def __init__(
        self, plan: Path, *, model_id: str, meter: Meter | None = None, vouched: bool = False
    ) -> None:
        self.model_id = model_id
        self.inputs: Sequence[TensorSpec] = ()
        self.outputs: Sequence[TensorSpec] = ()
        self._plan = plan
        self._meter = meter or Meter()
        self._vouched = vouched
        self._owner = 0
        self._loaded: _Loaded | None = None
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> TrtSession:  # noqa: PYI034 - Self needs 3.11
        """Load the plan and allocate; the calling thread is the owner from now on.

        Raises:
            EngineError: no usable driver, no TensorRT, a plan that does not load or run,
                or no room on the GPU; the message says which and what to do.
        """
        driver.require()
        trt = names.load_tensorrt()
        if not self._vouched:
            trial.require(self._plan, self.model_id)
        self._owner = threading.get_ident()
        with contextlib.ExitStack() as stack:
            lane = hold_lane()
            stack.callback(release_lane, lane)
            engine = Engine(trt, self._plan, self.model_id)
            self._loaded = self._allocate(engine, lane, stack)
            self.inputs = tuple(entry.spec for entry in engine.inputs)
            self.outputs = engine.outputs
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for what still runs and give everything back."""
        held, self._loaded = self._loaded, None
        if held is None:
            return
        for array in held.resident:
            array.stale = True
        with contextlib.suppress(EngineError):  # a failed run must not keep us from closing
            held.lane.cuda.bind()
            held.lane.cuda.wait(held.lane.stream)
        self._drop_bindings(held)
        held.engine.close()
        self._closing.close()

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        held = self._held()
        binding = self._start(held, feeds)
        lane = held.lane
        region = held.results_host[: binding.output_bytes]
        lane.cuda.to_host(region, held.results, lane.stream)
        lane.cuda.wait(lane.stream)
        self._meter.add(time.perf_counter_ns() - start)
        return [_unwritable(slot.view(region)) for slot in binding.outputs]

    def run_resident(self, feeds: Feeds) -> Sequence[DeviceArray]:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        held = self._held()
        binding = self._start(held, feeds)
        held.resident = [
            OnGpu(held.lane, held.results + slot.offset, slot.shape, slot.dtype)
            for slot in binding.outputs
        ]
        self._meter.add(time.perf_counter_ns() - start)
        return held.resident

    def upload(self, array: Tensor) -> DeviceArray:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        made = self._held().lane.upload(array)
        self._meter.moved(time.perf_counter_ns() - start)
        return made

    def download(self, array: DeviceArray, into: Tensor | None = None) -> Tensor:
        """See :class:`edged.runtime.session.Session`."""
        if not isinstance(array, OnGpu):
            raise self._wrong("an array of another runtime cannot be downloaded")
        start = time.perf_counter_ns()
        host = self._held().lane.download(array, into)
        self._meter.moved(time.perf_counter_ns() - start)
        return host

    @property
    def engine(self) -> Engine:
        """The loaded plan, for who looks at it."""
        return self._held().engine

    def _held(self) -> _Loaded:
        if self._loaded is None:
            raise self._wrong("it is not loaded; enter its session first")
        if threading.get_ident() != self._owner:
            raise self._wrong("its session was used by another thread than its own")
        return self._loaded

    def _allocate(self, engine: Engine, lane: Lane, stack: contextlib.ExitStack) -> _Loaded:
        """All memory, for the largest extents; what was got goes back if anything fails."""
        cuda = lane.cuda

        def region(size_bytes: int) -> int:
            address = cuda.allocate(size_bytes)
            stack.callback(cuda.free, address)
            return address

        scratch = region(engine.scratch_bytes)
        largest = tuple(entry.high for entry in engine.inputs)
        widest = Binding(engine, largest, scratch)
        try:
            feeds, results = region(widest.input_bytes), region(widest.output_bytes)
            event = cuda.make_event()
            stack.callback(cuda.drop_event, event)
            return _Loaded(
                engine=engine,
                lane=lane,
                bindings=OrderedDict(),
                scratch=scratch,
                feeds=feeds,
                results=results,
                feeds_host=cuda.pinned(widest.input_bytes),
                results_host=cuda.pinned(widest.output_bytes),
                uploaded=event,
            )
        finally:
            widest.close(cuda)

    def _start(self, held: _Loaded, feeds: Feeds) -> Binding:
        """Check, move and launch; the outputs are in the results region when it is done."""
        held.lane.cuda.bind()
        arrays = self._checked(held, feeds)
        for array in held.resident:
            array.stale = True
        held.resident = ()
        binding = self._binding(held, tuple(array.shape for array in arrays))
        self._move(held, binding, arrays)
        binding.start(held.lane.cuda, held.lane.stream)
        return binding

    def _checked(self, held: _Loaded, feeds: Feeds) -> list[Tensor | OnGpu]:
        """The feeds in the engine's order; only names and the profile are ever told."""
        arrays: list[Tensor | OnGpu] = []
        known = {entry.spec.name for entry in held.engine.inputs}
        if set(feeds) != known:
            raise self._wrong(f"it takes inputs {sorted(known)}, given were {sorted(feeds)}")
        for entry in held.engine.inputs:
            spec, array = entry.spec, feeds[entry.spec.name]
            if isinstance(array, OnGpu):
                array.require(held.lane)
            elif not isinstance(array, np.ndarray):
                raise self._wrong(f"input {spec.name} is an array of another runtime")
            if array.dtype != spec.dtype:
                raise self._wrong(f"input {spec.name} must be {spec.dtype}, not {array.dtype}")
            if not entry.takes(array.shape):
                low, high = list(entry.low), list(entry.high)
                raise self._wrong(
                    f"input {spec.name} is outside what the engine was built for, {low} to "
                    f"{high}; change the recipe's batch and rebuild"
                )
            arrays.append(array)
        return arrays

    def _binding(self, held: _Loaded, shapes: tuple[Extents, ...]) -> Binding:
        """The binding of these extents, made when it is not there; the oldest goes."""
        found = held.bindings.get(shapes)
        if found is not None:
            held.bindings.move_to_end(shapes)
            return found
        while len(held.bindings) >= KEPT_BINDINGS:
            self._drop_oldest(held)
        try:
            made = Binding(held.engine, shapes, held.scratch)
        except GpuMemoryError:  # other extents' contexts are worth less than this frame
            if not held.bindings:
                raise
            while held.bindings:
                self._drop_oldest(held)
            held.engine.forget_errors()
            made = Binding(held.engine, shapes, held.scratch)
        made.place(held.feeds, held.results)
        held.bindings[shapes] = made
        return made

    def _move(self, held: _Loaded, binding: Binding, arrays: Sequence[Tensor | OnGpu]) -> None:
        """Host arrays go up in one copy; device arrays are copied where they belong."""
        cuda, stream = held.lane.cuda, held.lane.stream
        cuda.wait_mark(held.uploaded)
        host: list[tuple[Slot, Tensor]] = []
        for slot, array in zip(binding.inputs, arrays, strict=True):
            if isinstance(array, OnGpu):
                target = held.feeds + slot.offset
                cuda.on_device(target, array.address, slot.size_bytes, stream)
            else:
                np.copyto(slot.view(held.feeds_host), array, casting="no")
                host.append((slot, array))
        if len(host) == len(arrays):
            cuda.to_device(held.feeds, held.feeds_host[: binding.input_bytes], stream)
        else:
            for slot, _ in host:
                part = held.feeds_host[slot.offset : slot.offset + slot.size_bytes]
                cuda.to_device(held.feeds + slot.offset, part, stream)
        cuda.mark(held.uploaded, stream)

    def _drop_oldest(self, held: _Loaded) -> None:
        """Waits for the stream: the oldest may be the one that runs."""
        held.lane.cuda.wait(held.lane.stream)
        _, binding = held.bindings.popitem(last=False)
        binding.close(held.lane.cuda)

    def _drop_bindings(self, held: _Loaded) -> None:
        while held.bindings:
            held.bindings.popitem()[1].close(held.lane.cuda)

    def _wrong(self, what: str) -> EngineError:
        return EngineError(f"model {self.model_id}: {what}")


def _unwritable(view: Tensor) -> Tensor:
    view.flags.writeable = False
    return view
