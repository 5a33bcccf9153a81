"""What a contact sheet shows: each scene as it is configured, and what else it could be.

Every variant differs from its scene in one thing, so that a person sees what that one thing
does.  Knows scenes and which models there are; knows no pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from edged.config import Config
from edged.scene import MaskSettings, Scene

AS_IT_IS = "as configured"
_REGIONS = ("skin", "brows", "eyes", "nose", "lips", "mouth")
_BOOST, _BOOST_MAX_PX = 2, 1024


@dataclass(frozen=True)
class Variant:
    """One way to make a scene.

    Attributes:
        scene_name: as configured.
        label: what is different, for the caption.
        key: name of the scene in the configuration that is loaded for the sheet.
        scene: what is made.
    """

    scene_name: str
    label: str
    key: str
    scene: Scene


def variants(config: Config, names: tuple[str, ...], swapper_px: int) -> list[Variant]:
    """All variants of these scenes, each scene's own first.

    Args:
        config: checked.
        names: scenes to show.
        swapper_px: side of the swapper's crops.
    """
    found = []
    for name in names:
        # A file is no live face, whatever it shows, and nobody waits for a blink in it.
        scene = msgspec.structs.replace(config.scenes[name], liveness="off", blink=False)
        seen = [scene]
        found.append(Variant(name, AS_IT_IS, name, scene))
        for label, other in _others(config, scene, swapper_px):
            if other not in seen:
                seen.append(other)
                found.append(Variant(name, label, f"{name} / {label}", other))
    return found


def loaded_for(config: Config, shown: list[Variant]) -> Config:
    """The configuration with a scene for each variant, so that the models of all are loaded.

    Pictures are searched upright alone: a person who looks needs no second opinion on turns.
    """
    return msgspec.structs.replace(
        config,
        scenes={one.key: one.scene for one in shown},
        guard=msgspec.structs.replace(config.guard, rotations_deg=(0,)),
    )


def _others(config: Config, scene: Scene, swapper_px: int) -> Iterator[tuple[str, Scene]]:
    """Scenes that differ in one thing."""
    replace, restorer = msgspec.structs.replace, config.models.restorer
    if restorer:
        yield f"without {restorer}", replace(scene, restore=False)
        yield f"{restorer} in full", replace(scene, restore=True, restore_strength=1.0)
        yield f"{restorer} at half", replace(scene, restore=True, restore_strength=0.5)
    for label, mask in _masks(config, scene):
        yield label, replace(scene, mask=mask)
    for colour in ("none", "lab", "histogram"):
        yield f"colour: {colour}", replace(scene, colour=colour)
    boosted = _BOOST * swapper_px
    if boosted <= _BOOST_MAX_PX:
        yield f"swapped at {boosted} px", replace(scene, pixel_boost_px=boosted)


def _masks(config: Config, scene: Scene) -> Iterator[tuple[str, MaskSettings]]:
    """Masks that differ in one thing, as far as the models for them are there."""
    replace, mask = msgspec.structs.replace, scene.mask
    yield "without mask settings", MaskSettings()
    for shape in ("auto", "oval", "box"):
        yield f"mask: {shape}", replace(mask, shape=shape)
    if config.models.occluder:
        yield "mask: occlusion", replace(mask, occlusion=True)
    if config.models.parser:
        yield "mask: regions without hair", replace(mask, regions=_REGIONS)
    if scene.mode == "disguise":
        yield "mask: mouth kept", replace(mask, keep_mouth=True)
