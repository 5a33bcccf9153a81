"""Builds the pipeline that a configuration asks for: models, guard, characters, templates.

Everything is loaded and run once here, before the engine says that it is ready, so that
no visitor waits for a first inference and no model turns out to be broken at a shot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from edged import calibration
from edged.builtin.pack import PACK_VERSION, write_pack
from edged.config import Config
from edged.daemon import sessions
from edged.daemon.casting import cast_all, enrol
from edged.daemon.host_scenes import host_scenes
from edged.daemon.loading import Shelf, load_detectors, load_stages
from edged.daemon.residency import Residency
from edged.daemon.warming import warm
from edged.faces import Image, Points
from edged.geometry import Matrix
from edged.pipeline.parts import Stages
from edged.pipeline.pipeline import Pipeline
from edged.privacy.guard import Guard
from edged.recipe import Recipe, list_recipes, with_converters
from edged.runtime.build.subject import Model
from edged.runtime.cpu import open_on_cpu
from edged.runtime.machine import CPU, Machine
from edged.runtime.serve import Event, Serving
from edged.runtime.session import Meter, RuntimeChoice, Session
from edged.stages.align import crops, matrices
from edged.stages.embed import SIZE_PX
from edged.stages.search import Detector
from edged.store import ModelStore

log = logging.getLogger(__name__)

Progress = Callable[[str], None]
"""Told what is being done, for whoever waits at the terminal."""


WARM_FACES = 4
"""Faces of one picture that no visitor waits longer for the first time."""


@dataclass(repr=False)
class Kit:
    """A loaded pipeline and what `info` says of it.

    Attributes:
        recipes: of the models in use, by id.
        serving: which runtime serves each model, and what changes that.
        residency: where frames are worked on.
        host_scenes: why scenes are made in host memory all the same, by name.
        calibrated: whether the guard has bounds for these models.
        hashes: SHA-256 of the file that each model was loaded from, by id.
    """

    pipeline: Pipeline
    stages: Stages
    guard: Guard
    recipes: dict[str, Recipe]
    serving: Serving
    residency: Residency
    host_scenes: dict[str, str]
    calibrated: bool
    hashes: Mapping[str, str]

    @property
    def choice(self) -> RuntimeChoice:
        """The runtime and why, as it is now."""
        return self.serving.choice


@dataclass(frozen=True, repr=False)
class Loaded:
    """The models of a configuration, open.

    Attributes:
        recipes: of the models in use, by id.
        serving: which runtime serves each.
        machine: its runtimes.
        hashes: SHA-256 of the file that each was loaded from, by id.
    """

    stages: Stages
    recipes: dict[str, Recipe]
    serving: Serving
    machine: Machine
    hashes: Mapping[str, str]


def assemble(
    config: Config,
    stack: ExitStack,
    progress: Progress = lambda _: None,
    *,
    event: Event = lambda *_: None,
    machine: Machine | None = None,
    make_guard: Callable[..., Guard] = Guard,
) -> Kit:
    """Load and warm everything, on the thread that will run it.

    Args:
        config: checked.
        stack: closes the sessions, on this thread.
        progress: told each step.
        event: takes events of engines and models.
        machine: runtimes to choose from; this machine's own, where none is given.
        make_guard: makes the guard; who looks on may hand in another maker.

    Raises:
        ModelError, EngineError, ConfigError: with what to do.
    """
    loaded = open_stages(config, stack, progress, event=event, machine=machine)
    stages, used, serving = loaded.stages, loaded.recipes, loaded.serving
    progress("warming up")
    on_gpu = any(choice.name != CPU for choice in serving.models.values())
    warm(stages, config, WARM_FACES if on_gpu else 1)
    bounds = _bounds(config)
    if bounds is None:
        log.error(
            "guard: no calibrated bounds for recogniser %s with swapper %s: every picture "
            "will be refused; measure them on photos of 7 people or more: %s",
            config.models.guard_recogniser,
            config.models.swapper,
            calibration.how_to_measure(),
        )
    guard = make_guard(
        align=_align, alignment_of=_alignment, recognise=stages.recogniser, bounds=bounds
    )
    progress("preparing characters and templates")
    residency = stack.enter_context(
        Residency(
            config.runtime.resident,
            lambda model_id: serving.models[model_id].name,
            used,
            config.models.swapper,
            sessions.picture_shelves(config, stages.meter, loaded.machine, stack),
        )
    )
    pipeline, on_host = make_pipeline(config, stages, guard, used, residency)
    serving.start(stack)
    known, hashes = bounds is not None, loaded.hashes
    return Kit(pipeline, stages, guard, used, serving, residency, on_host, known, hashes)


def make_pipeline(
    config: Config,
    stages: Stages,
    guard: Guard,
    recipes: Mapping[str, Recipe],
    residency: Residency,
) -> tuple[Pipeline, dict[str, str]]:
    """Characters, templates and what works on frames; and why scenes are made on the host.

    Args:
        config: checked.
        stages: loaded.
        guard: the checks.
        recipes: of the models in use, by id.
        residency: where frames are worked on.

    Raises:
        ConfigError: a picture cannot be read or shows no usable face.
    """
    characters, templates = cast_all(config, stages)
    on_host = host_scenes(config.scenes, recipes)
    for name, reason in on_host.items():
        log.info("scene %s is made in host memory: %s", name, reason)
    pipeline = Pipeline(
        stages,
        guard,
        config.guard,
        characters=characters,
        templates=templates,
        wearers=enrol(config, stages),
        easel=residency,
        host_scenes=on_host,
    )
    return pipeline, on_host


def open_stages(
    config: Config,
    stack: ExitStack,
    progress: Progress = lambda _: None,
    *,
    event: Event = lambda *_: None,
    machine: Machine | None = None,
) -> Loaded:
    """Load the models alone, for the daemon and for commands that measure with them.

    Args and errors as of :func:`assemble`.
    """
    meter = Meter()
    machine = machine or sessions.machine_of(config.runtime, progress)
    serving = sessions.serving(config, meter, event, machine)
    shelf = _shelf(config, stack, serving, meter, progress)
    return Loaded(load_stages(shelf, meter), dict(shelf.recipes), serving, machine, shelf.hashes)


def open_detectors(
    config: Config, stack: ExitStack, progress: Progress = lambda _: None
) -> Sequence[Detector]:
    """Load the detectors alone, for a command that only looks for faces.

    Args and errors as of :func:`assemble`.
    """
    meter, machine = Meter(), sessions.machine_of(config.runtime, progress)
    serving = sessions.serving(config, meter, lambda *_: None, machine)
    return load_detectors(_shelf(config, stack, serving, meter, progress))


def _shelf(
    config: Config, stack: ExitStack, serving: Serving, meter: Meter, progress: Progress
) -> Shelf:
    """Opens the models of a configuration, each when it is first asked for."""
    recipes = list_recipes(config.models.recipes)
    needed = with_converters(config.models.used, recipes)
    used = {model_id: recipes[model_id] for model_id in needed}
    log.info("runtime: %s (%s)", serving.choice.name, serving.choice.reason)
    store = ModelStore(config.models.folder, recipes)
    if any(recipe.builtin and recipe.file for recipe in used.values()):
        progress("making the built-in pack")
        store.ensure_builtin(write_pack, PACK_VERSION)
    opened: dict[str, Session] = {}
    hashes: dict[str, str] = {}

    def model(model_id: str) -> Model:
        progress(f"loading {model_id}")
        found = sessions.model_of(config, store, used, model_id)
        hashes[model_id] = found.sha256
        return found

    def session(model_id: str) -> Session:
        if model_id not in opened:
            opened[model_id] = serving.open(model(model_id), stack)
        return opened[model_id]

    def on_cpu(model_id: str) -> Session:
        found = model(model_id)
        return stack.enter_context(
            open_on_cpu(found.path, found.recipe, threads=config.runtime.threads, meter=meter)
        )

    return Shelf(config, used, session, on_cpu, store, hashes)


def _bounds(config: Config) -> calibration.Bounds | None:
    """Shipped bounds, overridden by the operator's."""
    table = calibration.load(*calibration.guard_files(config.models.folder))
    return table.bounds(config.models.guard_recogniser, config.models.swapper)


def _align(image: Image, matrix: Matrix) -> Image:
    return np.asarray(crops(image, [matrix], SIZE_PX)[0], np.uint8)


def _alignment(points: Points) -> Matrix | None:
    return matrices([points], "arcface_112", SIZE_PX)[0]
