"""The rules of `[models]`: they exist, do the job, fit together, and may be used.

Knows recipes; adds lines to the walk's problems and raises nothing.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from edged.config.facts import hide_login
from edged.config.schema import ModelsTable
from edged.errors import ConfigError
from edged.recipe import Recipe, list_recipes
from edged.scene import Scene
from edged.tables import Walk, join
from edged.transport.link import is_loopback

LARGEST_BOOST_PX = 1024
"""What the field offers; beyond it a crop has more pixels than any camera's face."""


def check_models(models: ModelsTable, scenes: Mapping[str, Scene], walk: Walk) -> None:
    """All rules about models; problems go to the walk, those of recipes as well."""
    try:
        recipes = list_recipes(models.recipes)
    except ConfigError as error:
        walk.problems += error.problems
        return
    shelf = _Shelf(recipes, models.accept_licence, walk)
    if not models.detectors:
        walk.bad("models.detectors", "needs at least one detector")
    found = [
        shelf.take(f"models.detectors[{i}]", model_id, "detector")
        for i, model_id in enumerate(models.detectors)
    ]
    families = {recipe.family for recipe in found if recipe}
    if all(found) and "haar" not in families and len(families) == 1:
        walk.bad("models.detectors", "the guard needs two detectors of different families, such "
                 'as ["det_10g", "yunet"]', models.detectors)  # fmt: skip
    embedder = shelf.take("models.embedder", models.embedder, "recogniser")
    shelf.take("models.guard_recogniser", models.guard_recogniser, "recogniser")
    for kind in ("restorer", "occluder", "parser", "landmarker"):
        if model_id := getattr(models, kind):
            shelf.take(f"models.{kind}", model_id, kind)
    _voters(models, shelf)
    swapper = shelf.take("models.swapper", models.swapper, "swapper")
    if swapper:
        _swapper(swapper, embedder, shelf, scenes)
    for i, model_id in enumerate(models.accept_licence):
        if model_id not in recipes:
            hint = walk.hint(model_id, recipes)
            walk.bad(f"models.accept_licence[{i}]", "there is no such model", model_id, hint)
    if models.mirror and not _is_mirror(models.mirror):
        reason = "needs an https:// or file:// address (http:// on this machine alone)"
        walk.bad("models.mirror", reason, hide_login(models.mirror))


def _voters(models: ModelsTable, shelf: _Shelf) -> None:
    """Networks that vote: three at most, and of one scale where their scores are averaged."""
    for kind in ("liveness", "content"):
        ids = getattr(models, kind) or ()
        found = [shelf.take(f"models.{kind}[{i}]", one, kind) for i, one in enumerate(ids)]
        if len(ids) > 3:
            shelf.walk.bad(f"models.{kind}", "takes three models at most", ids)
        if kind == "liveness" and len({recipe.family for recipe in found if recipe}) > 1:
            reason = "needs models of one family: scores of two have no common mean"
            shelf.walk.bad("models.liveness", reason, ids)


def _swapper(
    swapper: Recipe, embedder: Recipe | None, shelf: _Shelf, scenes: Mapping[str, Scene]
) -> None:
    """Whose vector it takes, its converter, and the crops that scenes want of it."""
    vector = swapper.takes_embedding_of
    if embedder and vector and vector != embedder.id:
        reason = f'the swapper "{swapper.id}" takes the vector of "{vector}"'
        shelf.walk.bad("models.embedder", reason, embedder.id)
    if swapper.contract.source.converter:
        shelf.take("models.swapper", swapper.contract.source.converter, "converter")
    own = swapper.contract.size_px
    for name, scene in scenes.items():
        wanted = scene.pixel_boost_px
        if wanted and own and (wanted % own or not 0 < wanted <= LARGEST_BOOST_PX):
            fitting = ", ".join(str(px) for px in range(own, LARGEST_BOOST_PX + 1, own))
            shelf.walk.bad(
                f"scenes.{join('', name)}.pixel_boost_px",
                f'crops of the swapper "{swapper.id}" are {own} px: 0 or one of {fitting}',
                wanted,
            )


def _is_mirror(address: str) -> bool:
    try:
        split = urllib.parse.urlsplit(address)
        local = split.scheme == "http" and is_loopback(split.hostname or "")
    except ValueError:  # brackets that are no IPv6 address
        return False
    return (local or split.scheme in ("https", "file")) and not re.search(r"\s", address)


@dataclass(frozen=True)
class _Shelf:
    """All recipes, and how one is taken for a job."""

    recipes: Mapping[str, Recipe]
    accepted: tuple[str, ...]
    walk: Walk

    def take(self, path: str, model_id: str, kind: str) -> Recipe | None:
        """The recipe of a model, if there is one; notes what speaks against it."""
        recipe = self.recipes.get(model_id)
        if recipe is None:
            fitting = [other.id for other in self.recipes.values() if other.kind == kind]
            reason = "there is no such model; see `edged models list`"
            self.walk.bad(path, reason, model_id, self.walk.hint(model_id, fitting))
            return None
        if recipe.kind != kind:
            self.walk.bad(path, f"is a {recipe.kind}; a {kind} is needed here", model_id)
            return None
        if not recipe.free and model_id not in self.accepted:
            licence = recipe.licence
            terms = "non-commercial" if licence.commercial is False else "ask its vendor"
            self.walk.bad(
                path,
                f"its licence ({licence.name}; {licence.vendor}; {terms}) must be accepted: if "
                f'its terms fit your use, add "{model_id}" to models.accept_licence',
                model_id,
            )
        return recipe
