"""A camera's view, measured frame by frame: light, focus, faces, and what becomes of them.

Frames are looked at one by one and let go of; what is kept are numbers.  Knows stages; knows
no source of frames and no words of advice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from edged.faces import Face, Image
from edged.geometry import Matrix, apply, invert, scale_of
from edged.measure.focus import Focus, background_focus, face_focus
from edged.measure.light import FaceLight, FrameLight, face_light, frame_light
from edged.measure.sightings import Sightings
from edged.stages.align import crops, matrices
from edged.stages.embed import SIZE_PX

Search = Callable[[Image], list[Face]]

COUNTED_SCORE = 0.5
"""Faces below it are followed but not measured: they may be none."""

_SHRINK_BELOW, _FINER = 0.7, 1.5
"""Crop px per frame px below which a face is made smaller first, to so many crop px."""

_BACKGROUND_EVERY = 8
"""The background is measured in every so-manieth frame; it costs more than a face."""


@dataclass(repr=False, eq=False)
class BoothView:
    """What was measured so far.

    Attributes:
        search: finds faces of any score, from `ASKED_SCORE` on.
        ordered: frames follow one another, so that faces can be followed.
        shape: height and width of the last frame, px.
        frames: light of each frame.
        faces: light of each measured face.
        focus: of each measured face.
        background: sharpness beside the faces, of some frames.
        sides_px: shorter side of each measured face.
        spans: longer side of each, as a share of the frame's shorter one.
        sightings: faces over time.
    """

    search: Search
    ordered: bool
    shape: tuple[int, int] = (0, 0)
    frames: list[FrameLight] = field(default_factory=list)
    faces: list[FaceLight] = field(default_factory=list)
    focus: list[Focus] = field(default_factory=list)
    background: list[float] = field(default_factory=list)
    sides_px: list[float] = field(default_factory=list)
    spans: list[float] = field(default_factory=list)
    sightings: Sightings = field(default_factory=Sightings)

    def add(self, frame: Image) -> None:
        """Measure the next frame, (h, w, 3) uint8 BGR."""
        found = self.search(frame)
        self.shape = frame.shape[0], frame.shape[1]
        boxes = np.stack([f.box for f in found]) if found else np.zeros((0, 4), np.float32)
        self.frames.append(frame_light(frame, boxes))
        if self.ordered:
            self.sightings.add(found, frame.shape)
        counted = [f for f in found if f.score >= COUNTED_SCORE]
        scales = [self._face(frame, face) for face in counted]
        known = [scale for scale in scales if scale > 0]
        if known and len(self.frames) % _BACKGROUND_EVERY == 1:
            self.background.append(
                background_focus(frame, min(1.0, float(np.median(known))), boxes)
            )

    def _face(self, frame: Image, face: Face) -> float:
        """Measure one face; crop px per frame px, or 0 for landmarks that say nothing."""
        matrix = matrices([face.landmarks], "arcface_112", SIZE_PX)[0]
        if matrix is None:
            return 0.0
        crop = _cut(frame, matrix)
        self.faces.append(face_light(crop))
        self.focus.append(face_focus(crop))
        sides = face.box[2:] - face.box[:2]
        self.sides_px.append(float(sides.min()))
        self.spans.append(float(sides.max()) / min(self.shape))
        return scale_of(matrix)


def _cut(frame: Image, matrix: Matrix) -> Image:
    """The recogniser's crop; of a large face by area, since aliasing looks sharp."""
    scale = scale_of(matrix)
    if scale < _SHRINK_BELOW:
        low, high = _reach(matrix, frame.shape)
        share = min(1.0, _FINER * scale)
        part = frame[low[1] : high[1], low[0] : high[0]]
        if part.size:
            frame = np.asarray(
                cv2.resize(part, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8
            )
            # Centres: x of the part is (x' + 0.5) / share - 0.5.
            moved = low + (0.5 / share - 0.5)
            shift = matrix[:, 2] + matrix[:, :2] @ moved
            matrix = np.concatenate([matrix[:, :2] / share, shift[:, None]], axis=1)
    return np.asarray(crops(frame, [matrix], SIZE_PX)[0], np.uint8)


def _reach(matrix: Matrix, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Corners, in whole px of the frame, of what a crop is cut from."""
    square = np.array([[0, 0], [SIZE_PX, 0], [0, SIZE_PX], [SIZE_PX, SIZE_PX]], np.float32)
    outline = apply(invert(matrix), square)
    limit = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(outline.min(axis=0)), 0, limit).astype(int)
    return low, np.clip(np.ceil(outline.max(axis=0)) + 1, 0, limit).astype(int)
