"""The CUDA driver by ctypes: memory, pinned memory, streams, events, graphs.

TensorRT works in the *primary* context of a device; so does everything here, and both see
the same memory and streams.  The primary context is retained once a process and never
released: arrays over pinned memory may outlive every session.

Knows libcuda.so.1 (CUDA 11.4 and later) and nothing of TensorRT.  Ask
:func:`edged.runtime.driver.require` before: a bad driver crashes whoever calls it.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
import weakref
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any, Final

import numpy as np

from edged.errors import EngineError
from edged.faces import Tensor
from edged.runtime.driver_child import LIBRARIES
from edged.runtime.failures import LOST, OUT_OF_MEMORY, ExhaustedError, LostError

_Address = c_uint64
_SIGNATURES: Final[dict[str, tuple[Any, ...]]] = {
    "cuInit": (c_uint,),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDevicePrimaryCtxRetain": (POINTER(c_void_p), c_int),
    "cuCtxSetCurrent": (c_void_p,),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(_Address), c_size_t),
    "cuMemFree_v2": (_Address,),
    "cuMemHostAlloc": (POINTER(c_void_p), c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoDAsync_v2": (_Address, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, _Address, c_size_t, c_void_p),
    "cuMemcpyDtoDAsync_v2": (_Address, _Address, c_size_t, c_void_p),
    "cuStreamCreate": (POINTER(c_void_p), c_uint),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, POINTER(c_void_p)),
    "cuEventCreate": (POINTER(c_void_p), c_uint),
    "cuEventDestroy_v2": (c_void_p,),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventSynchronize": (c_void_p,),
    "cuGraphInstantiateWithFlags": (POINTER(c_void_p), c_void_p, c_uint64),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,),
    "cuGetErrorName": (c_int, POINTER(c_char_p)),
}
"""Argument types of every function used, from cuda.h; each returns a CUresult."""

_NON_BLOCKING: Final = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream
_NO_TIMING: Final = 2  # CU_EVENT_DISABLE_TIMING
_THREAD_LOCAL: Final = 1  # CU_STREAM_CAPTURE_MODE_THREAD_LOCAL: other threads go on


class GpuMemoryError(ExhaustedError):
    """Raised when the GPU has no room for an allocation; what is smaller may still fit."""


class Cuda:
    """One device's primary context.

    Args:
        index: of the device.
        libraries: where the driver is looked for.

    Raises:
        EngineError: no driver, or it refuses.
    """

    def __init__(self, index: int = 0, libraries: Sequence[str] = LIBRARIES) -> None:
        self._library = _load(libraries)
        self._call("cuInit", 0)
        device, context = c_int(), c_void_p()
        self._call("cuDeviceGet", ctypes.byref(device), index)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.index = index
        self._context = context

    def bind(self) -> None:
        """Make the context the calling thread's current one."""
        self._call("cuCtxSetCurrent", self._context)

    def allocate(self, size_bytes: int) -> int:
        """Address of new device memory.

        Raises:
            GpuMemoryError: there is no room.
        """
        address = _Address()
        self._call("cuMemAlloc_v2", ctypes.byref(address), max(1, size_bytes), asked=size_bytes)
        return int(address.value)

    def free(self, address: int) -> None:
        """Give device memory back; waits for what still uses it."""
        self._quietly("cuMemFree_v2", address)

    def pinned(self, size_bytes: int) -> Tensor:
        """(size_bytes,) uint8 in page-locked host memory, which lives as long as any view."""
        address = c_void_p()
        size_bytes = max(1, size_bytes)
        self._call("cuMemHostAlloc", ctypes.byref(address), size_bytes, 0, asked=size_bytes)
        block = (ctypes.c_ubyte * size_bytes).from_address(int(address.value or 0))
        finalizer = weakref.finalize(block, self._quietly, "cuMemFreeHost", address)
        finalizer.atexit = False  # the driver is gone by then
        return np.frombuffer(memoryview(block), np.uint8)

    def to_device(self, address: int, source: Tensor, stream: int) -> None:
        """Copy C-contiguous pinned memory; it stays as it is until the stream has done it."""
        self._call("cuMemcpyHtoDAsync_v2", address, source.ctypes.data, source.nbytes, stream)

    def to_host(self, target: Tensor, address: int, stream: int) -> None:
        """Copy into C-contiguous pinned memory; read it after the stream has done it."""
        self._call("cuMemcpyDtoHAsync_v2", target.ctypes.data, address, target.nbytes, stream)

    def on_device(self, target: int, source: int, size_bytes: int, stream: int) -> None:
        """Copy from device memory to device memory."""
        self._call("cuMemcpyDtoDAsync_v2", target, source, size_bytes, stream)

    def make_stream(self) -> int:
        """A stream that does not wait for the default one."""
        return self._made("cuStreamCreate", _NON_BLOCKING)

    def drop_stream(self, stream: int) -> None:
        """Destroy a stream once it has done its work."""
        self._quietly("cuStreamDestroy_v2", stream)

    def wait(self, stream: int) -> None:
        """Wait until the stream has done all of its work.

        Raises:
            EngineError: something in it failed.
        """
        self._call("cuStreamSynchronize", stream)

    def make_event(self) -> int:
        """A mark in a stream."""
        return self._made("cuEventCreate", _NO_TIMING)

    def drop_event(self, event: int) -> None:
        """Destroy a mark."""
        self._quietly("cuEventDestroy_v2", event)

    def mark(self, event: int, stream: int) -> None:
        """Put the mark behind what the stream has to do by now."""
        self._call("cuEventRecord", event, stream)

    def wait_mark(self, event: int) -> None:
        """Wait until the mark is reached; at once when it was never put."""
        self._call("cuEventSynchronize", event)

    def begin_capture(self, stream: int) -> None:
        """Record what this thread puts into the stream from now on, instead of doing it."""
        self._call("cuStreamBeginCapture_v2", stream, _THREAD_LOCAL)

    def end_capture(self, stream: int) -> int:
        """A graph of what was recorded, ready to launch.

        Raises:
            EngineError: something was recorded that no graph can hold.
        """
        graph = c_void_p()
        self._call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            return self._made("cuGraphInstantiateWithFlags", graph, 0)
        finally:
            self._quietly("cuGraphDestroy", graph)

    def abandon_capture(self, stream: int) -> None:
        """End a recording that went wrong; the stream works again."""
        graph = c_void_p()
        with contextlib.suppress(EngineError):
            self._call("cuStreamEndCapture", stream, ctypes.byref(graph))
        if graph.value:
            self._quietly("cuGraphDestroy", graph)

    def launch(self, graph: int, stream: int) -> None:
        """Put a graph into a stream."""
        self._call("cuGraphLaunch", graph, stream)

    def drop_graph(self, graph: int) -> None:
        """Destroy a graph."""
        self._quietly("cuGraphExecDestroy", graph)

    def _made(self, function: str, *arguments: Any) -> int:
        handle = c_void_p()
        self._call(function, ctypes.byref(handle), *arguments)
        return int(handle.value or 0)

    def _quietly(self, function: str, *arguments: Any) -> None:
        """Gives something back: there is nothing to do about a failure of that."""
        with contextlib.suppress(EngineError):
            self.bind()
            self._call(function, *arguments)

    def _call(self, function: str, *arguments: Any, asked: int = 0) -> None:
        """Calls the driver; `asked` bytes are named when it has no room for them."""
        code = int(getattr(self._library, function)(*arguments))
        if not code:
            return
        name = c_char_p()
        self._library.cuGetErrorName(code, ctypes.byref(name))
        label = name.value.decode("ascii", "replace") if name.value else "unknown"
        if code == OUT_OF_MEMORY:
            raise GpuMemoryError(
                f"the GPU has no room for {asked / 1024**2:.0f} MiB ({self._free_text()}); stop "
                "what else uses it, or use fewer or smaller models"
            )
        said = f"CUDA's {function} failed with {label} ({code})"
        if code in LOST:
            cure = "nothing runs on the GPU in this process any more: restart edged"
            raise LostError(f"{said}; {cure}")
        raise EngineError(f"{said}; run: edged doctor")

    def _free_text(self) -> str:
        free, total = c_size_t(), c_size_t()
        if self._library.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)):
            return "how much is free is not known"
        return f"{free.value // 1024**2} of {total.value // 1024**2} MiB are free"


def _load(libraries: Sequence[str]) -> Any:
    reasons = []
    for name in libraries:
        try:
            library = ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
            for function, types in _SIGNATURES.items():
                getattr(library, function).argtypes = types
        except (OSError, AttributeError) as error:  # noqa: PERF203 - three names
            reasons.append(str(error)[:200])
        else:
            return library
    raise EngineError(f"the CUDA driver does not load ({reasons[0]}); run: edged doctor")


_devices: dict[int, Cuda] = {}
_devices_lock = threading.Lock()


def device(index: int = 0) -> Cuda:
    """The device's context, made once a process.

    Raises:
        EngineError: no driver, or it refuses.
    """
    with _devices_lock:
        if index not in _devices:
            _devices[index] = Cuda(index)
        return _devices[index]
