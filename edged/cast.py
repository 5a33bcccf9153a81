"""Who plays: the characters of a disguise and the templates of portraits, made at start.

An identity's photo is read once; what stays in memory is its source: a vector, or a crop.
A template's faces are found once, by the same search that frames get.  Knows stages; knows
no configuration file and no sockets.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edged.errors import ConfigError
from edged.faces import Embedding, Face, Floats, Image, Points, Tensor
from edged.geometry import Matrix
from edged.stages.align import crops, fine_crops, matrices
from edged.stages.embed import SIZE_PX, Embedder
from edged.stages.identity import fitness, joined
from edged.stages.swap import Swapper

log = logging.getLogger(__name__)

Search = Callable[[Image], list[Face]]


@dataclass(frozen=True, repr=False, eq=False)
class Character:
    """A configured identity.

    Attributes:
        name: as in the configuration.
        source: what the swapper knows it by: (512,) float32, or (C, C, 3) uint8 BGR.
    """

    name: str
    source: Tensor


@dataclass(frozen=True, repr=False, eq=False)
class TemplateSlot:
    """One face of a template picture.

    Attributes:
        box: (4,) float32 px.
        to_swap: template -> swapper's crop.
        target: (S, S, 3) uint8, that crop.
        to_guard: template -> recogniser's crop.
        landmarks: (5, 2) float32 px.
    """

    box: Floats
    to_swap: Matrix
    target: Image
    to_guard: Matrix
    landmarks: Points


@dataclass(frozen=True, repr=False, eq=False)
class Template:
    """A template picture and its slots, left to right.

    Attributes:
        image: (h, w, 3) uint8 BGR, never written to.
        slots: those that visitors may take.
        boxes: (k, 4) float32 px, every face that the picture shows.
    """

    image: Image
    slots: tuple[TemplateSlot, ...]
    boxes: Floats


def make_character(
    name: str,
    photos: Sequence[Image],
    search: Search,
    *,
    embedder: Embedder,
    swapper: Swapper,
    landmarks: Sequence[Points | None] = (),
) -> Character:
    """A character from one photo or several of one person.

    Of several photos the vectors are averaged as directions; a swapper that takes a picture
    gets the best one, which the log names.

    Args:
        name: for messages and results.
        photos: (h, w, 3) uint8 BGR each; the largest face of each counts.
        search: face search.
        embedder: the recogniser that the swapper takes.
        swapper: makes the source.
        landmarks: known landmarks of a photo (of a drawn character), else None.

    Raises:
        ConfigError: a photo shows no usable face.
    """
    path = f"identities.{name}"
    if swapper.picture is None:
        embed = embedder.as_given if swapper.takes_raw else embedder
        vector = photographed(path, photos, search, embed, landmarks=landmarks)
        return Character(name, swapper.latent(vector))
    faces = faces_of(path, photos, search, landmarks)
    best = max(range(len(photos)), key=lambda index: fitness(faces[index]))
    if len(photos) > 1:
        log.info(
            "%s: this swapper takes one picture: photo %d of %d, the largest and most frontal face",
            path, best + 1, len(photos),
        )  # fmt: skip
    return Character(name, swapper.picture(photos[best], faces[best]))


def photographed(
    name: str,
    photos: Sequence[Image],
    search: Search,
    embedder: Embedder,
    *,
    landmarks: Sequence[Points | None] = (),
) -> Embedding:
    """One person's vector (d,) from one photo or several: the mean direction and mean length.

    Args:
        name: key of the configuration, for messages.
        photos: (h, w, 3) uint8 BGR each; the largest face of each counts.
        search: face search.
        embedder: any recogniser.
        landmarks: known landmarks of a photo (of a drawn character), else None.

    Raises:
        ConfigError: a photo shows no usable face.
    """
    vectors = []
    for photo, points in zip(photos, faces_of(name, photos, search, landmarks), strict=True):
        to_crop = [m for m in matrices([points], "arcface_112", SIZE_PX) if m is not None]
        vectors.append(embedder(crops(photo, to_crop, SIZE_PX))[0])
    return joined(vectors)


def faces_of(
    name: str, photos: Sequence[Image], search: Search, landmarks: Sequence[Points | None]
) -> list[Points]:
    """Landmarks of the largest face of each photo, such that it can be aligned.

    Raises:
        ConfigError: a photo shows no usable face.
    """
    faces = []
    known = [*landmarks, *[None] * (len(photos) - len(landmarks))]
    for number, (photo, given) in enumerate(zip(photos, known, strict=True), 1):
        points = given
        if points is None:
            found = search(photo)
            points = found[0].landmarks if found else None
        matrix = matrices([points], "arcface_112", SIZE_PX)[0] if points is not None else None
        if points is None or matrix is None:
            msg = (
                f"{name}: no face was found in photo {number}; "
                "use a sharp frontal photo with one person"
            )
            raise ConfigError(msg)
        faces.append(points)
    return faces


def make_template(
    name: str,
    image: Image,
    search: Search,
    swapper: Swapper,
    *,
    slots: int = 0,
    landmarks: Sequence[tuple[Floats, Points]] = (),
) -> Template:
    """A template with its slots.

    Args:
        name: of the scene, for messages.
        image: (h, w, 3) uint8 BGR.
        search: face search, used when no landmarks are known.
        swapper: says how target crops are cut.
        slots: how many faces visitors may take, the largest first; 0 means all.
        landmarks: known (box, landmarks) of a drawn template's slots.

    Raises:
        ConfigError: the picture shows no usable face, or fewer than `slots`.
    """
    places = list(landmarks) or [(f.box, f.landmarks) for f in search(image)]
    ready: list[TemplateSlot] = []
    for box, points in places:
        to_swap = matrices([points], swapper.template_name, swapper.size_px)[0]
        to_guard = matrices([points], "arcface_112", SIZE_PX)[0]
        if to_swap is None or to_guard is None:
            continue
        target = fine_crops(image, [to_swap], swapper.size_px)[0]
        ready.append(TemplateSlot(box, to_swap, target, to_guard, points))
    if len(ready) < max(1, slots):
        msg = (
            f"scenes.{name}: the template picture shows {len(ready)} usable faces, "
            f"{max(1, slots)} are needed; use a picture with clear frontal faces"
        )
        raise ConfigError(msg)
    ready = ready[:slots] if slots else ready
    boxes = np.stack([box for box, _ in places])
    return Template(image, tuple(sorted(ready, key=lambda s: float(s.box[0]))), boxes)
