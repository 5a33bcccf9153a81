"""Makes the characters and templates that a configuration names, once, at start.

Reads pictures and looks for their faces with the device's own search.  Knows the
configuration and stages; :mod:`edged.cast` knows what a character is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edged.cast import Character, Search, Template, make_character, make_template, photographed
from edged.config import BUILTIN_PHOTO, Config
from edged.daemon.pictures import builtin_character, builtin_poster, read_picture
from edged.faces import Embedding, Floats, Image, Points
from edged.pipeline.parts import Stages
from edged.pipeline.studio import shot_effort
from edged.stages.search import search


def cast_all(config: Config, stages: Stages) -> tuple[dict[str, Character], dict[str, Template]]:
    """Characters of all identities, templates of all portrait scenes.

    Raises:
        ConfigError: a picture cannot be read or shows no usable face.
    """
    find = _find(config, stages)
    characters = {}
    for name, identity in config.identities.items():
        photos, known = _photos(f"identities.{name}", identity.photos)
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
        swapper = stages.swapper.boosted(scene.pixel_boost_px)
        templates[name] = make_template(
            name, image, find, swapper, slots=scene.slots, landmarks=places
        )
    return characters, templates


def enrol(config: Config, stages: Stages) -> dict[str, Embedding]:
    """Vectors of the guard's recogniser of the people who wear an identity, by its name.

    Raises:
        ConfigError: a picture cannot be read or shows no usable face.
    """
    find = _find(config, stages)
    wearers = {}
    for name, identity in config.identities.items():
        if identity.worn_by:
            path = f"identities.{name}.worn_by"
            photos, known = _photos(path, identity.worn_by)
            wearers[name] = photographed(path, photos, find, stages.recogniser, landmarks=known)
    return wearers


def _find(config: Config, stages: Stages) -> Search:
    """The device's own search, with all that it has."""
    effort = shot_effort(config.guard, tiles=False)
    return partial(search, detectors=stages.detectors, effort=effort)


def _photos(path: str, named: Sequence[str]) -> tuple[list[Image], list[Points | None]]:
    """Pictures that a key of the configuration names, and landmarks of those we drew."""
    photos: list[Image] = []
    known: list[Points | None] = []
    for photo in named:
        if photo.startswith(BUILTIN_PHOTO):
            image, points = builtin_character(photo.removeprefix(BUILTIN_PHOTO))
            photos.append(image)
            known.append(points)
        else:
            photos.append(read_picture(Path(photo), path))
            known.append(None)
    return photos, known
