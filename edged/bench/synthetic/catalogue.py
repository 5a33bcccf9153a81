"""Which synthetic network stands for which recipe.  Knows the builders and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import onnx

from edged.bench.synthetic import (
    arcface,
    codeformer,
    gfpgan,
    gpen,
    inswapper,
    restoreformer,
    scrfd,
)
from edged.bench.synthetic.net import Net
from edged.bench.synthetic.sites import Site, inswapper_sites, stylegan_sites
from edged.errors import ConfigError


class _Entry(NamedTuple):
    """One network.

    Attributes:
        write: the graph with its weights.
        settle: what one pass over it puts right, in place.
        sites: where FP16 breaks, by seed.
    """

    write: Callable[[Net], onnx.ModelProto]
    settle: Callable[[onnx.ModelProto], None] = lambda _model: None
    sites: Callable[[int], tuple[Site, ...]] = lambda _seed: ()


_ENTRIES: MappingProxyType[str, _Entry] = MappingProxyType(
    {
        "det_10g": _Entry(scrfd.write),
        "w600k_r50": _Entry(arcface.write, arcface.settle),
        "inswapper_128": _Entry(inswapper.write, inswapper.settle, inswapper_sites),
        "gfpgan_1.4": _Entry(
            gfpgan.write, gfpgan.settle, lambda seed: stylegan_sites(seed, gfpgan.PAIRS)
        ),
        "codeformer": _Entry(codeformer.write, codeformer.settle),
        "restoreformer_plus_plus": _Entry(restoreformer.write, restoreformer.settle),
        "gpen_bfr_512": _Entry(gpen.write, gpen.settle),
    }
)

RECIPES = tuple(_ENTRIES)
"""Ids of the recipes that have a synthetic network, in a pipeline's order."""


def build(recipe_id: str, *, seed: int = 0, width: float = 1.0) -> onnx.ModelProto:
    """The public file's contract over random weights.

    Args:
        recipe_id: one of :data:`RECIPES`.
        seed: of the weights and of the places where FP16 breaks.
        width: share of the real channels, more than 0 and at most 1; pictures keep their size.

    Raises:
        ConfigError: no such network, or no such width.
        EngineError: onnxruntime, on which the picture's spread is measured, is absent.
    """
    entry = _entry(recipe_id, width)
    model = entry.write(Net(seed, width))
    entry.settle(model)
    return model


def outline(recipe_id: str, *, width: float = 1.0) -> onnx.ModelProto:
    """The same graph without its weights, for counting; it cannot run.

    Raises:
        ConfigError: no such network, or no such width.
    """
    return _entry(recipe_id, width).write(Net(0, width, outline=True))


def sites(recipe_id: str, *, seed: int = 0) -> tuple[Site, ...]:
    """Where FP16 breaks in that network, at every width; empty where nothing was placed.

    Raises:
        ConfigError: no such network.
    """
    return _entry(recipe_id, 1.0).sites(seed)


def write(
    folder: Path, recipe_ids: tuple[str, ...] = RECIPES, *, seed: int = 0, width: float = 1.0
) -> dict[str, Path]:
    """Model files, one network in memory at a time; 1.8 GB for all at width 1.

    Returns:
        Path by recipe id, `<folder>/<id>.onnx`.

    Raises:
        ConfigError: no such network, or no such width.
        EngineError: onnxruntime is absent.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {recipe_id: folder / f"{recipe_id}.onnx" for recipe_id in recipe_ids}
    for recipe_id, path in paths.items():
        model = build(recipe_id, seed=seed, width=width)
        path.write_bytes(model.SerializeToString(deterministic=True))
    return paths


def _entry(recipe_id: str, width: float) -> _Entry:
    """What is known of a network."""
    if recipe_id not in _ENTRIES:
        known = ", ".join(RECIPES)
        msg = f"no synthetic network stands for {recipe_id!r}; known: {known}"
        raise ConfigError(msg)
    if not 0 < width <= 1:
        msg = f"width {width}: must be more than 0 and at most 1"
        raise ConfigError(msg)
    return _ENTRIES[recipe_id]
