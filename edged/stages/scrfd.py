"""SCRFD: the detector of InsightFace's packs (det_10g, det_500m, scrfd_2.5g_bnkps).

Its prepared graph decodes (`runtime/graph/detectors.py`); overlaps are dropped here, as
insightface 2.1 drops them.  Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edged.errors import ModelError
from edged.faces import Detections, Image, Tensor
from edged.runtime.session import DeviceArray, Session
from edged.stages.places import Canvas, canvas_size, find_places

NMS_IOU = 0.4


@dataclass(frozen=True)
class Scrfd:
    """One SCRFD model.

    Attributes:
        session: entered session of the prepared model.
        det_thresh: score from which a detection counts.
        canvas: the kept canvases.
    """

    session: Session
    det_thresh: float = 0.5
    family: str = "scrfd"
    canvas: Canvas = field(default_factory=Canvas)

    def __call__(self, picture: Image, side: int) -> Detections:
        """Find upright faces in a picture scaled to fit `side`, (h, w, 3) uint8 BGR."""
        height, width = canvas_size(self.session, side)
        if picture.shape[0] > height or picture.shape[1] > width:
            msg = f"model {self.session.model_id} is fixed at {height} px; set guard.sizes_px to it"
            raise ModelError(msg)
        return self.places(self.canvas.fill(picture, height, width))

    def places(self, canvas: Tensor | DeviceArray) -> Detections:
        """Upright faces in a canvas [1, H, W, 3] of the network's size, wherever it lies."""
        return find_places(
            self.session,
            canvas,
            thresh=self.det_thresh,
            nms_iou=NMS_IOU,
            family=self.family,
        )
