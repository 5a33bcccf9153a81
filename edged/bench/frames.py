"""The frames that every subject is measured on: a natural background, drawn faces.

The background is the photo that the `insightface` package carries when that package is
here, else scikit-image's astronaut, else smooth noise; which one is part of the report,
since resizing and warping cost the same on all three.  Knows pixels only.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from edged.bench.standins.faces import draw_face
from edged.errors import ConfigError
from edged.faces import Boxes, Image

FACE_SIDE_PX = 300
"""Side of the detector's box: a visitor an arm's length and a half from a 1080p camera."""

NOISE_SIGMA = 2.5
"""Sensor noise in grey levels, so that nothing is flat."""

SOURCE_IDENTITY = 1000
"""Pattern of the character that is put onto every face."""

_CASES = (
    (1280, 720, 1),
    (1280, 720, 4),
    (1920, 1080, 1),
    (1920, 1080, 4),
    (3840, 2160, 1),
    (3840, 2160, 4),
)

_PHOTOS = (("insightface", "data/images/t1.jpg"), ("skimage", "data/astronaut.png"))
"""Packages that carry a photo, and where."""

_HEIGHTS = {"720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}


@dataclass(frozen=True)
class Case:
    """One size of frame with a number of faces."""

    width: int
    height: int
    faces: int

    @property
    def name(self) -> str:
        """As it is written on the command line: "1080p:4"."""
        for label, size in _HEIGHTS.items():
            if size == (self.width, self.height):
                return f"{label}:{self.faces}"
        return f"{self.width}x{self.height}:{self.faces}"


ALL_CASES = tuple(Case(*values) for values in _CASES)


def parse_cases(text: str) -> tuple[Case, ...]:
    """Cases from "1080p:1,1080p:4"; a size alone means both of its cases, "all" all.

    Raises:
        ConfigError: a word names no case.
    """
    chosen: list[Case] = []
    problems = []
    for word in (w.strip().lower() for w in text.split(",")):
        found = [c for c in ALL_CASES if word in ("all", c.name, c.name.split(":")[0])]
        if not found:
            known = ", ".join(c.name for c in ALL_CASES)
            problems.append(f"--cases {word!r}: no such case; known: {known}, 720p, 1080p, 4k, all")
        chosen += [c for c in found if c not in chosen]
    if problems:
        raise ConfigError(*problems)
    return tuple(chosen)


@dataclass(frozen=True, repr=False)
class Scene:
    """One frame and what was drawn into it.

    Attributes:
        case: its size and count.
        frame: (h, w, 3) uint8 BGR.
        boxes: (n, 4) float32 px, the squares as drawn.
        source: (400, 400, 3) uint8 BGR, the picture of the character.
        background: where the background came from.
    """

    case: Case
    frame: Image
    boxes: Boxes
    source: Image
    background: str


def make_scene(case: Case) -> Scene:
    """Draw one case; the same pixels each time on one machine."""
    photo, origin = _photo()
    frame = _cover(photo, case.width, case.height)
    noise = np.random.default_rng(7).normal(0, NOISE_SIGMA, frame.shape)
    frame = np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)
    # Whole in the frame at 720p, and so far apart that each is alone in its stand-in window.
    places = (0.5,) if case.faces == 1 else (0.2125, 0.7875)
    centres = [(x, y) for y in places for x in places]
    half = FACE_SIDE_PX / 2
    boxes = []
    for identity, (x, y) in enumerate(centres[: case.faces], 1):
        centre = (float(round(x * case.width)), float(round(y * case.height)))
        draw_face(frame, centre, FACE_SIDE_PX, identity)
        boxes.append([centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half])
    source = np.full((400, 400, 3), 40, np.uint8)
    draw_face(source, (200.0, 200.0), 100, SOURCE_IDENTITY)
    return Scene(case, frame, np.array(boxes, np.float32), source, origin)


def _cover(photo: Image, width: int, height: int) -> Image:
    """The photo cropped about its middle to the frame's aspect and scaled."""
    scale = max(width / photo.shape[1], height / photo.shape[0])
    used = (round(width / scale), round(height / scale))
    left, top = (photo.shape[1] - used[0]) // 2, (photo.shape[0] - used[1]) // 2
    cut = photo[top : top + used[1], left : left + used[0]]
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _photo() -> tuple[Image, str]:
    """A background and where it is from; packages are located, not imported."""
    for package, inside in _PHOTOS:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        picture = cv2.imread(str(Path(spec.origin).parent / inside))
        if picture is not None:
            return np.asarray(picture, np.uint8), f"{package} {Path(inside).name}"
    coarse = np.random.default_rng(5).integers(0, 256, (54, 96, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (1920, 1080)), np.uint8), "noise"
