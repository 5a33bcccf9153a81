"""The floor: the least plain OpenCV work for the same swap, as a yardstick.

Letterbox, tensor of the part that is not padding, decode, NMS; per face a similarity,
the 112 and the 128 crop, their tensors, the network's output to bytes and one blend
inside the face's rectangle, in place, with a mask made beforehand and buffers kept.
With a restorer, per face the 512 crop of what was made, its tensor, the output to bytes and
a second blend; with an occluder the 256 crop, its tensor, the output to bytes, softened, and
a warp of it into the mask of every blend.
The networks' answers are recorded once and replayed, so that no inference is timed.
It is written for speed alone and is not how a product would look; it checks nothing,
tracks nothing and copies no frame.  Knows the SCRFD, ArcFace and inswapper contracts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edged.bench.recorded import Recorded
from edged.faces import Boxes, Floats, Image, Points
from edged.geometry import Matrix, nms, template

SIDE = 640
SWAP, RESTORE, OCCLUDE, EMBED = 128, 512, 256, 112
"""Sides of the crops, px."""

_LAYOUTS = {
    SWAP: "arcface_128", RESTORE: "ffhq_512", OCCLUDE: "arcface_128", EMBED: "arcface_112"
}  # fmt: skip
_SIGNS = np.array([-1, -1, 1, 1], np.float32)
_CORNERS = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float64)


@dataclass(frozen=True)
class Work:
    """What a frame is measured with beside the swap.

    Attributes:
        restore: swapped faces go through a restorer.
        occlusion: what is before a face is kept, by an occluder.
    """

    restore: bool = False
    occlusion: bool = False

    @property
    def name(self) -> str:
        """For reports: "swap+restore+occlusion"."""
        return "swap" + "+restore" * self.restore + "+occlusion" * self.occlusion


SWAP_ONLY = Work()


class Floor:
    """One frame's floor.

    Args:
        frame: (h, w, 3) uint8 BGR; a copy is worked on.
        recorded: what the networks answered on this frame.
        work: beside the swap.
        tensors: False leaves out what the networks' floats are made of and made into, which
            graphs may do as well (edged's do).
    """

    def __init__(
        self, frame: Image, recorded: Recorded, work: Work = SWAP_ONLY, *, tensors: bool = True
    ) -> None:
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
        self._work = work
        self._tensors_made = tensors
        self._crops = {s: np.empty((s, s, 3), np.uint8) for s in _LAYOUTS}
        self._crop_planes = {s: np.empty((3, s, s), np.uint8) for s in _LAYOUTS}
        self._tensors = {s: np.empty((1, 3, s, s), np.float32) for s in _LAYOUTS}
        self._templates = {s: _Template(template(name, s)) for s, name in _LAYOUTS.items()}
        self._masks = {s: _soft_box(s) for s in (SWAP, RESTORE)}
        rng = np.random.default_rng(12)  # any values will do
        self._restored = rng.uniform(-1, 1, (1, 3, RESTORE, RESTORE)).astype(np.float32)
        self._visible = rng.random((OCCLUDE, OCCLUDE), np.float32)
        self._shown = np.full((OCCLUDE, OCCLUDE), 200, np.uint8)
        self._soft = np.empty_like(self._shown)
        self._layers = {s: np.empty((s, s), np.uint8) for s in (SWAP, RESTORE)}
        self._scratch: dict[tuple[int, int], tuple[Image, ...]] = {}

    def run(self) -> Boxes:
        """The whole frame once; returns the boxes that were found, (n, 4) px."""
        self.paste_ns = 0
        self._prepare()
        boxes, points = self._decode()
        for output, landmarks in zip(self._recorded.swapped, points, strict=True):
            self._cut(landmarks, EMBED, 127.5, 1 / 127.5)
            seen = self._look(landmarks) if self._work.occlusion else None
            matrix = self._cut(landmarks, SWAP, 0.0, 1 / 255)
            crop = self._to_bytes(output, 255.0, 0.0)
            self._timed_paste(crop, matrix, seen)
            if self._work.restore:
                matrix = self._cut(landmarks, RESTORE, 127.5, 1 / 127.5)
                crop = self._to_bytes(self._restored, 127.5, 127.5)
                self._timed_paste(crop, matrix, seen)
        return boxes

    def _timed_paste(self, crop: Image, matrix: Matrix, seen: Matrix | None) -> None:
        start = time.perf_counter_ns()
        mask = self._masks[len(crop)]
        if seen is not None:
            mask = self._under(mask, matrix, seen)
        self._paste(crop, matrix, mask)
        self.paste_ns += time.perf_counter_ns() - start

    def _look(self, landmarks: Points) -> Matrix:
        """What an occluder sees, softened; returns frame -> its crop."""
        matrix = self._templates[OCCLUDE].similarity(landmarks)
        crop = self._crops[OCCLUDE]
        cv2.warpAffine(self.frame, matrix, (OCCLUDE, OCCLUDE), dst=crop)
        if self._tensors_made:
            flat = self._tensors[OCCLUDE].reshape(crop.shape)
            np.multiply(crop, np.float32(1 / 255), out=flat)
            seen = self._visible
            cv2.addWeighted(seen, 255, seen, 0, 0, dst=self._shown, dtype=cv2.CV_8U)
        cv2.GaussianBlur(self._shown, (0, 0), 5, dst=self._soft)
        return matrix

    def _under(self, mask: Image, matrix: Matrix, seen: Matrix) -> Image:
        """A paste's mask under what the occluder saw."""
        side = len(mask)
        across = seen @ np.vstack([cv2.invertAffineTransform(matrix), (0, 0, 1)])
        layer = self._layers[side]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(self._soft, across, (side, side), dst=layer, flags=flags)
        return np.asarray(cv2.min(mask, layer, dst=layer), np.uint8)

    def _prepare(self) -> None:
        """Frame -> detector tensor."""
        cv2.resize(self.frame, self._live[::-1], dst=self._small)
        if self._tensors_made:
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
        if self._tensors_made:
            _fill(self._crops[side], self._crop_planes[side], self._tensors[side][0], mean, scale)
        return matrix

    def _to_bytes(self, output: Floats, scale: float, offset: float) -> Image:
        """Network's RGB floats -> BGR bytes."""
        side = output.shape[-1]
        if not self._tensors_made:
            return self._crops[side]
        planes = self._crop_planes[side]
        flat, bytes_ = output.reshape(-1, side), planes.reshape(-1, side)
        cv2.addWeighted(flat, scale, flat, 0.0, offset, dst=bytes_, dtype=cv2.CV_8U)
        cv2.merge([planes[2], planes[1], planes[0]], dst=self._crops[side])
        return self._crops[side]

    def _paste(self, crop: Image, matrix: Matrix, mask: Image) -> None:
        """Blend inside the crop's rectangle."""
        inverse = np.asarray(cv2.invertAffineTransform(matrix), np.float64)
        corners = len(crop) * _CORNERS @ inverse[:, :2].T + inverse[:, 2]
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
        region = self.frame[top:bottom, left:right]
        height, width = region.shape[:2]
        inverse[:, 2] -= (left, top)
        colour, alpha, weights, rest = self._buffers(height, width)
        cv2.warpAffine(crop, inverse, (width, height), dst=colour)
        cv2.warpAffine(mask, inverse, (width, height), dst=alpha)
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


def _soft_box(side: int) -> Image:
    """A mask that is made beforehand."""
    edge = 12 * side // SWAP
    mask = np.zeros((side, side), np.uint8)
    mask[edge:-edge, edge:-edge] = 255
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), edge / 3), np.uint8)


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
