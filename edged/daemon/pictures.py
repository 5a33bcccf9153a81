"""Pictures that the configuration names: files of the operator, and the built-in ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edged.builtin.character import LOOKS, draw_character
from edged.builtin.poster import TEMPLATES, draw_template
from edged.errors import ConfigError
from edged.faces import Floats, Image, Points

MAX_PICTURE_BYTES = 64 * 1024 * 1024
"""A photo or template file may be so large."""


def read_picture(path: Path, where: str) -> Image:
    """A picture file, upright, (h, w, 3) uint8 BGR.

    Args:
        path: JPEG or PNG.
        where: path in the configuration, for messages.

    Raises:
        ConfigError: it is absent, too large, or no picture.
    """
    try:
        if path.stat().st_size > MAX_PICTURE_BYTES:
            msg = f"{where}: {path} is larger than 64 MiB; use a smaller picture"
            raise ConfigError(msg)
        data = path.read_bytes()
    except OSError as error:
        msg = f"{where}: {path} cannot be read: {error.strerror}"
        raise ConfigError(msg) from error
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # more pixels than OpenCV takes
        image = None
    if image is None:
        msg = f"{where}: {path} is no picture that can be decoded; use a JPEG or PNG"
        raise ConfigError(msg)
    return np.asarray(image, np.uint8)


def shrunk(image: Image, longest_px: int) -> Image:
    """A picture, (h, w, 3) uint8 BGR, made smaller where its longer side is too long."""
    share = longest_px / max(image.shape[:2])
    if share >= 1:
        return image
    smaller = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(smaller, np.uint8)


def builtin_character(name: str) -> tuple[Image, Points]:
    """A drawn character: its portrait and the five landmarks.

    Args:
        name: a look; "character" is the default one.

    Raises:
        ConfigError: there is none of this name.
    """
    look = next(iter(LOOKS)) if name == "character" else name
    if look not in LOOKS:
        msg = f"identities: there is no builtin:{name}; known: character, {', '.join(LOOKS)}"
        raise ConfigError(msg)
    return draw_character(look)


def builtin_poster(name: str) -> tuple[Image, list[tuple[Floats, Points]]]:
    """A drawn template: the picture, and box and landmarks of each slot.

    Args:
        name: a template; "poster" is the default one.

    Raises:
        ConfigError: there is none of this name.
    """
    poster = TEMPLATES[0] if name == "poster" else name
    if poster not in TEMPLATES:
        msg = f"scenes: there is no template builtin:{name}; known: poster, {', '.join(TEMPLATES)}"
        raise ConfigError(msg)
    image, landmarks = draw_template(poster)
    return image, [(_box_of(points), points) for points in landmarks]


def _box_of(points: Points) -> Floats:
    """A face box, (4,) float32 px, brows to chin, from five landmarks.

    Half of it is 1.05 eye distances wide and 1.35 high about the landmarks' mean: what
    SCRFD draws round a frontal face.
    """
    eyes = float(np.linalg.norm(points[1] - points[0]))
    centre = points.mean(axis=0)
    half = np.array([1.05, 1.35], np.float32) * eyes
    return np.asarray(np.concatenate([centre - half, centre + half]), np.float32)
