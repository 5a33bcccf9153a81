"""Which synthetic network stands for which recipe.  Knows the builders and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

import onnx

from edged.bench.synthetic import arcface, codeformer, gfpgan, gpen, inswapper, restoreformer, scrfd
from edged.bench.synthetic.sites import Site, inswapper_sites, stylegan_sites
from edged.errors import ConfigError

_BUILDERS: MappingProxyType[str, Callable[[int, float], onnx.ModelProto]] = MappingProxyType(
    {
        "gfpgan_1.4": gfpgan.build,
        "inswapper_128": inswapper.build,
        "codeformer": codeformer.build,
        "restoreformer_plus_plus": restoreformer.build,
        "gpen_bfr_512": gpen.build,
        "w600k_r50": arcface.build,
        "det_10g": scrfd.build,
    }
)

RECIPES = tuple(_BUILDERS)
"""Ids of the recipes that have a synthetic network."""


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
    if recipe_id not in _BUILDERS:
        msg = f"no synthetic network stands for {recipe_id!r}; known: {', '.join(RECIPES)}"
        raise ConfigError(msg)
    if not 0 < width <= 1:
        msg = f"width {width}: more than 0 and at most 1"
        raise ConfigError(msg)
    return _BUILDERS[recipe_id](seed, width)


def sites(recipe_id: str, *, seed: int = 0) -> tuple[Site, ...]:
    """Where FP16 breaks in that network, at every width; empty where nothing was placed."""
    if recipe_id == "inswapper_128":
        return inswapper_sites(seed)
    if recipe_id == "gfpgan_1.4":
        return stylegan_sites(seed, gfpgan.PAIRS)
    return ()
