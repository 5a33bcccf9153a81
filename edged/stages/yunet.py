"""YuNet: the guard's second detector family (libfacedetection.train, OpenCV zoo).

Its prepared graph decodes (`runtime/graph/detectors.py`); the public file is fixed at
640 px, so a larger look is scaled to it.  Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from edged.faces import Detections, Image, Tensor
from edged.runtime.session import DeviceArray, Session
from edged.stages.places import Canvas, canvas_size, find_places

NMS_IOU = 0.3


@dataclass(frozen=True)
class YuNet:
    """One YuNet model.

    Attributes:
        session: entered session of the prepared model.
        det_thresh: bound on sqrt(cls * obj), the score that OpenCV forms.
        canvas: the kept canvases.
    """

    session: Session
    det_thresh: float = 0.5
    family: str = "yunet"
    canvas: Canvas = field(default_factory=Canvas)

    def __call__(self, picture: Image, side: int) -> Detections:
        """Find upright faces in a picture scaled to fit `side`, (h, w, 3) uint8 BGR."""
        height, width = canvas_size(self.session, side)
        scale = 1.0
        if picture.shape[0] > height or picture.shape[1] > width:
            scale = min(height, width) / side
            picture = np.asarray(
                cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
                np.uint8,
            )[:height, :width]
        seen = self.places(self.canvas.fill(picture, height, width))
        if scale == 1.0:
            return seen
        up = np.float32(1 / scale)
        return Detections(seen.boxes * up, seen.scores, seen.landmarks * up, self.family)

    def places(self, canvas: Tensor | DeviceArray) -> Detections:
        """Upright faces in a canvas [1, H, W, 3] of the network's size, wherever it lies."""
        return find_places(
            self.session,
            canvas,
            thresh=self.det_thresh,
            nms_iou=NMS_IOU,
            family=self.family,
        )
