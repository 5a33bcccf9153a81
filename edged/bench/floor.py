"""The floor: the least plain OpenCV work for the same swap, as a yardstick.

Letterbox, tensor of the part that is not padding, decode, NMS; per face a similarity,
the 112 and the 128 crop, their tensors, the network's output to bytes and one blend
inside the face's rectangle, in place, with a mask made beforehand and buffers kept.
The networks' answers are recorded once and replayed, so that no inference is timed.
It is written for speed alone and is not how a product would look; it checks nothing,
tracks nothing and copies no frame.  Knows the SCRFD, ArcFace and inswapper contracts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import cv2
import numpy as np

from edged.bench.recorded import Recorded
from edged.faces import Boxes, Floats, Image, Points
from edged.geometry import Matrix, nms, template

SIDE = 640
_SIGNS = np.array([-1, -1, 1, 1], np.float32)
_CORNERS = np.array([[0, 0], [128, 0], [0, 128], [128, 128]], np.float64)


class Floor:
    """One frame's floor.

    Args:
        frame: (h, w, 3) uint8 BGR; a copy is worked on.
        recorded: what the networks answered on this frame.
    """

    def __init__(self, frame: Image, recorded: Recorded) -> None:
        self.frame = frame.copy()
        self.paste_ns = 0
        self._recorded = recorded
        height, width = frame.shape[:2]
        scale = SIDE / max(height, width)
        self._live = (int(height * scale), int(width * scale))
        self._scale = self._live[0] / height
        self._small = np.empty((*self._live, 3), np.uint8)
        self._planes = np.empty((3, *self._live), np.uint8)
        self._tensor = np.full((1, 3, SIDE, SIDE), -127.5 / 128, np.float32)
        self._crops = {s: np.empty((s, s, 3), np.uint8) for s in (112, 128)}
        self._crop_planes = {s: np.empty((3, s, s), np.uint8) for s in (112, 128)}
        self._tensors = {s: np.empty((1, 3, s, s), np.float32) for s in (112, 128)}
        self._templates = {
            112: _Template(template("arcface_112", 112)),
            128: _Template(template("arcface_128", 128)),
        }
        mask = np.zeros((128, 128), np.uint8)
        mask[12:-12, 12:-12] = 255
        self._mask = cv2.GaussianBlur(mask, (0, 0), 4)
        self._scratch: dict[tuple[int, int], tuple[Image, ...]] = {}

    def run(self) -> Boxes:
        """The whole frame once; returns the boxes that were found, (n, 4) px."""
        self.paste_ns = 0
        self._prepare()
        boxes, points = self._decode()
        for output, landmarks in zip(self._recorded.swapped, points, strict=True):
            self._cut(landmarks, 112, 127.5, 1 / 127.5)
            matrix = self._cut(landmarks, 128, 0.0, 1 / 255)
            crop = self._to_bytes(output)
            start = time.perf_counter_ns()
            self._paste(crop, matrix)
            self.paste_ns += time.perf_counter_ns() - start
        return boxes

    def _prepare(self) -> None:
        """Frame -> detector tensor."""
        cv2.resize(self.frame, self._live[::-1], dst=self._small)
        live = self._tensor[0, :, : self._live[0], : self._live[1]]
        _fill(self._small, self._planes, live, 127.5, 1 / 128)

    def _decode(self) -> tuple[Boxes, Points]:
        """Recorded detector tensors -> boxes and landmarks in frame pixels."""
        boxes, points, scores = [], [], []
        for level, stride in enumerate((8, 16, 32)):
            score, distance, shift = self._recorded.detector[level::3]
            hits = np.flatnonzero(score.reshape(-1) >= 0.5)
            if not hits.size:
                continue
            rows, columns = np.divmod(hits // 2, SIDE // stride)
            centre = np.stack((columns, rows), axis=1).astype(np.float32) * stride
            boxes.append(np.tile(centre, 2) + _SIGNS * distance[hits] * stride)
            points.append(centre[:, None] + shift[hits].reshape(-1, 5, 2) * stride)
            scores.append(score.reshape(-1)[hits])
        found = np.asarray(np.concatenate(boxes) / self._scale, np.float32)
        keep = nms(found, np.concatenate(scores), 0.4)
        landmarks = np.asarray(np.concatenate(points) / self._scale, np.float32)
        return found[keep], landmarks[keep]

    def _cut(self, landmarks: Points, side: int, mean: float, scale: float) -> Matrix:
        """Aligned crop and its tensor; returns frame -> crop."""
        matrix = self._templates[side].similarity(landmarks)
        cv2.warpAffine(self.frame, matrix, (side, side), dst=self._crops[side])
        _fill(self._crops[side], self._crop_planes[side], self._tensors[side][0], mean, scale)
        return matrix

    def _to_bytes(self, output: Floats) -> Image:
        """Network's RGB 0..1 -> BGR bytes."""
        planes = self._crop_planes[128]
        flat = output.reshape(-1, 128)
        cv2.addWeighted(flat, 255.0, flat, 0.0, 0.0, dst=planes.reshape(-1, 128), dtype=cv2.CV_8U)
        cv2.merge([planes[2], planes[1], planes[0]], dst=self._crops[128])
        return self._crops[128]

    def _paste(self, crop: Image, matrix: Matrix) -> None:
        """Blend inside the crop's rectangle."""
        inverse = np.asarray(cv2.invertAffineTransform(matrix), np.float64)
        corners = _CORNERS @ inverse[:, :2].T + inverse[:, 2]
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
        region = self.frame[top:bottom, left:right]
        height, width = region.shape[:2]
        inverse[:, 2] -= (left, top)
        colour, alpha, weights, rest = self._buffers(height, width)
        cv2.warpAffine(crop, inverse, (width, height), dst=colour)
        cv2.warpAffine(self._mask, inverse, (width, height), dst=alpha)
        cv2.cvtColor(alpha, cv2.COLOR_GRAY2BGR, dst=weights)
        cv2.bitwise_not(weights, dst=rest)
        cv2.multiply(colour, weights, dst=colour, scale=1 / 255)
        cv2.multiply(region, rest, dst=rest, scale=1 / 255)
        cv2.add(colour, rest, dst=region)

    def _buffers(self, height: int, width: int) -> tuple[Image, ...]:
        if (height, width) not in self._scratch:
            self._scratch[height, width] = (
                np.empty((height, width, 3), np.uint8),
                np.empty((height, width), np.uint8),
                np.empty((height, width, 3), np.uint8),
                np.empty((height, width, 3), np.uint8),
            )
        return self._scratch[height, width]


class _Template:
    """A template with its mean taken off beforehand, for the closed-form similarity."""

    def __init__(self, points: Points) -> None:
        mean = points.astype(np.float64).mean(axis=0)
        self._mean_x, self._mean_y = (float(v) for v in mean)
        self._centred: Sequence[tuple[float, float]] = [
            (float(x), float(y)) for x, y in points.astype(np.float64) - mean
        ]

    def similarity(self, points: Points) -> Matrix:
        """(5, 2) -> (2, 3), least squares; plain floats are faster than arrays of five."""
        source = points.tolist()
        x0 = sum([p[0] for p in source]) / len(source)
        y0 = sum([p[1] for p in source]) / len(source)
        a = b = power = 0.0
        for (x, y), (u, v) in zip(source, self._centred, strict=True):
            dx, dy = x - x0, y - y0
            a += dx * u + dy * v
            b += dx * v - dy * u
            power += dx * dx + dy * dy
        a, b = a / power, b / power
        return np.array(
            [[a, -b, self._mean_x - a * x0 + b * y0], [b, a, self._mean_y - b * x0 - a * y0]]
        )


def _fill(picture: Image, planes: Image, tensor: Floats, mean: float, scale: float) -> None:
    """BGR bytes -> RGB floats, (x - mean) * scale, through kept planes."""
    cv2.split(picture, [planes[2], planes[1], planes[0]])
    np.subtract(planes, np.float32(mean), out=tensor)
    np.multiply(tensor, np.float32(scale), out=tensor)
