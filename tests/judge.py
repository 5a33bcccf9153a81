"""A judge that the pipeline never uses: did a face get out?

Ultra-Light-Fast-Generic-Face-Detector (slim, 320 x 240), run on the whole picture, on its
four turns and on overlapping tiles, so that it sees what the guard's families might not.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from edged.geometry import nms, unturn_boxes

WIDTH, HEIGHT = 320, 240


class Judge:
    """The detector; `faces` gives (n, 4) px boxes of a BGR picture."""

    def __init__(self, folder: Path, threshold: float = 0.7) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # the file lists its weights as inputs
        self._session = ort.InferenceSession(
            str(folder / "judge_ultralight_slim_320.onnx"),
            options,
            providers=["CPUExecutionProvider"],
        )
        self._threshold = threshold

    def faces(self, image: np.ndarray, turns: tuple[int, ...] = (0,)) -> np.ndarray:
        found, scores = [], []
        height, width = image.shape[:2]
        for turn in turns:
            turned = np.ascontiguousarray(np.rot90(image, turn))
            boxes, score = self._look(turned)
            found.append(unturn_boxes(boxes, turn, width, height))
            scores.append(score)
        boxes, score = np.concatenate(found), np.concatenate(scores)
        if not len(boxes):
            return boxes
        return boxes[nms(boxes, score, 0.3)]

    def _look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        small = cv2.cvtColor(cv2.resize(image, (WIDTH, HEIGHT)), cv2.COLOR_BGR2RGB)
        blob = ((small.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        scores, boxes = self._session.run(
            ["scores", "boxes"], {self._session.get_inputs()[0].name: blob}
        )
        keep = scores[0, :, 1] >= self._threshold
        size = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return (boxes[0][keep] * size).astype(np.float32), scores[0, keep, 1]
