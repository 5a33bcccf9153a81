"""The sessions of a daemon: what the configuration says of runtimes and engines, applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import cache, partial

from edged.config import Config, RuntimeTable
from edged.daemon.residency import AsTheyAre, Shelf
from edged.recipe import Recipe
from edged.runtime.build.pictures import PictureEngines, PictureShelf
from edged.runtime.build.store import EngineStore
from edged.runtime.build.subject import Model
from edged.runtime.choice import Wish
from edged.runtime.cpu import open_on_cpu
from edged.runtime.cuda import CudaSession
from edged.runtime.cuda_options import CudaSettings
from edged.runtime.driver_wait import awaited
from edged.runtime.machine import CPU, Machine
from edged.runtime.onnx import OnnxSession
from edged.runtime.serve import Event, Means, Serving
from edged.runtime.session import Meter, Session
from edged.runtime.visible_gpu import show_gpu
from edged.store import ModelStore


def machine_of(runtime: RuntimeTable, tell: Callable[[str], None] | None = None) -> Machine:
    """The runtimes of this machine, with the settings of a configuration.

    Args:
        runtime: of the configuration.
        tell: told what is waited for, a GPU that is wished for and not ready yet; None
            does not wait, as for a command.
    """
    show_gpu(runtime.gpu)
    wished = (runtime.require or runtime.prefer or CPU) != CPU
    if tell is None or not wished:
        return Machine(cuda=cuda_settings(runtime))
    wait = partial(awaited, runtime.wait_for_gpu_s, tell)
    return Machine(cuda=cuda_settings(runtime), ask_driver=wait)


def serving(config: Config, meter: Meter, event: Event, machine: Machine) -> Serving:
    """What opens the models of a configuration.

    Args:
        config: checked.
        meter: counts the time inside sessions.
        event: takes events.
        machine: its runtimes.

    Raises:
        EngineError: the required runtime cannot work here.
    """
    runtime = config.runtime

    def open_cpu(model: Model) -> AbstractContextManager[Session]:
        return open_on_cpu(model.path, model.recipe, threads=runtime.threads, meter=meter)

    means = Means(
        machine=machine,
        engines=EngineStore(config.engines),
        open_cpu=open_cpu,
        meter=meter,
        background=config.engines.background,
    )
    return Serving(Wish(runtime.require, runtime.prefer), means, event)


def picture_shelves(
    config: Config, meter: Meter, machine: Machine, stack: ExitStack
) -> Callable[[str], Shelf | None]:
    """Where the graphs that work on frames come from, for a runtime that can hold frames.

    TensorRT-RTX cannot: its sessions take and give host memory.

    Args:
        config: checked.
        meter: counts the time inside sessions.
        machine: its runtimes.
        stack: ends what is built in the background.
    """
    cuda, threads = cuda_settings(config.runtime), config.runtime.threads

    def on_cpu(name: str, graph: bytes) -> Session:
        return OnnxSession(graph, model_id=name, threads=threads, meter=meter)

    def on_cuda(name: str, graph: bytes) -> Session:
        return CudaSession(graph, model_id=name, settings=cuda, meter=meter)

    @cache
    def shelf_of(runtime: str) -> Shelf | None:
        if runtime == "tensorrt":
            shelf = PictureShelf(PictureEngines(config.engines, machine.backend(runtime)), meter)
            stack.callback(shelf.close)
            return shelf
        opened = {"cpu": on_cpu, "cuda": on_cuda}.get(runtime)
        return AsTheyAre(opened) if opened else None

    return shelf_of


def cuda_settings(runtime: RuntimeTable) -> CudaSettings:
    """What the configuration says of sessions on the CUDA provider."""
    return CudaSettings(
        memory_mb=runtime.gpu_memory_mb,
        graphs=runtime.cuda_graphs,
        tf32=runtime.tf32,
        options=runtime.cuda_options,
    )


def model_of(
    config: Config, store: ModelStore, recipes: Mapping[str, Recipe], model_id: str
) -> Model:
    """A model that is here and whose hash was checked.

    Raises:
        ModelError: it is absent or damaged, with the command that helps.
    """
    return Model(
        recipe=recipes[model_id],
        path=store.ready(model_id),
        sha256=store.sha256(model_id),
        calibration=config.models.folder.parent / "calibration",
    )
