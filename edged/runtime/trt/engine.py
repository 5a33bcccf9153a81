"""A plan taken into memory: its inputs and outputs, and contexts to run it with.

Deserialising a plan can crash the process: only :mod:`edged.runtime.trt.session` and its
trial do it, after they have asked the driver.  Knows no feeds and no threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edged.errors import EngineError
from edged.runtime.session import TensorSpec
from edged.runtime.trt import names
from edged.runtime.trt.cuda import GpuMemoryError
from edged.runtime.trt.log import last_error, make_logger, ran_out_of_memory

Extents = tuple[int, ...]


@dataclass(frozen=True)
class Input:
    """An input and what its profile takes.

    Attributes:
        spec: name, extents and dtype.
        low, usual, high: the profile's extents.
    """

    spec: TensorSpec
    low: Extents
    usual: Extents
    high: Extents

    def takes(self, shape: Extents) -> bool:
        """Whether the extents are within the profile."""
        return len(shape) == len(self.low) and all(
            low <= extent <= high
            for low, extent, high in zip(self.low, shape, self.high, strict=True)
        )


class Engine:
    """A deserialised plan; made and used on one thread, on which CUDA's context is current.

    Args:
        trt: NVIDIA's module.
        plan: file.
        model_id: for messages.

    Raises:
        EngineError: TensorRT does not take it.
        GpuMemoryError: the GPU has no room for its weights.
    """

    def __init__(self, trt: Any, plan: Path, model_id: str) -> None:
        self.trt = trt
        self.model_id = model_id
        self.logger = make_logger(trt)
        self._rebuild = f"build it again: edged engines build {model_id} --force"
        try:
            self._runtime = trt.Runtime(self.logger)
        except TypeError as error:  # its factory gave a null pointer
            raise self.failure("does not start") from error
        try:
            content = plan.read_bytes()
        except OSError as error:
            msg = f"model {model_id}: {plan.name} cannot be read ({error.strerror})"
            raise EngineError(f"{msg}; {self._rebuild}") from error
        self.handle = self._runtime.deserialize_cuda_engine(content)
        if self.handle is None:
            raise self.failure("does not take the plan", self._rebuild)
        self.scratch_bytes = names.scratch_bytes(self.handle)
        self.inputs: tuple[Input, ...] = ()
        self.outputs: tuple[TensorSpec, ...] = ()
        self._read_tensors()

    def _read_tensors(self) -> None:
        modes = self.trt.TensorIOMode
        for index in range(self.handle.num_io_tensors):
            name = self.handle.get_tensor_name(index)
            shape = tuple(self.handle.get_tensor_shape(name))
            dtype = names.numpy_dtype(self.handle.get_tensor_dtype(name))
            if self.handle.get_tensor_location(name) != self.trt.TensorLocation.DEVICE:
                raise self.failure(f"wants {name} in host memory", self._rebuild)
            spec = TensorSpec(name, tuple(d if d >= 0 else None for d in shape), dtype)
            if self.handle.get_tensor_mode(name) == modes.INPUT:
                ranges = [tuple(d) for d in self.handle.get_tensor_profile_shape(name, 0)]
                self.inputs = (*self.inputs, Input(spec, *ranges))
            else:
                self.outputs = (*self.outputs, spec)

    def context(self, shapes: tuple[Extents, ...], scratch: int) -> Any:
        """A context for these input extents, in scratch memory at an address.

        Raises:
            EngineError: TensorRT makes none, or an output's extents depend on values.
        """
        context = names.make_context(self.trt, self.handle, scratch, self.scratch_bytes)
        if context is None:
            raise self.failure("makes no context")
        for entry, shape in zip(self.inputs, shapes, strict=True):
            if not context.set_input_shape(entry.spec.name, shape):
                raise self.failure(f"refuses the extents of input {entry.spec.name}")
        if context.infer_shapes():
            raise self.failure("does not know all extents")
        return context

    def output_slots(self, context: Any) -> list[tuple[str, Extents, np.dtype[Any]]]:
        """Name, extents and dtype of every output under the context's input extents.

        Raises:
            EngineError: one depends on values, so that it has no place to be put.
        """
        found = []
        for spec in self.outputs:
            shape = tuple(int(extent) for extent in context.get_tensor_shape(spec.name))
            if any(extent < 0 for extent in shape):
                raise self.failure(f"has no fixed extents for output {spec.name}")
            found.append((spec.name, shape, spec.dtype))
        return found

    def failure(self, what: str, cure: str = "run: edged doctor") -> EngineError:
        """An error of this engine, with TensorRT's last words."""
        text = f"model {self.model_id}: TensorRT {what} ({last_error(self.logger)})"
        if ran_out_of_memory(self.logger):
            return GpuMemoryError(f"{text}; stop what else uses the GPU, or use fewer models")
        return EngineError(f"{text}; {cure}")

    def forget_errors(self) -> None:
        """What went wrong before has been dealt with."""
        self.logger.errors.clear()

    def close(self) -> None:
        """Let plan and runtime go, in this order; contexts must be gone."""
        self.handle = None
        self._runtime = None
