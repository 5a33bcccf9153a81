"""What a detector's prepared graph takes and gives: a canvas of bytes, and the best places.

Knows arrays and the session protocol only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edged.errors import EngineError
from edged.faces import Detections, Image, Tensor
from edged.geometry import nms
from edged.runtime.session import DeviceArray, Session
from edged.stages.batches import require_finite

STEP_PX = 32
"""Extents of an open canvas are multiples of the largest stride."""


@dataclass(repr=False)
class Canvas:
    """Pictures in the corner of kept black canvases, one for each size.

    One instance serves one session and thus one thread.
    """

    _kept: dict[tuple[int, int], Image] = field(default_factory=dict)
    _live: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    def fill(self, picture: Image, height: int, width: int) -> Image:
        """(h, w, 3) uint8 BGR -> (1, height, width, 3), black beyond the picture.

        Returns:
            The kept canvas; valid until the next call with this size.
        """
        size, live = (height, width), (picture.shape[0], picture.shape[1])
        canvas = self._kept.get(size)
        if canvas is None:
            canvas = self._kept[size] = np.zeros((1, height, width, 3), np.uint8)
        elif self._live[size] != live:
            canvas[...] = 0
        self._live[size] = live
        canvas[0, : live[0], : live[1]] = picture
        return canvas


def canvas_size(session: Session, side: int) -> tuple[int, int]:
    """Height and width of the canvas for a look at `side` px: the file's, or whole strides."""
    height, width = session.inputs[0].shape[1:3]
    whole = -(-side // STEP_PX) * STEP_PX
    return height or whole, width or whole


def find_places(
    session: Session, canvas: Tensor | DeviceArray, *, thresh: float, nms_iou: float, family: str
) -> Detections:
    """Run a detector's graph and keep what counts.

    Args:
        session: entered, of a prepared detector.
        canvas: (1, H, W, 3) uint8 BGR, here or on the session's device.
        thresh: score from which a place counts.
        nms_iou: places that overlap more are one face.
        family: of the detector.

    Returns:
        Detections in the canvas's pixels, best first.

    Raises:
        EngineError: outputs of another shape or not finite, which no threshold would ever
            let through, or more places than the graph gives.
    """
    out = session.run({session.inputs[0].name: canvas})
    named = {spec.name: t for spec, t in zip(session.outputs, out, strict=True)}
    scores, boxes, points = named["scores"], named["boxes"], named["landmarks"]
    count = len(scores)
    if scores.ndim != 1 or boxes.shape != (count, 4) or points.shape != (count, 5, 2):
        msg = f"model {session.model_id} gave no box and five landmarks for each place"
        raise EngineError(msg)
    require_finite(session, named["checks"])
    require_finite(session, scores)
    hit = np.flatnonzero(scores >= thresh)
    if not hit.size:
        return Detections.none(family)
    if hit.size == count:
        msg = (
            f"model {session.model_id} found more than {count} places at once, and its graph "
            "gives no more; raise guard.det_thresh, or look at less of the picture"
        )
        raise EngineError(msg)
    kept = hit[nms(boxes[hit], scores[hit], nms_iou)]
    found = Detections(
        np.asarray(boxes[kept], np.float32),
        np.asarray(scores[kept], np.float32),
        np.asarray(points[kept], np.float32),
        family,
    )
    require_finite(session, found.boxes)
    require_finite(session, found.landmarks)
    return found
