"""Plane geometry of faces: templates, similarity transforms, boxes, quarter turns.

Pure numpy on small arrays; knows no pictures, no models.  Coordinates are pixels, x
to the right, y down, pixel centres at integers.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edged.faces import Boxes, Floats, Points

Matrix = NDArray[np.float64]
"""(2, 3) float64 affine matrix: maps (x, y, 1) of a source to a destination."""

# Five landmarks on a 112 px crop: the alignment that ArcFace recognisers are trained
# on (insightface, `face_align.arcface_dst`).
_ARCFACE_112 = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ],
    np.float32,
)

# Five landmarks on a crop of side 1: the FFHQ alignment used by face restorers
# (`ffhq_512` in FaceFusion's warp templates, divided by 512 there).
_FFHQ_UNIT = np.array(
    [
        [0.37691676, 0.46864664],
        [0.62285697, 0.46912813],
        [0.50123859, 0.61331904],
        [0.39308822, 0.72541100],
        [0.61150205, 0.72490465],
    ],
    np.float32,
)

# Two further layouts on a crop of side 1, from FaceFusion's warp templates: an older ArcFace
# crop that is symmetric, and one by MTCNN's landmarks.  GHOST and SimSwap were trained on the
# first, HifiFace on the second.
_ARCFACE_112_V1_UNIT = np.array(
    [
        [0.35473214, 0.45658929],
        [0.64526786, 0.45658929],
        [0.50000000, 0.61154464],
        [0.37913393, 0.77687500],
        [0.62086607, 0.77687500],
    ],
    np.float32,
)
_MTCNN_UNIT = np.array(
    [
        [0.36562865, 0.46733799],
        [0.63305391, 0.46585885],
        [0.50019127, 0.61942959],
        [0.39032951, 0.77598822],
        [0.61178945, 0.77476328],
    ],
    np.float32,
)
_UNIT = {
    "arcface_112_v1": _ARCFACE_112_V1_UNIT,
    "ffhq_512": _FFHQ_UNIT,
    "mtcnn_512": _MTCNN_UNIT,
}

FEW_BOXES = 48
"""Below it, suppression in plain floats is faster than in arrays (measured)."""

TEMPLATES = ("arcface_112", "arcface_112_v1", "arcface_128", "ffhq_512", "mtcnn_512")


def template(name: str, size_px: int) -> Points:
    """Landmark positions on a square crop.

    Args:
        name: "arcface_112" (called arcface_112_v2 elsewhere), "arcface_128" (the same face
            on a wider crop, 8/128 of it added left of the 112 layout: insightface's rule
            for sizes that 128 divides), "arcface_112_v1", "ffhq_512" or "mtcnn_512".
        size_px: side of the crop.

    Returns:
        (5, 2) float32 px.
    """
    if name == "arcface_112":
        return (_ARCFACE_112 * np.float32(size_px / 112)).astype(np.float32)
    if name == "arcface_128":
        points = _ARCFACE_112 * np.float32(size_px / 128)
        points[:, 0] += np.float32(8 * size_px / 128)
        return points
    if name in _UNIT:
        return (_UNIT[name] * np.float32(size_px)).astype(np.float32)
    msg = f"unknown template {name!r}; known: {', '.join(TEMPLATES)}"
    raise ValueError(msg)


def eyes_apart_px(name: str, size_px: int) -> float:
    """How far apart the eyes lie on a crop, px: how large crops of a layout show a face."""
    left, right = template(name, size_px)[:2].tolist()
    return math.dist(left, right)


def similarity(source: Points, destination: Points) -> Matrix | None:
    """Least-squares similarity (rotation, uniform scale, shift) between point sets.

    Umeyama (1991) without reflection, in the float32 arithmetic of scikit-image's
    `SimilarityTransform.estimate`, operation by operation: the matrix is the same to the
    bit, and so are the crops.  A matrix that is exact in float64 moves some sampling
    points into the next 1/32 px of OpenCV's warp, up to 8 grey levels at an edge.

    Args:
        source: (n, 2) px.
        destination: (n, 2) px.

    Returns:
        (2, 3) matrix, or None when the source points coincide or are not finite.
    """
    count = np.float32(len(source))
    mean_s = np.add.reduce(source, axis=0) / count
    mean_d = np.add.reduce(destination, axis=0) / count
    centred = source - mean_s  # (n, 2)
    again = centred - np.add.reduce(centred, axis=0) / count  # as numpy's var does
    power = float(np.add.reduce(np.add.reduce(again * again, axis=0) / count))
    if not 1e-9 <= power < math.inf:  # false for NaN, too
        return None
    covariance = (destination - mean_d).T @ centred / count  # (2, 2)
    left, stretch, right = (m.astype(np.float64) for m in np.linalg.svd(covariance))
    (a, b), (c, d) = covariance.tolist()
    if a * d - b * c < 0:  # the best map is a mirror image; take the best turn
        left[:, 1] *= -1
        stretch[1] *= -1
    turn = left @ right
    scale = float(1.0 / np.float32(power) * (stretch[0] + stretch[1]))
    if scale < 1e-6:
        return None
    matrix = np.empty((2, 3))
    matrix[:, :2] = turn * scale
    matrix[:, 2] = mean_d - scale * (turn @ mean_s.T)
    return matrix


def invert(matrix: Matrix) -> Matrix:
    """The inverse of an affine matrix, (2, 3); plain floats beat a library call here."""
    (a, b, x), (c, d, y) = matrix.tolist()
    area = a * d - b * c
    return np.array(
        [
            [d / area, -b / area, (b * y - d * x) / area],
            [-c / area, a / area, (c * x - a * y) / area],
        ]
    )


def apply(matrix: Matrix, points: Points) -> Points:
    """Points through an affine matrix: (..., 2) -> (..., 2) float32."""
    moved = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return moved.astype(np.float32)


def scale_of(matrix: Matrix) -> float:
    """Uniform scale of a similarity matrix (crop px per frame px)."""
    return float(np.hypot(matrix[0, 0], matrix[1, 0]))


def iou(one: Boxes, many: Boxes) -> Floats:
    """Intersection over union of each pair: (n, 4), (m, 4) -> (n, m) float32."""
    top_left = np.maximum(one[:, None, :2], many[None, :, :2])
    bottom_right = np.minimum(one[:, None, 2:], many[None, :, 2:])
    overlap = np.prod(np.clip(bottom_right - top_left, 0, None), axis=2)
    area_one = np.prod(np.clip(one[:, 2:] - one[:, :2], 0, None), axis=1)
    area_many = np.prod(np.clip(many[:, 2:] - many[:, :2], 0, None), axis=1)
    total = area_one[:, None] + area_many[None] - overlap
    return np.asarray(overlap / np.maximum(total, 1e-9), np.float32)


def nms(boxes: Boxes, scores: Floats, threshold: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression with insightface's rule.

    Areas count both border pixels (`+ 1`), a box survives while IoU <= threshold, ties
    keep input order.

    Args:
        boxes: (n, 4).
        scores: (n,).
        threshold: IoU above which the weaker box goes.

    Returns:
        Indices of the survivors, best first.
    """
    if len(scores) < FEW_BOXES:
        return _nms_few(boxes, scores, threshold)
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes.T
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    keep: list[int] = []
    while order.size:
        best = int(order[0])
        keep.append(best)
        rest = order[1:]
        width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]) + 1
        height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]) + 1
        overlap = np.maximum(0, width) * np.maximum(0, height)
        order = rest[overlap <= threshold * (areas[best] + areas[rest] - overlap)]
    return np.array(keep, np.intp)


def _nms_few(boxes: Boxes, scores: Floats, threshold: float) -> NDArray[np.intp]:
    """:func:`nms` in plain floats, which beat arrays while boxes are few."""
    table = boxes.tolist()
    kept: list[tuple[float, float, float, float, float]] = []
    keep: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        x1, y1, x2, y2 = table[index]
        area = (x2 - x1 + 1) * (y2 - y1 + 1)
        for u1, v1, u2, v2, other in kept:
            width = min(x2, u2) - max(x1, u1) + 1
            height = min(y2, v2) - max(y1, v1) + 1
            if width > 0 and height > 0:
                overlap = width * height
                if overlap > threshold * (area + other - overlap):
                    break
        else:
            kept.append((x1, y1, x2, y2, area))
            keep.append(index)
    return np.array(keep, np.intp)


def unturn(points: Points, quarter_turns: int, width: int, height: int) -> Points:
    """Points found on `np.rot90(picture, k)`, moved back onto the picture.

    Args:
        points: (..., 2) px on the turned picture.
        quarter_turns: k, counter-clockwise.
        width: of the picture before turning, px.
        height: likewise.

    Returns:
        (..., 2) float32 px on the picture.
    """
    x, y = points[..., 0], points[..., 1]
    k = quarter_turns % 4
    if k == 1:
        return np.stack([width - 1 - y, x], axis=-1)
    if k == 2:
        return np.stack([width - 1 - x, height - 1 - y], axis=-1)
    if k == 3:
        return np.stack([y, height - 1 - x], axis=-1)
    return points


def unturn_boxes(boxes: Boxes, quarter_turns: int, width: int, height: int) -> Boxes:
    """The same for (n, 4) boxes; corners are put in order again."""
    corners = unturn(boxes.reshape(-1, 2, 2), quarter_turns, width, height)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def grow(box: Floats, factor: float) -> Floats:
    """A box scaled about its centre: (4,) -> (4,) float32."""
    centre = (box[:2] + box[2:]) / 2
    half = (box[2:] - box[:2]) / 2 * factor
    return np.concatenate([centre - half, centre + half]).astype(np.float32)


def clip(box: Floats, width: int, height: int) -> tuple[int, int, int, int]:
    """Whole-pixel box inside a picture: x1, y1, x2, y2, ends exclusive, maybe empty.

    Raises:
        ValueError: the box holds NaN; what cannot be placed must not become empty.
    """
    x1, y1, x2, y2 = box.tolist()
    if any(map(math.isnan, (x1, y1, x2, y2))):
        raise ValueError("a box is not a number")
    left, right = math.floor(_between(x1, width)), math.ceil(_between(x2, width))
    top, bottom = math.floor(_between(y1, height)), math.ceil(_between(y2, height))
    return left, top, max(left, right), max(top, bottom)


def _between(value: float, most: int) -> float:
    """Clipped before it becomes a whole number: infinity has none."""
    return max(0.0, min(value, float(most)))
