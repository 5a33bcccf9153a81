"""Folders of photos of seven people, made from the photos that the test extra carries."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from photos import astronaut, t1

from edged.measure.variations import variation
from edged.stages.haar_family import HaarFamily
from edged.stages.search import search
from edged.stages.views import Effort


def find(image):
    """Faces, as the built-in detector sees them."""
    return search(image, [HaarFamily()], Effort((640,)))


@lru_cache(maxsize=1)
def seven():
    """(photo around the face, landmarks) of seven people."""
    cut = []
    for photo in (t1(), astronaut()):
        for face in find(photo):
            x1, y1, x2, y2 = face.box
            side = max(x2 - x1, y2 - y1)
            left, top = (int(max(0, v)) for v in (x1 - 0.6 * side, y1 - 0.6 * side))
            part = photo[top : int(y2 + 0.6 * side), left : int(x2 + 0.6 * side)]
            # Others who look into the picture are no second person of this photo.
            part = cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
            points = (face.landmarks - np.array([left, top], np.float32)) * 2
            cut.append((part, points.astype(np.float32)))
    assert len(cut) == 7
    return cut


def group_folder(folder):
    """The two photos as they are: every face somebody else."""
    folder.mkdir()
    cv2.imwrite(str(folder / "group.png"), t1())
    cv2.imwrite(str(folder / "one.png"), astronaut())
    return folder


def people_folder(folder, *, nested, count=2):
    """So many pictures of each of the seven: in sub-folders, or numbered files."""
    random = np.random.default_rng(5)
    for number, (photo, points) in enumerate(seven()):
        for take in range(count):
            image = photo if take == 0 else variation(photo, points, random)[0]
            name = (
                f"{'abcdefg'[number]}/{take}.png" if nested else f"{'abcdefg'[number]}-{take}.png"
            )
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name), image)
    return folder
