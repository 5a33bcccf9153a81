"""Reads recipes from their folders: ours, the operator's, and those that a caller adds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from edged import tables
from edged.errors import ConfigError
from edged.recipe.rules import check
from edged.recipe.schema import Recipe
from edged.resources import data_folder

OVERRIDES = Path("/etc/edged/engines")
"""Recipes of the operator; one with the id of ours takes its place."""


def recipe_folders(extra: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Folders of recipes, later ones override: ours, the operator's, `extra`."""
    return (data_folder("engines"), OVERRIDES, *extra)


def list_recipes(extra_dirs: Iterable[Path] = ()) -> dict[str, Recipe]:
    """All recipes by id, sorted.

    Raises:
        ConfigError: with every problem of every recipe.
    """
    found: dict[str, Recipe] = {}
    problems: list[str] = []
    for folder in recipe_folders(extra_dirs):
        for path in sorted(folder.glob("*.toml")) if os.access(folder, os.R_OK) else ():
            recipe, wrong = _try_recipe(path)
            problems += wrong
            if recipe:
                found[recipe.id] = recipe
    if problems:
        raise ConfigError(*problems)
    return dict(sorted(found.items()))


def load_recipe(model_id: str, extra_dirs: Iterable[Path] = ()) -> Recipe:
    """The recipe of one model.

    Raises:
        ConfigError: when there is none of this id, or it is not valid.
    """
    for folder in reversed(recipe_folders(extra_dirs)):
        path = folder / f"{model_id}.toml"
        if "/" not in model_id and path.is_file():
            return read_recipe(path)
    known = {path.stem for folder in recipe_folders(extra_dirs) for path in folder.glob("*.toml")}
    raise ConfigError(unknown_model(model_id, known))


def unknown_model(model_id: str, known: Iterable[str]) -> str:
    """The sentence for an id that no recipe has."""
    hint = tables.did_you_mean(model_id, known)
    shown = tables.show_value("model", model_id)
    return f"model {shown}: there is no recipe of this id{hint}; see `edged models list`"


def with_converters(model_ids: Iterable[str], recipes: Mapping[str, Recipe]) -> tuple[str, ...]:
    """Models and the converters that they need, each once, in order."""
    wanted: dict[str, None] = {}
    for model_id in model_ids:
        wanted[model_id] = None
        recipe = recipes.get(model_id)
        if recipe is not None and recipe.contract.source.converter:
            wanted[recipe.contract.source.converter] = None
    return tuple(wanted)


def _try_recipe(path: Path) -> tuple[Recipe | None, tuple[str, ...]]:
    try:
        return read_recipe(path), ()
    except ConfigError as error:
        return None, error.problems


def read_recipe(path: Path) -> Recipe:
    """The recipe in one file.

    Raises:
        ConfigError: with every problem of the file.
    """
    return parse_recipe(tables.read_bytes(path), path)


def parse_recipe(raw: bytes, path: Path) -> Recipe:
    """The recipe in TOML text; `path` is where it stands or would stand.

    Raises:
        ConfigError: as :func:`read_recipe`.
    """
    tree = tables.parse(raw, path)
    walk = tables.Walk(base=path.parent, root=Recipe)
    recipe = tables.build(Recipe, tree, walk)
    if not walk.problems:
        check(recipe, path, walk)
    if walk.problems:
        raise ConfigError(*(f"{path}: {problem}" for problem in walk.problems))
    return recipe
