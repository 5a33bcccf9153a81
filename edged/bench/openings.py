"""How the bench opens a graph on a runtime: the one that was asked for, or an error.

The CPU takes a graph from memory; every other runtime builds its artifact in a folder that
is thrown away, since engines of random weights must never stand beside real ones.  Knows
runtimes by their names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx

from edged.bench.unbound import UnboundCuda
from edged.errors import ConfigError, EngineError
from edged.recipe import Batch
from edged.runtime.backend import Backend
from edged.runtime.build.backends import BACKENDS
from edged.runtime.build.profile import profile_of
from edged.runtime.cuda_open import half_weights
from edged.runtime.cuda_options import CudaSettings
from edged.runtime.machine import CPU, Machine
from edged.runtime.onnx import OnnxSession
from edged.runtime.pictures import profile_of_picture
from edged.runtime.session import Meter, Session
from edged.runtime.settings import BuildSettings

UNBINDABLE = "cuda"
"""The runtime that can be measured without IOBinding."""

RUNTIMES = (*BACKENDS, CPU)

Open = Callable[[onnx.ModelProto, str, Batch, Meter], AbstractContextManager[Session]]
"""Opens a prepared graph: graph, model id, faces in one run, meter."""


@dataclass(frozen=True)
class Opening:
    """A runtime that works here.

    Attributes:
        name: "cpu", "cuda", "tensorrt-rtx" or "tensorrt".
        identity: versions, driver, GPU; empty for the CPU.
        half: whether it computes FP16 in FP16.
        device: whether its sessions can leave arrays on a device of their own.
        open: an entered session over a prepared graph.
    """

    name: str
    identity: Mapping[str, str]
    half: bool
    open: Open
    device: bool = False


def opening(
    name: str,
    *,
    threads: int = 0,
    cuda: CudaSettings | None = None,
    bound: bool = True,
    machine: Machine | None = None,
) -> Opening:
    """The runtime of a name.

    Args:
        name: one of :data:`RUNTIMES`.
        threads: of the CPU; 0 leaves it to the runtime.
        cuda: settings of sessions on the CUDA provider.
        bound: False leaves IOBinding out, and with it CUDA graphs; "cuda" alone can.
        machine: its runtimes; this machine's own, where none is given.

    Raises:
        ConfigError: there is no such runtime, or it always binds its buffers.
        EngineError: it cannot work here, with the cure.
    """
    settings = cuda or CudaSettings()
    if name not in RUNTIMES:
        msg = f"--runtime {name!r}: no such runtime; known: {', '.join(RUNTIMES)}"
        raise ConfigError(msg)
    if not bound and (name != UNBINDABLE or settings.graphs):
        msg = f"--no-binding: only --runtime {UNBINDABLE} with --no-graphs runs without IOBinding"
        raise ConfigError(msg)
    machine = machine or Machine(cuda=settings)
    refusal = machine.refusal(name)
    if refusal is not None:
        msg = f"bench on {name}: {refusal.text} (nothing else is measured in its place)"
        raise EngineError(msg)
    if name == CPU:
        return Opening(CPU, {}, half=False, open=_on_cpu(threads))
    backend = machine.backend(name)
    return Opening(
        name,
        backend.identity(),
        half=True,
        open=_built_by(backend) if bound else _unbound(settings),
        device=bound and name in {"cuda", "tensorrt"},
    )


def _unbound(settings: CudaSettings) -> Open:
    """Sessions on the CUDA provider from memory, without IOBinding."""

    @contextmanager
    def entered(
        model: onnx.ModelProto, model_id: str, _batch: Batch, meter: Meter
    ) -> Iterator[Session]:
        raw = model.SerializeToString()
        half = half_weights(model)
        with UnboundCuda(
            raw, model_id=model_id, settings=settings, meter=meter, half=half
        ) as session:
            yield session

    return entered


def _on_cpu(threads: int) -> Open:
    """Sessions from memory."""

    @contextmanager
    def entered(
        model: onnx.ModelProto, model_id: str, _batch: Batch, meter: Meter
    ) -> Iterator[Session]:
        raw = model.SerializeToString()
        with OnnxSession(raw, model_id=model_id, threads=threads, meter=meter) as session:
            del raw
            yield session

    return entered


def _built_by(backend: Backend) -> Open:
    """Sessions over artifacts that are built first."""

    @contextmanager
    def entered(
        model: onnx.ModelProto, model_id: str, batch: Batch, meter: Meter
    ) -> Iterator[Session]:
        with tempfile.TemporaryDirectory(prefix="edged-bench-") as name:
            source, folder = Path(name) / "source.onnx", Path(name) / "engine"
            folder.mkdir()
            source.write_bytes(model.SerializeToString())
            settings = BuildSettings(folder=Path(name))
            frames = any(one.name == "frame" for one in model.graph.input)
            profile = profile_of_picture(model) if frames else profile_of(model, batch)
            backend.build(source, profile, folder / backend.artifact, settings, _silent)
            source.unlink()
            with backend.open(folder, model_id=model_id, meter=meter) as session:
                yield session

    return entered


def _silent(_phase: str, _share: float) -> None:
    """Nobody watches one build of many."""
