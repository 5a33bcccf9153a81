"""Who is in a folder of photos: one face a photo and person, found by the search of frames.

Photos are read from the folder that a person named, one at a time; of each, only the part
around the face or the aligned crop is kept, in memory.  Knows files and a search; knows no
recogniser.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from edged.errors import ConfigError
from edged.faces import Face, Image, Points
from edged.geometry import template
from edged.stages.align import crops, matrices
from edged.stages.embed import SIZE_PX

Grouping = Literal["folders", "names", "faces"]
Search = Callable[[Image], list[Face]]
Told = Callable[[str, float], None]

PHOTOS_AT_MOST = 4000
"""Every photo is compared with every other one; sixteen million pairs are enough."""

SMALLEST_PX = 40
"""Shorter side of a face's box below which a crop of 112 px holds nothing but guesses."""

RIVAL_SHARE = 0.5
"""A second face of so much of the largest one's area: whose photo is it?"""

AROUND = 1.7
"""Half the side of what is kept of a photo, in sides of the face: a restorer's crop and
some more."""

WHOLE_PEOPLE = 200
"""Of so many people the first photo is kept with its surroundings, for swaps and variations;
of every other photo the aligned crop alone, so that thousands fit into memory."""

_LARGEST_PX = 768
_FILE_BYTES_MAX = 64 * 1024 * 1024
_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_NUMBERED = re.compile(r"^(.+?)[-_ .]*\(?\d+\)?$")


@dataclass(frozen=True, repr=False, eq=False)
class Shown:
    """One face of one photo.

    Attributes:
        person: number of the person.
        photo: path of the file in the folder, for messages to whoever named the folder.
        image: (h, w, 3) uint8 BGR, the photo around the face, or the aligned crop.
        landmarks: (5, 2) float32 px in it.
        whole: it is more than the crop.
    """

    person: int
    photo: str
    image: Image
    landmarks: Points
    whole: bool = True


@dataclass(repr=False, eq=False)
class Gathered:
    """The faces of a folder.

    Attributes:
        grouping: how photos were put to people.
        shown: the faces, person by person.
        left_out: why photos were not used, and how many.
    """

    grouping: Grouping
    shown: list[Shown] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def people(self) -> int:
        """How many people have a face here."""
        return len({one.person for one in self.shown})

    @property
    def repeated(self) -> int:
        """How many of them in two photos or more."""
        return sum(n > 1 for n in Counter(one.person for one in self.shown).values())


def gather(folder: Path, search: Search, grouping: str, tell: Told) -> Gathered:
    """Find the people of a folder.

    Args:
        folder: of photos, or of one folder of photos a person.
        search: face search, largest first.
        grouping: "folders" (one sub-folder a person), "names" (anna-1.jpg, anna-2.jpg),
            "faces" (every face of every photo is somebody else) or "auto" (the first of
            these that fits).
        tell: told what is done, and the share of it.

    Raises:
        ConfigError: no folder, no photos, or more than `PHOTOS_AT_MOST`.
    """
    plan, chosen = _plan(folder, grouping)
    found = Gathered(chosen)
    total = sum(len(files) for files in plan)
    done = people = 0
    for files in plan:
        before = len(found.shown)
        for file in files:
            name = str(file.relative_to(folder))
            tell("look for faces", done / total)
            done += 1
            image = _read(file)
            if image is None:
                found.left_out["no picture that can be read"] += 1
                continue
            faces = [f for f in search(image) if _usable(f)]
            if not faces:
                found.left_out[f"no face of {SMALLEST_PX} px or more"] += 1
            elif chosen == "faces":
                for face in faces:
                    found.shown.append(_shown(people, name, image, face, first=True))
                    people += 1
            elif len(faces) > 1 and _area(faces[1]) > RIVAL_SHARE * _area(faces[0]):
                found.left_out["two people of one size"] += 1
            else:
                first = len(found.shown) == before
                found.shown.append(_shown(people, name, image, faces[0], first=first))
        people += chosen != "faces" and len(found.shown) > before
    return found


def _plan(folder: Path, grouping: str) -> tuple[list[list[Path]], Grouping]:
    """Photos by person (for "faces" all in one list), and the grouping."""
    if not folder.is_dir():
        raise ConfigError(f"{folder}: there is no such folder; name one that holds photos")
    nested = [
        photos
        for each in sorted(path for path in folder.iterdir() if path.is_dir())
        if (photos := _photos(each))
    ]
    flat = _photos(folder)
    named = _by_name(flat)
    if grouping == "folders" or (grouping == "auto" and len(nested) > 1):
        plan, chosen = nested, "folders"
    elif grouping == "names" or (grouping == "auto" and 1 < len(named) < len(flat)):
        plan, chosen = named, "names"
    else:
        plan, chosen = [flat] if flat else [], "faces"
    count = sum(len(photos) for photos in plan)
    if not count:
        raise ConfigError(
            f"{folder}: no photos there; it needs one sub-folder a person, files called "
            "anna-1.jpg, anna-2.jpg, or photos that each show other people"
        )
    if count > PHOTOS_AT_MOST:
        raise ConfigError(f"{folder}: {count} photos; take {PHOTOS_AT_MOST} of them or fewer")
    return plan, chosen  # type: ignore[return-value]


def _photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _by_name(files: Sequence[Path]) -> list[list[Path]]:
    """Files whose names differ in a number at the end are one person's."""
    people: dict[str, list[Path]] = {}
    for file in files:
        match = _NUMBERED.match(file.stem)
        people.setdefault(match[1].lower() if match else file.stem.lower(), []).append(file)
    return list(people.values())


def _read(file: Path) -> Image | None:
    """A photo, upright; None where it is none."""
    try:
        if file.stat().st_size > _FILE_BYTES_MAX:
            return None
        data = np.frombuffer(file.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except (OSError, cv2.error):
        return None
    return None if image is None else np.asarray(image, np.uint8)


def _usable(face: Face) -> bool:
    """Whether a face is large enough, and its landmarks say how to turn it."""
    side = float(min(face.box[2] - face.box[0], face.box[3] - face.box[1]))
    return side >= SMALLEST_PX and matrices([face.landmarks], "arcface_112", SIZE_PX)[0] is not None


def _area(face: Face) -> float:
    return float(np.prod(face.box[2:] - face.box[:2]))


def _shown(person: int, photo: str, image: Image, face: Face, *, first: bool) -> Shown:
    """What is kept of a photo."""
    if not first or person >= WHOLE_PEOPLE:
        to_crop = [m for m in matrices([face.landmarks], "arcface_112", SIZE_PX) if m is not None]
        crop = crops(image, to_crop, SIZE_PX)[0]
        return Shown(person, photo, crop, template("arcface_112", SIZE_PX), whole=False)
    side = float(max(face.box[2] - face.box[0], face.box[3] - face.box[1]))
    centre = (face.box[:2] + face.box[2:]) / 2
    low = np.maximum(np.floor(centre - AROUND * side), 0).astype(int)
    high = np.minimum(np.ceil(centre + AROUND * side), image.shape[1::-1]).astype(int)
    part = np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]])
    points = face.landmarks - low.astype(np.float32)
    share = _LARGEST_PX / max(part.shape[:2])
    if share < 1:  # very large ones are made smaller
        part = np.asarray(
            cv2.resize(part, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8
        )
        points = points * np.float32(share)
    return Shown(person, photo, part, points.astype(np.float32))
