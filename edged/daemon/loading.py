"""Loads the models of a configuration into the stages that run them.

One function a kind of model.  Knows sessions by the function that opens one; knows no
guard, no characters and no pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edged.builtin.mask import inner_face_mask
from edged.config import Config
from edged.errors import ConfigError
from edged.pipeline.parts import Stages
from edged.recipe import Contract, Recipe
from edged.runtime.emap import read_emap
from edged.runtime.session import Meter, Session
from edged.stages.content import ContentCheck, ContentNet
from edged.stages.embed import Embedder
from edged.stages.haar_family import HaarFamily
from edged.stages.identity import PictureSource, Source, VectorSource
from edged.stages.landmarks import LAYOUTS, Landmarker
from edged.stages.liveness import (
    ALIGNED_LIVE_FROM,
    MINIFAS_LIVE_FROM,
    AlignedLiveness,
    Liveness,
    MiniFas,
)
from edged.stages.paste import Mask, oval_mask
from edged.stages.restore import Restorer
from edged.stages.scrfd import Scrfd
from edged.stages.search import Detector
from edged.stages.segment import Occluder, Parser
from edged.stages.swap import Swapper
from edged.stages.yunet import YuNet
from edged.store import ModelStore


@dataclass(frozen=True)
class Shelf:
    """Where loaders take models from.

    Attributes:
        config: checked.
        recipes: of the models in use, by id.
        session: opens a model's session, once for all its users.
        on_cpu: opens one of a model that runs once a person, which no engine is built for.
        store: of the model files.
        hashes: SHA-256 of the file of each model that was opened, by id.
    """

    config: Config
    recipes: Mapping[str, Recipe]
    session: Callable[[str], Session]
    on_cpu: Callable[[str], Session]
    store: ModelStore
    hashes: Mapping[str, str]

    def most(self, model_id: str) -> int:
        """Faces in one run of a model."""
        return self.recipes[model_id].batch.max

    def contract(self, model_id: str) -> Contract:
        """What a model's tensors mean."""
        return self.recipes[model_id].contract


def load_stages(shelf: Shelf, meter: Meter) -> Stages:
    """Every stage that runs a network, loaded.

    Raises:
        ModelError, EngineError, ConfigError: with what to do.
    """
    models = shelf.config.models
    detectors = load_detectors(shelf)
    swapper, swap_mask = _swapper(shelf)
    restorer, restore_mask = _restorer(shelf)
    return Stages(
        detectors=detectors,
        embedder=_embedder(shelf, models.embedder),
        swapper=swapper,
        swap_mask=swap_mask,
        restorer=restorer,
        restore_mask=restore_mask,
        recogniser=_embedder(shelf, models.guard_recogniser),
        recogniser_id=models.guard_recogniser,
        meter=meter,
        occluder=_occluder(shelf),
        parser=_parser(shelf),
        landmarker=_landmarker(shelf),
        liveness=_liveness(shelf),
        content=_content(shelf),
    )


def load_detectors(shelf: Shelf) -> list[Detector]:
    """The detector families, best landmarks first.

    Raises:
        ModelError, EngineError, ConfigError: with what to do.
    """
    thresh, sizes_px = shelf.config.guard.det_thresh, shelf.config.guard.sizes_px
    detectors: list[Detector] = []
    for model_id in shelf.config.models.detectors:
        family = shelf.recipes[model_id].family
        if family == "haar":
            detectors.append(_haar(thresh, sizes_px))
        elif family == "scrfd":
            detectors.append(Scrfd(shelf.session(model_id), thresh))
        else:
            detectors.append(YuNet(shelf.session(model_id), thresh))
    return detectors


def _embedder(shelf: Shelf, model_id: str) -> Embedder:
    return Embedder(shelf.session(model_id), shelf.most(model_id))


def _swapper(shelf: Shelf) -> tuple[Swapper, Mask]:
    model_id = shelf.config.models.swapper
    contract = shelf.contract(model_id)
    session = shelf.session(model_id)
    swapper = Swapper(
        session,
        _source(shelf, model_id, session),
        contract.template,
        contract.size_px,
        shelf.most(model_id),
    )
    if shelf.recipes[model_id].builtin:
        return swapper, Mask.of(inner_face_mask(contract.size_px))
    return swapper, oval_mask(contract.template, contract.size_px)


def _source(shelf: Shelf, model_id: str, session: Session) -> Source:
    """What makes of photos what a swapper knows a person by."""
    recipe, rule = shelf.recipes[model_id], shelf.contract(model_id).source
    if recipe.family == "picture_swapper":
        return PictureSource(rule.template, rule.size_px)
    converter = shelf.on_cpu(rule.converter) if rule.converter else None
    (width,) = (spec.shape[-1] for spec in (converter or session).inputs if len(spec.shape) == 2)
    emap = None
    if recipe.family == "inswapper":
        emap = read_emap(shelf.store.ready(model_id), model_id)
    return VectorSource(model_id, int(width or 0), emap, converter, rule.unit)


def _restorer(shelf: Shelf) -> tuple[Restorer | None, Mask | None]:
    models = shelf.config.models
    if not models.restorer:
        return None, None
    contract = shelf.contract(models.restorer)
    restorer = Restorer(
        shelf.session(models.restorer),
        contract.size_px,
        contract.template,
        models.fidelity,
        shelf.most(models.restorer),
    )
    return restorer, oval_mask(contract.template, contract.size_px)


def _occluder(shelf: Shelf) -> Occluder | None:
    """The occluder, where a scene asks for it."""
    model_id = shelf.config.models.occluder
    if not any(scene.mask.occlusion for scene in shelf.config.scenes.values()):
        return None
    contract = shelf.contract(model_id)
    return Occluder(
        shelf.session(model_id), contract.size_px, contract.template, shelf.most(model_id)
    )


def _parser(shelf: Shelf) -> Parser | None:
    """The parser, where a scene asks for it."""
    model_id = shelf.config.models.parser
    asked = [scene.mask for scene in shelf.config.scenes.values()]
    if not model_id or not any(mask.regions or mask.keep_mouth for mask in asked):
        return None
    contract = shelf.contract(model_id)
    return Parser(
        shelf.session(model_id), contract.size_px, contract.template, shelf.most(model_id)
    )


def _landmarker(shelf: Shelf) -> Landmarker | None:
    """Dense landmarks, where a scene needs them."""
    model_id = shelf.config.models.landmarker
    asked = shelf.config.scenes.values()
    if not model_id or not any(scene.blink or scene.mask.keep_mouth for scene in asked):
        return None
    layout = LAYOUTS[shelf.recipes[model_id].family]
    return Landmarker(shelf.session(model_id), layout, shelf.most(model_id))


def _liveness(shelf: Shelf) -> Liveness | None:
    """The networks that know live faces, where a scene asks for them."""
    models = shelf.config.models.liveness
    if not models or all(scene.liveness == "off" for scene in shelf.config.scenes.values()):
        return None
    if shelf.recipes[models[0]].family == "liveness_aligned":
        nets = [AlignedLiveness(shelf.session(one), shelf.most(one)) for one in models]
        return Liveness(tuple(nets), ALIGNED_LIVE_FROM)
    pieces = [
        MiniFas(shelf.session(one), shelf.contract(one).crop_scale, shelf.most(one))
        for one in models
    ]
    return Liveness(tuple(pieces), MINIFAS_LIVE_FROM)


def _content(shelf: Shelf) -> ContentCheck | None:
    models = shelf.config.models.content
    nets = [
        ContentNet(shelf.session(one), shelf.recipes[one].family, shelf.contract(one).size_px)
        for one in models
    ]
    return ContentCheck(tuple(nets)) if nets else None


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
