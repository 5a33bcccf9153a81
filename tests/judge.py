"""A judge that the pipeline never uses: did a face get out?

Ultra-Light-Fast-Generic-Face-Detector (slim, 320 x 240).  It says well whether there is a
face and, from afar, badly where: boxes twice too large, or on a hand.  So whatever it sees
from afar it looks at again, by itself, in a window that is centred and as large as it likes
faces best.  There its boxes lie on faces whose places are known with an IoU of 0.83 to 0.94
(the seven of :mod:`recall_kit`), as wide and as high as these within 2 % on average: they
need no correction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from edged.geometry import iou, nms, unturn_boxes

WIDTH, HEIGHT = 320, 240
SURE = 0.7
TURNS = (0, 1, 2, 3)
CLOSE = 2.0
"""Height of the window of a closer look, in longer sides of what was seen."""

CLOSES = (1.4, 1.7, CLOSE, 2.5)
"""In all of these windows a face must be seen.  The seven whose places are known are, in
boxes that are the same; from 3 on neighbours come into view.  Of 190 faces of raw frames
seen closely 187 pass, and no ear and no lamp of t1.jpg: each of these is taken for a face,
with a score of up to 0.99, in some windows only."""

SAME_IOU = 0.4
"""Two boxes that overlap by so much are of one face."""

NEAR_PX = 60
"""A closer look is for the face in the middle: its middle is so near that of the window."""

TILE = 0.6
"""Side of the four windows that show the corners, in sides of the picture."""


@dataclass(frozen=True, eq=False)
class Finding:
    """Where the judge saw a face.

    Attributes:
        box: (4,) float32 px; of the closer look if it was confirmed, else as seen from afar.
        told: it was looked for there, and not seen from afar.
        confirmed: a closer look showed a face, and so did four more, each of another size, in
            the place that it showed.
    """

    box: np.ndarray
    confirmed: bool
    told: bool = False


class Judge:
    """The detector; `faces` gives (n, 4) px boxes of a BGR picture."""

    def __init__(self, folder: Path, threshold: float = SURE) -> None:
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

    def search(self, image: np.ndarray, places: np.ndarray = ()) -> list[Finding]:
        """Whatever it sees in a picture and its corners, in four turns, looked at again.

        Args:
            image: (h, w, 3) uint8 BGR.
            places: (n, 4) px boxes at which it looks closely without having seen a face.
        """
        pyramid = _pyramid(image)
        boxes, scores = self._afar(pyramid)
        found = []
        for box in boxes[nms(boxes, scores, 0.3)]:
            close = self._closer(pyramid, box)
            found.append(Finding(box if close is None else close, close is not None))
        for place in places:
            sure = np.array([one.box for one in found if one.confirmed]).reshape(-1, 4)
            if len(sure) and iou(place[None], sure).max() >= SAME_IOU:
                continue
            close = self._closer(pyramid, place)
            if close is not None:
                found.append(Finding(close, confirmed=True, told=True))
        return found

    def _afar(self, pyramid: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        height, width = pyramid[0].shape[:2]
        found, scores = [], []
        for centre, share in _windows(width, height):
            for turn in TURNS:
                rows, columns = (height, width)[turn % 2], (width, height)[turn % 2]
                side = share * max(rows, columns * HEIGHT / WIDTH)
                seen, score = self._through(pyramid, centre, side, turn)
                found.append(seen)
                scores.append(score)
        return np.concatenate(found), np.concatenate(scores)

    def _closer(self, pyramid: list[np.ndarray], box: np.ndarray) -> np.ndarray | None:
        """(4,) box of the face that is there, or None if a closer look shows none."""
        first, turn = max(
            ((self._middle(pyramid, box, CLOSE, turn), turn) for turn in TURNS),
            key=lambda seen: seen[0][1],
        )
        if first[0] is None:
            return None
        again = [self._middle(pyramid, first[0], close, turn)[0] for close in CLOSES]
        sure = again[CLOSES.index(CLOSE)]
        if any(one is None for one in again):
            return None
        return sure if iou(sure[None], np.array(again)).min() >= SAME_IOU else None

    def _middle(
        self, pyramid: list[np.ndarray], box: np.ndarray, close: float, turn: int
    ) -> tuple[np.ndarray | None, float]:
        """The surest face about the middle of a box, and its score."""
        centre, side = (box[:2] + box[2:]) / 2, close * float((box[2:] - box[:2]).max())
        seen, scores = self._through(pyramid, centre, side, turn)
        off = np.linalg.norm((seen[:, :2] + seen[:, 2:]) / 2 - centre, axis=1)
        scores = np.where(off < NEAR_PX * side / HEIGHT, scores, 0)
        best = int(scores.argmax()) if scores.any() else -1
        return (None, 0.0) if best < 0 else (seen[best], float(scores[best]))

    def _through(
        self, pyramid: list[np.ndarray], centre: np.ndarray, side: float, turn: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (n, 4), picture px, and scores seen through a window `side` px high.

        The picture is turned counter-clockwise by quarter turns; what lies beyond is grey.
        """
        scale = HEIGHT / side
        cos, sin = round(math.cos(turn * math.pi / 2)), round(math.sin(turn * math.pi / 2))
        matrix = scale * np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
        matrix[:, 2] = np.array([WIDTH / 2, HEIGHT / 2]) - matrix[:, :2] @ centre
        level = min(int(max(0.0, -math.log2(scale))), len(pyramid) - 1)
        shown = matrix * [2.0**level, 2.0**level, 1.0]
        small = cv2.warpAffine(
            pyramid[level], shown, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderValue=(127,) * 3
        )
        boxes, scores = self._look(small)
        corners = (boxes.reshape(-1, 2) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        corners = corners.reshape(-1, 2, 2)
        return np.concatenate([corners.min(1), corners.max(1)], axis=1).astype(np.float32), scores

    def _look(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        small = cv2.cvtColor(cv2.resize(image, (WIDTH, HEIGHT)), cv2.COLOR_BGR2RGB)
        blob = ((small.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        scores, boxes = self._session.run(
            ["scores", "boxes"], {self._session.get_inputs()[0].name: blob}
        )
        keep = scores[0, :, 1] >= self._threshold
        size = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return (boxes[0][keep] * size).astype(np.float32), scores[0, keep, 1]


def _pyramid(image: np.ndarray) -> list[np.ndarray]:
    """The picture, and halves of it down to the window's size: a warp samples linearly."""
    levels = [image]
    while min(levels[-1].shape[:2]) >= 2 * HEIGHT:
        levels.append(cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    return levels


def _windows(width: int, height: int) -> Iterator[tuple[np.ndarray, float]]:
    """Middle (px) and share of the picture: the whole, and four that overlap."""
    yield np.array([width / 2, height / 2]), 1.0
    for x in (TILE / 2, 1 - TILE / 2):
        for y in (TILE / 2, 1 - TILE / 2):
            yield np.array([x * width, y * height]), TILE
