"""Regions of a frame: an input face, what became of it, and which output face is whose.

Knows boxes, landmarks and solid colour; knows no models, no bounds and no policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edged.faces import Face, Floats, Image, Points
from edged.geometry import Matrix, clip, grow, iou

Search = Callable[[Image], list[Face]]
"""Every face that the detector families see in a picture, at the frame's effort."""

ELSEWHERE = 0.15
"""An output face whose landmarks lie this share of its side from the swap's is not the
swap but, perhaps, the untouched face beside it."""

AT_HOME = 0.1
"""Landmarks that lie nearer are those of the same face: where the input shows one there,
an output face is no artefact of a swap and the hair round it."""

FILL_MARGIN = 1.25
"""A filled box is so much larger than the detector's, which is tight at hair and chin."""

UNTOUCHED = 0.9
"""Share of a face's pixels from which they are the input's own; a fill's edge may reach in."""

Rect = tuple[int, int, int, int]


@dataclass(repr=False, eq=False)
class Region:
    """One input face and what became of it.

    Attributes:
        face: as found in the input.
        to_crop: input -> recogniser's crop; None when its landmarks are degenerate.
        before: the crop of the input; None likewise.
        action: "swapped" or "filled".
        identity: name of its character, for the result.
        rect: what was filled.
        refilled: filled by the guard, after a failed check.
        mouth_kept: its mouth is meant to be the input's, see :data:`pixels.MOUTH_112`.
    """

    face: Face
    to_crop: Matrix | None = None
    before: Image | None = None
    action: str = "filled"
    identity: str = ""
    rect: Rect = (0, 0, 0, 0)
    refilled: bool = False
    mouth_kept: bool = False


def fill_region(out: Image, region: Region, fill_bgr: tuple[int, int, int]) -> None:
    """Fill a region's face with a solid colour, in place."""
    region.action = "filled"
    region.identity = ""
    region.rect = paint(out, region.face.box, fill_bgr)


def paint(out: Image, box: Floats, fill_bgr: tuple[int, int, int]) -> Rect:
    """Fill a face box and its margin, in place; returns the filled rectangle."""
    x1, y1, x2, y2 = clip(grow(box, FILL_MARGIN), out.shape[1], out.shape[0])
    out[y1:y2, x1:x2] = fill_bgr
    return x1, y1, x2, y2


def owners(seen: Sequence[Face], regions: Sequence[Region]) -> list[Region | None]:
    """For each output face the region that explains it: the one that overlaps it most."""
    if not seen or not regions:
        return [None] * len(seen)
    areas = np.stack(
        [grow(r.face.box, FILL_MARGIN) if r.action == "filled" else r.face.box for r in regions]
    )
    overlap = iou(np.stack([face.box for face in seen]), areas)  # (seen, regions)
    best = overlap.argmax(axis=1)
    return [regions[index] if overlap[row, index] > 0.2 else None for row, index in enumerate(best)]


def elsewhere(seen: Face, swapped: Face) -> bool:
    """Whether an output face's landmarks lie off those that the swap was aligned to."""
    return not apart(seen.landmarks, swapped.landmarks, seen.box) <= ELSEWHERE


def apart(one: Points, other: Points, box: Floats) -> float:
    """Distance of the centres of two sets of landmarks, in sides of a box."""
    side = float(np.sqrt(max(float(np.prod(box[2:] - box[:2])), 1.0)))
    return float(np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))) / side


def shown(frame: Image, face: Face, search: Search) -> bool:
    """Whether the input shows a face where one is seen in the output.

    A swap and the hair round it can look like a second face to a detector; untouched
    pixels are a face only where they were one.  The input is searched close up.
    """
    x1, y1, x2, y2 = clip(grow(face.box, 2.0), frame.shape[1], frame.shape[0])
    if x1 >= x2 or y1 >= y2:
        return True
    shift = np.array([x1, y1], np.float32)
    return any(
        not apart(points + shift, face.landmarks, face.box) > AT_HOME
        for found in search(np.ascontiguousarray(frame[y1:y2, x1:x2]))
        for points in (found.landmarks, *found.others)
    )


def imagined(frame: Image, out: Image, face: Face, search: Search) -> bool:
    """Whether an output face that no region explains is nobody's.

    A fill beside a wall can look like a face to one detector.  What a close look did not
    confirm, on the input's own pixels, which show nobody there close up, was one of those.
    """
    x1, y1, x2, y2 = clip(face.box, frame.shape[1], frame.shape[0])
    if not face.doubtful or x1 >= x2 or y1 >= y2:
        return False
    same = (out[y1:y2, x1:x2] == frame[y1:y2, x1:x2]).all(axis=2).mean()
    return bool(same >= UNTOUCHED) and not shown(frame, face, search)


def is_solid(out: Image, rect: Rect, fill_bgr: tuple[int, int, int]) -> bool:
    """Whether every pixel of a rectangle has the fill colour (an empty one has none)."""
    x1, y1, x2, y2 = rect
    return bool((out[y1:y2, x1:x2] == np.array(fill_bgr, np.uint8)).all())
