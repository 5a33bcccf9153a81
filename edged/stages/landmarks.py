"""Dense landmarks: 106 or 68 points of a face, for masks and blinks.

The prepared graph takes `crops` uint8 [n, S, S, 3] BGR and gives `values` float32 [n, ...],
places in the crop.  A crop is the face's box, turned by nothing and made as large as the
network was trained on.  Nothing calls this unless a scene needs outlines: it costs one run
more for each frame.  Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edged.errors import EngineError
from edged.faces import Face, Floats, Image, Points
from edged.geometry import Matrix
from edged.runtime.session import Session
from edged.stages.align import crops
from edged.stages.batches import run_faces


@dataclass(frozen=True)
class Layout:
    """How a family of landmark networks sees a face.

    Attributes:
        size_px: side of the crop.
        face_px: longer side of the face's box in it.
        points: how many points count; they are the last ones that it gives.
        depth: numbers for each point, x and y first.
        unit_px, offset: place in the crop = (value + offset) * unit_px.
    """

    size_px: int
    face_px: float
    points: int
    depth: int
    unit_px: float
    offset: float


LAYOUTS: Mapping[str, Layout] = {
    # insightface 2.1, model_zoo/landmark.py: the box times 1.5, places in -1..1.
    "landmarks_106": Layout(192, 192 / 1.5, 106, 2, 96.0, 1.0),
    "landmarks_68": Layout(192, 192 / 1.5, 68, 3, 96.0, 1.0),
    # FaceFusion 3.8.1, face_landmarker.py: 195 px of 256, places in a map of 64 cells.
    "landmarks_fan": Layout(256, 195.0, 68, 3, 4.0, 0.0),
}
"""By recipe family."""


@dataclass(frozen=True)
class Landmarker:
    """One landmark network.

    Attributes:
        session: entered session of the prepared model.
        layout: of its family.
        most: faces in one run; 0 for any number.
    """

    session: Session
    layout: Layout
    most: int = 0

    def __call__(self, image: Image, faces: Sequence[Face]) -> list[Points]:
        """The points of each face.

        Args:
            image: (h, w, 3) uint8 BGR.
            faces: with boxes in its pixels.

        Returns:
            One (106 or 68, 2) float32 for each face, px of the image; the order of the
            points is the family's, see :mod:`edged.stages.face_parts`.

        Raises:
            EngineError: the network gave something else, or values that are not finite.
        """
        if not faces:
            return []
        layout = self.layout
        to_crop = [box_crop(face.box, layout.size_px, layout.face_px) for face in faces]
        cut = crops(image, to_crop, layout.size_px)
        return self.points(
            run_faces(self.session, {"crops": cut}, {}, self.most)["values"], to_crop
        )

    def points(self, values: Floats, to_crop: Sequence[Matrix]) -> list[Points]:
        """What the network gave, in pixels of the picture.

        Raises:
            EngineError: likewise.
        """
        layout, count = self.layout, len(to_crop)
        numbers = values.size // count
        if (
            values.shape[:1] != (count,)
            or numbers % layout.depth
            or numbers < layout.points * layout.depth
        ):
            msg = f"model {self.session.model_id} gave shape {values.shape} for {count} faces"
            raise EngineError(msg)
        rows = values.reshape(count, -1)
        if not np.isfinite(rows).all():
            msg = f"model {self.session.model_id} gave values that are not finite"
            raise EngineError(msg)
        places = rows.reshape(count, -1, layout.depth)[:, -layout.points :, :2]
        in_crop = (places + np.float32(layout.offset)) * np.float32(layout.unit_px)
        return [
            ((points - matrix[:, 2]) / matrix[0, 0]).astype(np.float32)
            for points, matrix in zip(in_crop, to_crop, strict=True)
        ]


def box_crop(box: Floats, size_px: int, face_px: float) -> Matrix:
    """Picture -> crop matrix that centres a box and scales its longer side; no turn.

    Args:
        box: (4,) float32 px: x1, y1, x2, y2.
        size_px: side of the crop.
        face_px: the box's longer side in it.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    scale = face_px / max(x2 - x1, y2 - y1, 1.0)
    middle = size_px / 2
    return np.array(
        [
            [scale, 0.0, middle - scale * (x1 + x2) / 2],
            [0.0, scale, middle - scale * (y1 + y2) / 2],
        ]
    )
