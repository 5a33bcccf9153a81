"""Makes the characters and templates that a configuration names, once, at start.

Reads pictures and looks for their faces with the device's own search.  Knows the
configuration and stages; :mod:`edged.cast` knows what a character is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from edged.cast import Character, Template, make_character, make_template
from edged.config import BUILTIN_PHOTO, Config
from edged.daemon.pictures import builtin_character, builtin_poster, read_picture
from edged.faces import Floats, Image, Points
from edged.pipeline_parts import Stages
from edged.stages.search import search
from edged.stages.views import Effort


def cast_all(config: Config, stages: Stages) -> tuple[dict[str, Character], dict[str, Template]]:
    """Characters of all identities, templates of all portrait scenes.

    Raises:
        ConfigError: a picture cannot be read or shows no usable face.
    """
    guard = config.guard
    effort = Effort(guard.sizes_px, tuple(d // 90 for d in guard.rotations_deg))
    find = partial(search, detectors=stages.detectors, effort=effort)
    characters = {}
    for name, identity in config.identities.items():
        photos: list[Image] = []
        known: list[Points | None] = []
        for photo in identity.photos:
            if photo.startswith(BUILTIN_PHOTO):
                image, points = builtin_character(photo.removeprefix(BUILTIN_PHOTO))
                photos.append(image)
                known.append(points)
            else:
                photos.append(read_picture(Path(photo), f"identities.{name}"))
                known.append(None)
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
        templates[name] = make_template(
            name, image, find, stages.swapper, slots=scene.slots, landmarks=places
        )
    return characters, templates
