"""SCRFD: the detector of InsightFace's packs (det_10g, det_500m, scrfd_2.5g_bnkps).

Contract (facts read in insightface 2.1): input [1, 3, S, S] RGB (x - 127.5) / 128; nine
outputs score/box/landmarks x strides 8, 16, 32, two anchors a cell, anchor centre on
the cell's corner, distances in strides, scores already probabilities.
Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Detections, Image, Tensor
from edged.geometry import nms
from edged.runtime.session import Session
from edged.stages.tensor import TensorBuffer

STRIDES = (8, 16, 32)
ANCHORS = 2
NMS_IOU = 0.4


@dataclass(frozen=True)
class Scrfd:
    """One SCRFD model.

    Attributes:
        session: entered session of the model.
        det_thresh: score from which a detection counts.
        buffer: the kept input tensors.
    """

    session: Session
    det_thresh: float = 0.5
    family: str = "scrfd"
    buffer: TensorBuffer = field(
        default_factory=lambda: TensorBuffer(mean=127.5, scale=1 / 128, rgb=True)
    )

    def __post_init__(self) -> None:
        if len(self.session.outputs) != 9:
            msg = (
                f"model {self.session.model_id} has {len(self.session.outputs)} outputs; "
                "SCRFD with landmarks has 9 (score, box, landmarks x strides 8, 16, 32)"
            )
            raise ModelError(msg)

    def __call__(self, picture: Image, side: int) -> Detections:
        """Find upright faces in a picture scaled to fit `side`, (h, w, 3) uint8 BGR."""
        fixed = self.session.inputs[0].shape[-1]
        side = fixed if fixed is not None else -(-side // 32) * 32
        if max(picture.shape[:2]) > side:
            msg = f"model {self.session.model_id} is fixed at {side} px; set guard.sizes_px to it"
            raise ModelError(msg)
        tensor = self.buffer.fill(picture, side)
        out = self.session.run({self.session.inputs[0].name: tensor})
        return decode(out, side, self.det_thresh, self.session.model_id)


def decode(
    out: Sequence[Tensor], side: int, thresh: float, model_id: str = "scrfd"
) -> Detections:
    """Nine tensors -> detections in canvas pixels, thresholded before any arithmetic.

    Raises:
        EngineError: tensors of another size than this side's, or a score that is not
            finite, which no threshold would ever let through.
    """
    boxes, scores, points = [], [], []
    for level, stride in enumerate(STRIDES):
        score, cells = out[level].reshape(-1), side // stride
        places = cells * cells * ANCHORS
        if (score.size, out[level + 3].size, out[level + 6].size) != (
            places, places * 4, places * 10,
        ) or not np.isfinite(score).all():  # fmt: skip
            msg = f"model {model_id} gave no finite score for each place; run: edged models verify"
            raise EngineError(msg)
        hit = np.flatnonzero(score >= thresh)
        if not hit.size:
            continue
        cell = hit // ANCHORS
        centre = np.stack([cell % cells, cell // cells], 1).astype(np.float32) * stride  # (k, 2)
        distance = out[level + 3].reshape(-1, 4)[hit] * np.float32(stride)
        shift = out[level + 6].reshape(-1, 5, 2)[hit] * np.float32(stride)
        boxes.append(np.concatenate([centre - distance[:, :2], centre + distance[:, 2:]], 1))
        points.append(centre[:, None] + shift)
        scores.append(score[hit])
    if not scores:
        return Detections.none("scrfd")
    box = np.concatenate(boxes).astype(np.float32)
    confidence = np.concatenate(scores).astype(np.float32)
    landmarks = np.concatenate(points).astype(np.float32)
    keep = nms(box, confidence, NMS_IOU)
    return Detections(box[keep], confidence[keep], landmarks[keep], "scrfd")
