"""Scenes that are made in host memory although frames could stay on a device, and why.

The one place that decides it: whatever the device path (:mod:`edged.stages.resident`)
cannot do is a rule here, so that a scene which asks for it is made whole on the host and
never without it on the device.  Knows scenes and recipes; knows no pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edged.recipe import Recipe
from edged.runtime.graph.picture import LARGEST_CROP_PX
from edged.scene import Scene

Rule = Callable[[Scene, Mapping[str, Recipe]], str]
"""(scene, recipes of the models in use, by id) -> why the device cannot, or empty."""


def _masks(scene: Scene, _recipes: Mapping[str, Recipe]) -> str:
    return "its masks differ from face to face" if scene.mask.looks else ""


def _colour(scene: Scene, _recipes: Mapping[str, Recipe]) -> str:
    return "it moves colours" if scene.colour != "none" else ""


def _large_crops(scene: Scene, recipes: Mapping[str, Recipe]) -> str:
    for recipe in recipes.values():
        side = recipe.contract.size_px
        if scene.restore and recipe.kind == "restorer" and side > LARGEST_CROP_PX:
            return f"{recipe.id} takes crops of {side} px"
    return ""


def _own_mask(_scene: Scene, recipes: Mapping[str, Recipe]) -> str:
    own = any(recipe.contract.own_mask for recipe in recipes.values())
    return "the swapper's masks differ from face to face" if own else ""


def _boost(scene: Scene, _recipes: Mapping[str, Recipe]) -> str:
    wanted = scene.pixel_boost_px
    return f"it boosts crops to {wanted} px" if wanted > LARGEST_CROP_PX else ""


RULES: Sequence[Rule] = (_masks, _colour, _large_crops, _own_mask, _boost)
"""All of them; a stage that the device path lacks adds its own."""


def host_scenes(
    scenes: Mapping[str, Scene], recipes: Mapping[str, Recipe], rules: Sequence[Rule] = RULES
) -> dict[str, str]:
    """Why scenes are made in host memory, by scene name; the others are not in it.

    Args:
        scenes: of the configuration, by name.
        recipes: of the models in use, by id.
        rules: what the device path lacks.
    """
    reasons = {
        name: "; ".join(filter(None, (rule(scene, recipes) for rule in rules)))
        for name, scene in scenes.items()
    }
    return {name: reason for name, reason in reasons.items() if reason}
