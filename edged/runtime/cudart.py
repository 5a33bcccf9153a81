"""The few calls of CUDA's runtime library that sessions on onnxruntime need, by ctypes.

One stream a thread, pinned host memory, copies between the two.  The library is the one
that the CUDA provider has loaded, found by its soname, so both see one CUDA context.
"""

from __future__ import annotations

import ctypes
import weakref
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edged.errors import EngineError
from edged.runtime.failures import LOST, OUT_OF_MEMORY, ExhaustedError, LostError

_NON_BLOCKING = 1
_TO_DEVICE, _TO_HOST, _ON_DEVICE = 1, 2, 3
"""cudaMemcpyKind."""


_KEPT_BLOCKS = 8
"""Page-locked blocks of one size that wait to be used again: locking pages is slow."""


@lru_cache(maxsize=1)
def _library(major: int) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(f"libcudart.so.{major}")
    except OSError as error:
        msg = f"CUDA's runtime library libcudart.so.{major} is not loaded; see `edged doctor`"
        raise EngineError(msg) from error


class Cudart:
    """CUDA's runtime library of one major version, and page-locked memory.

    Args:
        major: of the CUDA version that the provider was built for.

    Raises:
        EngineError: it cannot be loaded.
    """

    def __init__(self, major: int) -> None:
        self._lib = _library(major)
        self._blocks: dict[int, list[int]] = {}

    def call(self, name: str, *arguments: Any) -> None:
        """Calls a function.

        Raises:
            EngineError: it failed.
        """
        code = int(getattr(self._lib, name)(*arguments))
        if code == OUT_OF_MEMORY:
            raise ExhaustedError(f"the GPU or its pinned memory has no room ({name})")
        if code in LOST:
            raise LostError(f"CUDA failed: {name} gave error {code}; restart edged")
        if code:
            raise EngineError(f"CUDA failed: {name} gave error {code}; see `edged doctor`")

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array in page-locked memory, which is used again when nothing refers to it.

        The caller sees to it that no copy is under way when it lets go.
        """
        kind = np.dtype(dtype)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        room = 1 << max(12, (size - 1).bit_length())
        waiting = self._blocks.setdefault(room, [])
        place = waiting.pop() if waiting else self._lock(room)
        memory = (ctypes.c_ubyte * room).from_address(place)
        weakref.finalize(memory, self._give_back, place, room).atexit = False
        flat: NDArray[Any] = np.ctypeslib.as_array(memory)
        return flat[:size].view(kind).reshape(shape)

    def _lock(self, size_bytes: int) -> int:
        place = ctypes.c_void_p()
        size = ctypes.c_size_t(size_bytes)
        self.call("cudaHostAlloc", ctypes.byref(place), size, ctypes.c_uint(0))
        return int(place.value or 0)

    def _give_back(self, place: int, size_bytes: int) -> None:
        waiting = self._blocks[size_bytes]
        if len(waiting) < _KEPT_BLOCKS:
            waiting.append(place)
        else:
            self._lib.cudaFreeHost(ctypes.c_void_p(place))


class Stream:
    """Work of one thread on the GPU, in order; sessions share it, so that theirs is, too.

    It lives as long as the process: a session's last copies may outlive the session.

    Args:
        cudart: the library.
    """

    def __init__(self, cudart: Cudart) -> None:
        self.cudart = cudart
        handle = ctypes.c_void_p()
        flags = ctypes.c_uint(_NON_BLOCKING)
        cudart.call("cudaStreamCreateWithFlags", ctypes.byref(handle), flags)
        self.handle = int(handle.value or 0)

    def upload(self, array: NDArray[Any], device_ptr: int) -> None:
        """Copy to the device; `array` is contiguous and stays as it is until `wait`."""
        self._copy(device_ptr, array.ctypes.data, array.nbytes, _TO_DEVICE)

    def download(self, device_ptr: int, array: NDArray[Any]) -> None:
        """Copy into a contiguous array, which is whole after `wait`."""
        self._copy(array.ctypes.data, device_ptr, array.nbytes, _TO_HOST)

    def move(self, from_ptr: int, to_ptr: int, size_bytes: int) -> None:
        """Copy on the device."""
        self._copy(to_ptr, from_ptr, size_bytes, _ON_DEVICE)

    def wait(self) -> None:
        """Until everything is done.

        Raises:
            EngineError: something of it failed.
        """
        self.cudart.call("cudaStreamSynchronize", ctypes.c_void_p(self.handle))

    def _copy(self, to: int, origin: int, size_bytes: int, kind: int) -> None:
        if size_bytes:
            self.cudart.call(
                "cudaMemcpyAsync",
                ctypes.c_void_p(to),
                ctypes.c_void_p(origin),
                ctypes.c_size_t(size_bytes),
                ctypes.c_int(kind),
                ctypes.c_void_p(self.handle),
            )
