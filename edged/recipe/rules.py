"""Rules across the fields of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edged import tables
from edged.recipe.schema import Recipe

_FAMILIES: Mapping[str, frozenset[str]] = {
    "detector": frozenset({"scrfd", "yunet", "haar"}),
    "recogniser": frozenset({"arcface"}),
    "swapper": frozenset({"inswapper", "vector_swapper", "picture_swapper"}),
    "converter": frozenset({"converter"}),
    "restorer": frozenset({"restorer"}),
    "landmarker": frozenset({"landmarks_106", "landmarks_68", "landmarks_fan"}),
    "liveness": frozenset({"minifasnet", "liveness_aligned"}),
    "content": frozenset({"nsfw_boxes", "nsfw_pair", "nsfw_grades"}),
    "occluder": frozenset({"xseg"}),
    "parser": frozenset({"bisenet"}),
}

_ALIGNED = frozenset({"recogniser", "swapper", "restorer", "occluder", "parser"})
"""Kinds that take crops aligned by five points."""


def check(recipe: Recipe, path: Path, walk: tables.Walk) -> None:
    """Rules across the fields of a recipe."""
    if recipe.id != path.stem:
        walk.bad("id", f'must be the name of the file, "{path.stem}"', recipe.id)
    if recipe.family not in _FAMILIES[recipe.kind]:
        walk.bad("family", f"is no family of a {recipe.kind}", recipe.family)
    if not recipe.file and recipe.family != "haar":
        walk.bad("file", "is missing: the name of the model file")
    if recipe.kind in ("swapper", "converter"):
        _source(recipe, walk)
    if recipe.kind in ("recogniser", "converter") and not recipe.embedding_dim:
        walk.bad("embedding_dim", f"is missing: the length of the {recipe.kind}'s vector")
    if recipe.kind in _ALIGNED and not recipe.contract.template:
        walk.bad("contract.template", f"is missing: a {recipe.kind} takes aligned crops")
    if recipe.family == "minifasnet" and not recipe.contract.crop_scale:
        walk.bad("contract.crop_scale", "is missing: how much of the picture it sees")
    if 0.0 in (*recipe.contract.std, *recipe.contract.out_std, *recipe.contract.source.std):
        walk.bad("contract.std", "must not be zero")
    if not recipe.batch.min <= recipe.batch.opt <= recipe.batch.max:
        walk.bad("batch", "needs min <= opt <= max")


def _source(recipe: Recipe, walk: tables.Walk) -> None:
    """What a swapper knows a person by: a vector of some recogniser, or a picture."""
    source, by_picture = recipe.contract.source, recipe.family == "picture_swapper"
    if not by_picture and not recipe.takes_embedding_of:
        reason = f"is missing: the recogniser whose vector this {recipe.kind} takes"
        walk.bad("takes_embedding_of", reason)
    if by_picture and not (source.size_px and source.template):
        reason = "needs size_px and template: this swapper takes a picture of the source"
        walk.bad("contract.source", reason)
    if source.converter and recipe.family != "vector_swapper":
        walk.bad("contract.source.converter", "is for vector swappers only", source.converter)
