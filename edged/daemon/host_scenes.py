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


RULES: Sequence[Rule] = (_masks, _colour, _large_crops)
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
