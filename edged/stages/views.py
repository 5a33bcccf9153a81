"""Where a search looks: the sizes, turns and tiles of one picture, as values.

Knows extents and how places in a view lead back to the picture; knows no pixels, no model
and no policy (who asks decides the effort).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edged.faces import Detections
from edged.geometry import unturn, unturn_boxes
from edged.stages import spots
from edged.stages.spots import Spot

FINE_SCALE = 0.5
"""Large pictures are searched at this scale too, in tiles.  Detectors find faces from 12 to
16 px on; a recogniser still knows a face of 30 px (measured: cosine 0.74 to 0.96 at 37 px
in a 4K frame, where a look at 640 px shows 6 px of it)."""

TILE_OVERLAP = 96
"""Neighbouring tiles share so many pixels; a face that is cut off in one is whole in the
next, and one that is larger is found in the whole picture."""

STRIP = 0.002
"""Scales of the two axes that differ more than this are used apart."""


@dataclass(frozen=True)
class Effort:
    """How hard to search.

    Attributes:
        sizes_px: sides of the square that the picture is scaled to fit.
        turns: quarter turns, counter-clockwise.
        families: how many of the detectors, from the first on; 0 means all.
        tiles: also search large pictures in tiles, for faces that are small in them.
        aside: further turns, in which the sizes are searched by the first family alone, and
            no tiles.
        diagonals: leans in degrees, clockwise, in which the first family searches the whole
            picture once, at the largest size: faces between two quarter turns.
        close_px: side of a close look at a spot; 0 means none.  The first family has it.
        expected: where faces were a moment ago: looked at closely when nothing explains them.
        doubtful: keep findings of one family that no close look confirms, marked as doubtful.
        every: look closely at every face that is found, not only at those that lean.
    """

    sizes_px: tuple[int, ...]
    turns: tuple[int, ...] = (0,)
    families: int = 0
    tiles: bool = False
    aside: tuple[int, ...] = ()
    diagonals: tuple[float, ...] = ()
    close_px: int = 0
    expected: tuple[Spot, ...] = ()
    doubtful: bool = True
    every: bool = False

    def looks(self, detectors: int, shape: tuple[int, ...] = (0, 0)) -> int:
        """Detector runs that this effort takes, on a picture of so many rows and columns.

        Close looks are not among them: how many they are depends on what is found.
        """
        pictures = len(self.sizes_px)
        side = max(self.sizes_px)
        if self.tiles and max(shape[:2]) * FINE_SCALE > side:
            rows, columns = (round(extent * FINE_SCALE) for extent in shape[:2])
            pictures += len(_starts(rows, side)) * len(_starts(columns, side))
        whole = pictures * len(self.turns) * (min(self.families, detectors) or detectors)
        return whole + len(self.sizes_px) * len(self.aside) + len(self.diagonals)


@dataclass(frozen=True)
class View:
    """One look at a picture: it is scaled, a part of that is taken and turned.

    Attributes:
        side: of the square that the part fits, px.
        turn: quarter turns, counter-clockwise.
        scaled: width and height of the whole picture after scaling, px.
        part: of the scaled picture, x1, y1, x2, y2 px.
        scales: scaled px per picture px, x and y.
        tile: at `FINE_SCALE`, and perhaps not all of the picture.
        spot: shown upright instead; nothing else but the side counts then.
        close: findings in the middle of that count alone.
        alone: for the first family only.
    """

    side: int
    turn: int
    scaled: tuple[int, int]
    part: tuple[int, int, int, int]
    scales: tuple[float, float]
    tile: bool = False
    spot: Spot | None = None
    close: bool = False
    alone: bool = False

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the part, before it is turned."""
        x1, y1, x2, y2 = self.part
        return x2 - x1, y2 - y1


def views(shape: Sequence[int], effort: Effort) -> Iterator[View]:
    """Every look at a picture of so many rows and columns."""
    height, width = shape[:2]
    for side in effort.sizes_px:
        wide, tall = fitted(width, height, side)
        scale = tall / height
        scales = (_across(wide / width, scale), scale)
        for turn in effort.turns:
            yield View(side, turn, (wide, tall), (0, 0, wide, tall), scales)
        for turn in effort.aside:
            yield View(side, turn, (wide, tall), (0, 0, wide, tall), scales, alone=True)
    side = max(effort.sizes_px)
    for lean_deg in effort.diagonals:
        yield _diagonal(width, height, side, lean_deg)
    if not effort.tiles or max(height, width) * FINE_SCALE <= side:
        return
    wide, tall = round(width * FINE_SCALE), round(height * FINE_SCALE)
    scales = (wide / width, tall / height)
    for top in _starts(tall, side):
        for left in _starts(wide, side):
            part = (left, top, min(left + side, wide), min(top + side, tall))
            for turn in effort.turns:
                yield View(side, turn, (wide, tall), part, scales, tile=True)


def close_up(spot: Spot, side: int) -> View:
    """A close look at a spot."""
    return replace(_shown_upright(spot, side), close=True)


def _diagonal(width: int, height: int, side: int, lean_deg: float) -> View:
    """The whole picture, turned by 45 degrees or so to fit the square.

    Its scale is 0.91 of that of an upright look at 16:9, 0.81 at 4:3.
    """
    half = spots.FACE_SHARE * (width + height) / math.sqrt(2) / 2
    x, y = width / 2, height / 2
    spot = Spot((x - half, y - half, x + half, y + half), lean_deg)
    return _shown_upright(spot, side)


def _shown_upright(spot: Spot, side: int) -> View:
    return View(side, 0, (side, side), (0, 0, side, side), (1.0, 1.0), spot=spot, alone=True)


def fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of a picture that is scaled to fit a square.

    Truncated extents, as in insightface's SCRFD, so that boxes agree to a hundredth of a
    pixel.
    """
    if height > width:
        return max(1, int(side / (height / width))), max(1, side)
    return max(1, side), max(1, int(side * (height / width)))


def in_picture(seen: Detections, view: View) -> Detections:
    """Findings in a view, in pixels of the picture; without those that a tile cuts off."""
    if view.spot is not None:
        return spots.in_picture(seen, view.spot, view.side, everywhere=not view.close)
    seen = _whole(_unturned(seen, view), view)
    shift = np.array(view.part[:2], np.float32)
    scales = np.array(view.scales, np.float32)
    boxes = (seen.boxes + np.tile(shift, 2)) / np.tile(scales, 2)
    landmarks = (seen.landmarks + shift) / scales
    return Detections(
        boxes.astype(np.float32), seen.scores, landmarks.astype(np.float32), seen.family
    )


def _across(scale_x: float, scale_y: float) -> float:
    """The scale of x: the height's, as in insightface, but where that would be far off.

    `fitted` truncates extents; in a strip of 12 to 1 that moves x by a fifth of a face.
    """
    return scale_y if abs(scale_x / scale_y - 1) < STRIP else scale_x


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin, evenly, so that neighbours overlap by `TILE_OVERLAP` at least."""
    count = max(1, -(-(length - TILE_OVERLAP) // (side - TILE_OVERLAP)))
    return [round(i * (length - side) / (count - 1)) for i in range(count)] if count > 1 else [0]


def _unturned(seen: Detections, view: View) -> Detections:
    """Pixels of the turned part -> pixels of the part."""
    width, height = view.extent
    return Detections(
        unturn_boxes(seen.boxes, view.turn, width, height),
        seen.scores,
        unturn(seen.landmarks, view.turn, width, height),
        seen.family,
    )


def _whole(seen: Detections, view: View) -> Detections:
    """Findings that no inner edge of the part cuts off; boxes are in the part's pixels."""
    left, top, right, bottom = view.part
    x1, y1, x2, y2 = seen.boxes.T
    keep = np.ones(len(seen), bool)
    keep &= (x1 > 1) | (left == 0)
    keep &= (y1 > 1) | (top == 0)
    keep &= (x2 < right - left - 1) | (right >= view.scaled[0])
    keep &= (y2 < bottom - top - 1) | (bottom >= view.scaled[1])
    return Detections(seen.boxes[keep], seen.scores[keep], seen.landmarks[keep], seen.family)
