"""YuNet: the guard's second detector family (libfacedetection.train, OpenCV zoo).

Contract (facts read in the file and in OpenCV's use of it): input [1, 3, 640, 640] BGR
0..255; twelve outputs cls/obj/bbox/kps x strides 8, 16, 32, one anchor a cell on the
cell's corner.  Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Detections, Image, Tensor
from edged.geometry import nms
from edged.runtime.session import Session
from edged.stages.tensor import TensorBuffer

STRIDES = (8, 16, 32)
NMS_IOU = 0.3
OUTPUTS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
"""Numbers for each cell."""


@dataclass(frozen=True)
class YuNet:
    """One YuNet model.

    Attributes:
        session: entered session of the model.
        det_thresh: bound on sqrt(cls * obj), the score that OpenCV forms.
        buffer: the kept input tensors.
    """

    session: Session
    det_thresh: float = 0.5
    family: str = "yunet"
    buffer: TensorBuffer = field(
        default_factory=lambda: TensorBuffer(mean=0.0, scale=1.0, rgb=False)
    )

    def __post_init__(self) -> None:
        names = {spec.name for spec in self.session.outputs}
        if names != {f"{kind}_{stride}" for kind in OUTPUTS for stride in STRIDES}:
            msg = (
                f"model {self.session.model_id} has not YuNet's 12 outputs "
                "(cls, obj, bbox, kps x strides 8, 16, 32)"
            )
            raise ModelError(msg)

    def __call__(self, picture: Image, side: int) -> Detections:
        """Find upright faces in a picture scaled to fit `side`, (h, w, 3) uint8 BGR."""
        fixed = self.session.inputs[0].shape[-1]
        net_side = fixed if fixed is not None else -(-side // 32) * 32
        scale = 1.0
        if max(picture.shape[:2]) > net_side:  # the public file is fixed at 640
            scale = net_side / side
            picture = np.asarray(
                cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
                np.uint8,
            )[:net_side, :net_side]
        tensor = self.buffer.fill(picture, net_side)
        out = self.session.run({self.session.inputs[0].name: tensor})
        named = {spec.name: t for spec, t in zip(self.session.outputs, out, strict=True)}
        seen = self._decode(named, net_side)
        if scale == 1.0:
            return seen
        up = np.float32(1 / scale)
        return Detections(seen.boxes * up, seen.scores, seen.landmarks * up, self.family)

    def _decode(self, out: dict[str, Tensor], side: int) -> Detections:
        """Twelve tensors -> detections in canvas pixels.

        Raises:
            EngineError: tensors of another size than this side's, or a score that is not
                finite, which no threshold would ever let through.
        """
        boxes, scores, points = [], [], []
        for stride in STRIDES:
            cells = side // stride
            if any(out[f"{kind}_{stride}"].size != n * cells**2 for kind, n in OUTPUTS.items()):
                msg = f"model {self.session.model_id} gave tensors of another size than its input"
                raise EngineError(msg)
            product = out[f"cls_{stride}"].reshape(-1) * out[f"obj_{stride}"].reshape(-1)
            if not np.isfinite(product).all():
                msg = f"model {self.session.model_id} gave scores that are not finite"
                raise EngineError(msg)
            hit = np.flatnonzero(product >= self.det_thresh**2)
            if not hit.size:
                continue
            corner = np.stack([hit % cells, hit // cells], 1).astype(np.float32)  # (k, 2)
            shift = out[f"bbox_{stride}"].reshape(-1, 4)[hit]
            centre = (corner + shift[:, :2]) * stride
            half = np.exp(shift[:, 2:]) * (stride / 2)
            boxes.append(np.concatenate([centre - half, centre + half], 1))
            kps = out[f"kps_{stride}"].reshape(-1, 5, 2)[hit]
            points.append((corner[:, None] + kps) * stride)
            scores.append(np.sqrt(product[hit]))
        if not scores:
            return Detections.none(self.family)
        box = np.concatenate(boxes).astype(np.float32)
        score = np.concatenate(scores).astype(np.float32)
        keep = nms(box, score, NMS_IOU)
        landmarks = np.concatenate(points).astype(np.float32)
        return Detections(box[keep], score[keep], landmarks[keep], self.family)
