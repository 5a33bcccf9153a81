"""Builds the pipeline that a configuration asks for: models, guard, characters, templates.

Everything is loaded and run once here, before the engine says that it is ready, so that
no visitor waits for a first inference and no model turns out to be broken at a shot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from edged import calibration
from edged.builtin.mask import inner_face_mask
from edged.builtin.pack import PACK_VERSION, write_pack
from edged.cast import Character, Template, make_character, make_template
from edged.config import BUILTIN_PHOTO, Config
from edged.daemon import sessions
from edged.daemon.pictures import builtin_character, builtin_poster, read_picture
from edged.daemon.residency import Residency
from edged.errors import ConfigError
from edged.faces import Floats, Image, Points
from edged.geometry import Matrix
from edged.pipeline import Pipeline
from edged.pipeline_parts import Stages
from edged.privacy.guard import Guard
from edged.recipe import Recipe, list_recipes
from edged.runtime.emap import read_emap
from edged.runtime.machine import CPU, Machine
from edged.runtime.serve import Event, Serving
from edged.runtime.session import Meter, RuntimeChoice, Session
from edged.stages.align import crops, matrices
from edged.stages.embed import SIZE_PX, Embedder
from edged.stages.haar_family import HaarFamily
from edged.stages.paste import Mask, oval_mask
from edged.stages.restore import Restorer
from edged.stages.scrfd import Scrfd
from edged.stages.search import Detector, search
from edged.stages.swap import Swapper
from edged.stages.views import Effort
from edged.stages.yunet import YuNet
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
        calibrated: whether the guard has bounds for these models.
    """

    pipeline: Pipeline
    stages: Stages
    recipes: dict[str, Recipe]
    serving: Serving
    residency: Residency
    calibrated: bool

    @property
    def choice(self) -> RuntimeChoice:
        """The runtime and why, as it is now."""
        return self.serving.choice


def assemble(
    config: Config,
    stack: ExitStack,
    progress: Progress = lambda _: None,
    *,
    event: Event = lambda *_: None,
    machine: Machine | None = None,
) -> Kit:
    """Load and warm everything, on the thread that will run it.

    Args:
        config: checked.
        stack: closes the sessions, on this thread.
        progress: told each step.
        event: takes events of engines and models.
        machine: runtimes to choose from; this machine's own, where none is given.

    Raises:
        ModelError, EngineError, ConfigError: with what to do.
    """
    recipes = list_recipes(config.models.recipes)
    used = {model_id: recipes[model_id] for model_id in config.models.used}
    meter = Meter()
    machine = machine or sessions.machine_of(config.runtime)
    serving = sessions.serving(config, meter, event, machine)
    log.info("runtime: %s (%s)", serving.choice.name, serving.choice.reason)
    store = ModelStore(config.models.folder, recipes)
    if any(recipe.builtin and recipe.file for recipe in used.values()):
        progress("making the built-in pack")
        store.ensure_builtin(write_pack, PACK_VERSION)
    opened: dict[str, Session] = {}

    def session(model_id: str) -> Session:
        if model_id not in opened:
            progress(f"loading {model_id}")
            model = sessions.model_of(config, store, used, model_id)
            opened[model_id] = serving.open(model, stack)
        return opened[model_id]

    stages = _stages(config, used, session, store, meter)
    progress("warming up")
    on_gpu = any(choice.name != CPU for choice in serving.models.values())
    _warm(stages, config, WARM_FACES if on_gpu else 1)
    bounds = _bounds(config)
    if bounds is None:
        log.error(
            "guard: no calibrated bounds for recogniser %s with swapper %s: every picture "
            "will be refused; measure them and write calibration/guard.toml (see the README)",
            config.models.guard_recogniser,
            config.models.swapper,
        )
    guard = Guard(align=_align, alignment_of=_alignment, recognise=stages.recogniser, bounds=bounds)
    progress("preparing characters and templates")
    characters, templates = _cast(config, stages)
    residency = stack.enter_context(
        Residency(
            config.runtime.resident,
            lambda model_id: serving.models[model_id].name,
            used,
            config.models.swapper,
            sessions.picture_shelves(config, meter, machine, stack),
        )
    )
    pipeline = Pipeline(
        stages,
        guard,
        config.guard,
        characters=characters,
        templates=templates,
        easel=residency,
    )
    serving.start(stack)
    return Kit(pipeline, stages, used, serving, residency, bounds is not None)


def _stages(
    config: Config,
    recipes: dict[str, Recipe],
    session: Callable[[str], Session],
    store: ModelStore,
    meter: Meter,
) -> Stages:
    models, thresh = config.models, config.guard.det_thresh
    detectors: list[Detector] = []
    for model_id in models.detectors:
        family = recipes[model_id].family
        if family == "haar":
            detectors.append(_haar(thresh, config.guard.sizes_px))
        elif family == "scrfd":
            detectors.append(Scrfd(session(model_id), thresh))
        else:
            detectors.append(YuNet(session(model_id), thresh))

    def most(model_id: str) -> int:
        return recipes[model_id].batch.max

    contract = recipes[models.swapper].contract
    swapper = Swapper(
        session(models.swapper),
        read_emap(store.ready(models.swapper), models.swapper),
        contract.template,
        contract.size_px,
        most(models.swapper),
    )
    inner = recipes[models.swapper].builtin
    swap_mask = (
        Mask.of(inner_face_mask(contract.size_px))
        if inner
        else oval_mask(contract.template, contract.size_px)
    )
    restorer, restore_mask = None, None
    if models.restorer:
        contract = recipes[models.restorer].contract
        restorer = Restorer(
            session(models.restorer),
            contract.size_px,
            contract.template,
            models.fidelity,
            most(models.restorer),
        )
        restore_mask = oval_mask(contract.template, contract.size_px)
    return Stages(
        detectors=detectors,
        embedder=Embedder(session(models.embedder), most(models.embedder)),
        swapper=swapper,
        swap_mask=swap_mask,
        restorer=restorer,
        restore_mask=restore_mask,
        recogniser=Embedder(session(models.guard_recogniser), most(models.guard_recogniser)),
        recogniser_id=models.guard_recogniser,
        meter=meter,
    )


def _haar(thresh: float, sizes_px: tuple[int, ...]) -> HaarFamily:
    """The cascades.

    Raises:
        ConfigError: they would never look, and so never see a face.
    """
    family = HaarFamily(det_thresh=thresh)
    if max(sizes_px) < family.smallest_px:
        msg = (
            f"guard.sizes_px = {list(sizes_px)}: the built-in detector looks at "
            f"{family.smallest_px} px or more; add 640"
        )
        raise ConfigError(msg)
    return family


def _bounds(config: Config) -> calibration.Bounds | None:
    """Shipped bounds, overridden by the operator's."""
    table = calibration.load(*calibration.guard_files(config.models.folder))
    return table.bounds(config.models.guard_recogniser, config.models.swapper)


def _warm(stages: Stages, config: Config, most: int) -> None:
    """Run every network on noise and look at the shapes that come out.

    Args:
        stages: loaded.
        config: checked.
        most: so many faces at once, after every smaller number.  A GPU looks for kernels and
            captures a graph at each new number; a CPU only takes its time.

    Raises:
        ModelError, EngineError: a file does not do what its recipe says.
    """
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    for side in sorted({*config.guard.sizes_px, *config.guard.stream_sizes_px}):
        search(noise, stages.detectors, Effort((side,)))
    for count in range(1, most + 1):

        def crop(side: int, count: int = count) -> Image:
            one = np.asarray(cv2.resize(noise, (side, side)), np.uint8)
            return np.repeat(one[None], count, axis=0)

        faces = crop(SIZE_PX)
        vectors = stages.embedder(faces)
        stages.recogniser(faces)
        latents = np.repeat(stages.swapper.latent(vectors[0])[None], count, axis=0)
        stages.swapper(crop(stages.swapper.size_px), latents)
        if stages.restorer is not None:
            stages.restorer(crop(stages.restorer.size_px), 1.0)


def _cast(config: Config, stages: Stages) -> tuple[dict[str, Character], dict[str, Template]]:
    """Characters of all identities, templates of all portrait scenes."""
    guard = config.guard
    effort = Effort(guard.sizes_px, tuple(d // 90 for d in guard.rotations_deg))
    find = partial(search, detectors=stages.detectors, effort=effort)
    characters = {}
    for name, identity in config.identities.items():
        photos: list[Image] = []
        known: list[Points | None] = []
        for photo in identity.photos:
            if photo.startswith(BUILTIN_PHOTO):
                image, points = builtin_character(photo.removeprefix(BUILTIN_PHOTO))
                photos.append(image)
                known.append(points)
            else:
                photos.append(read_picture(Path(photo), f"identities.{name}"))
                known.append(None)
        characters[name] = make_character(
            name, photos, find, embedder=stages.embedder, swapper=stages.swapper, landmarks=known
        )
    templates = {}
    for name, scene in config.scenes.items():
        if scene.mode != "portrait":
            continue
        places: list[tuple[Floats, Points]] = []
        if scene.template.startswith(BUILTIN_PHOTO):
            image, places = builtin_poster(scene.template.removeprefix(BUILTIN_PHOTO))
        else:
            image = read_picture(Path(scene.template), f"scenes.{name}")
        templates[name] = make_template(
            name, image, find, stages.swapper, slots=scene.slots, landmarks=places
        )
    return characters, templates


def _align(image: Image, matrix: Matrix) -> Image:
    return np.asarray(crops(image, [matrix], SIZE_PX)[0], np.uint8)


def _alignment(points: Points) -> Matrix | None:
    return matrices([points], "arcface_112", SIZE_PX)[0]
