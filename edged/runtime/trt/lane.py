"""A thread's stream on one GPU, and the arrays that its sessions hand to one another.

All sessions of a thread share one stream, so that what one leaves on the device is there
when the next one reads it, without waiting.  Memory of uploads goes round: allocating
waits for the GPU, and a frame is uploaded many times a second.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from edged.errors import EngineError
from edged.faces import Tensor
from edged.runtime.trt.cuda import Cuda, device

SPARE_BYTES: Final = 256 * 1024**2
"""Memory kept for the next upload: ten 4K frames; above it memory goes back at once."""


@dataclass(frozen=True, eq=False)
class Block:
    """Device memory with a pinned twin of the same size.

    Attributes:
        address: on the device.
        staging: (n,) uint8, pinned.
        event: reached when the last copy out of `staging` is done.
    """

    address: int
    staging: Tensor
    event: int


class Lane:
    """One stream; use :func:`lane` to get the calling thread's.

    Args:
        cuda: the device.
    """

    def __init__(self, cuda: Cuda) -> None:
        self.cuda = cuda
        cuda.bind()
        self.stream = cuda.make_stream()
        self.users = 0
        self.closed = False
        self._spare: dict[int, list[Block]] = {}
        self._spare_bytes = 0

    def take(self, size_bytes: int) -> Block:
        """Memory of exactly this size, new or used before.

        Raises:
            GpuMemoryError: there is no room.
        """
        spare = self._spare.get(size_bytes)
        if spare:
            self._spare_bytes -= size_bytes
            return spare.pop()
        address = self.cuda.allocate(size_bytes)
        try:
            return Block(address, self.cuda.pinned(size_bytes), self.cuda.make_event())
        except EngineError:
            self.cuda.free(address)
            raise

    def give(self, block: Block) -> None:
        """Take memory back; work that is in the stream still sees it unchanged."""
        size_bytes = block.staging.nbytes
        if self.closed or self._spare_bytes + size_bytes > SPARE_BYTES:
            self._drop(block)
        else:
            self._spare_bytes += size_bytes
            self._spare.setdefault(size_bytes, []).append(block)

    def upload(self, array: Tensor) -> OnGpu:
        """A copy on the device; its memory goes back when the last reference goes."""
        source = np.ascontiguousarray(array)
        block = self.take(max(1, source.nbytes))
        self.cuda.wait_mark(block.event)
        staging = block.staging[: source.nbytes]
        staging.view(source.dtype).reshape(source.shape)[...] = source
        self.cuda.to_device(block.address, staging, self.stream)
        self.cuda.mark(block.event, self.stream)
        made = OnGpu(self, block.address, source.shape, source.dtype)
        finalizer = weakref.finalize(made, self.give, block)
        finalizer.atexit = False
        return made

    def download(self, array: OnGpu, into: Tensor | None) -> Tensor:
        """The array in host memory.

        Raises:
            EngineError: it is of another thread or no longer valid, or work before failed.
        """
        array.require(self)
        host = np.empty(array.shape, array.dtype) if into is None else into
        if host.shape != array.shape or host.dtype != array.dtype:
            msg = "the array to download into has another shape or dtype; report this"
            raise EngineError(msg)
        if host.nbytes:
            block = self.take(host.nbytes)
            try:
                self.cuda.wait_mark(block.event)
                self.cuda.to_host(block.staging, array.address, self.stream)
                self.cuda.wait(self.stream)
                host[...] = block.staging.view(host.dtype).reshape(host.shape)
            finally:
                self.give(block)
        return host

    def close(self) -> None:
        """Give everything back once the stream is done, arrays still held when they go."""
        self.closed = True
        self.cuda.bind()
        for blocks in self._spare.values():
            for block in blocks:
                self._drop(block)
        self._spare.clear()
        self._spare_bytes = 0
        self.cuda.drop_stream(self.stream)

    def _drop(self, block: Block) -> None:
        self.cuda.drop_event(block.event)
        self.cuda.free(block.address)


class OnGpu:
    """An array in device memory; see :class:`edged.runtime.session.DeviceArray`.

    Args:
        lane: that it belongs to.
        address: of its first byte.
        shape: extents.
        dtype: numpy dtype.
    """

    def __init__(
        self, lane: Lane, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.address = address
        self.stale = False
        self._lane = lane

    @property
    def size_bytes(self) -> int:
        """What it takes on the device."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def require(self, lane: Lane) -> None:
        """Raises EngineError unless the lane may read it now.

        A session overwrites its outputs in its next run: who kept one would read another
        face's, and must learn of it instead.
        """
        if self._lane is not lane or lane.closed:
            msg = "an array on the GPU was used by another thread than its own; report this"
            raise EngineError(msg)
        if self.stale:
            msg = "an output on the GPU was used after its session ran again; report this"
            raise EngineError(msg)


class _Mine(threading.local):
    """The calling thread's lanes by device."""

    def __init__(self) -> None:
        self.lanes: dict[int, Lane] = {}


_mine = _Mine()


def hold_lane(index: int = 0) -> Lane:
    """The calling thread's lane on a device; each hold needs one :func:`release_lane`.

    Raises:
        EngineError: the driver refuses.
    """
    if index not in _mine.lanes:
        _mine.lanes[index] = Lane(device(index))
    found = _mine.lanes[index]
    found.cuda.bind()
    found.users += 1
    return found


def release_lane(found: Lane) -> None:
    """Let a lane go; the last user closes it."""
    found.users -= 1
    if found.users == 0:
        if _mine.lanes.get(found.cuda.index) is found:
            del _mine.lanes[found.cuda.index]
        found.close()
