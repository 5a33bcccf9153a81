"""The demo's own judge: did a face get out?  It uses nothing that the pipeline uses.

Faces are found by scikit-image's LBP cascade and confirmed by an OpenCV cascade that
the built-in detector does not load, so that a face which the pipeline overlooked is
noticed here.  What a picture shows is then compared in two ways: pixels (a correlation,
sign ignored) and the built-in recogniser's cosine.  A cascade sees frontal faces only;
this is a check of the demo, not the guard.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.faces import Image
from edged.geometry import Matrix
from edged.recipe import load_recipe
from edged.runtime.graph.load import prepared_bytes
from edged.runtime.onnx import OnnxSession
from edged.stages.align import crops
from edged.stages.embed import SIZE_PX, Embedder

SEARCH_PX = 640
"""Long side of the picture that the cascade searches: a second of work, not five."""

PIXELS_MAX = 0.93
"""|correlation| of a face's inner part with the input from which it counts as the
input's pixels.  Built-in swaps of the demo's photos measured up to 0.70."""

IDENTITY_MAX = 0.75
"""Built-in cosine with the input from which it counts as the same person.  Untouched
faces measure 1.0, built-in swaps of the demo's photos up to 0.51."""

_Gray = NDArray[np.uint8]

Square = tuple[int, int, int]
"""x, y of the top left corner and side of a face, px."""

_EYES = np.array([[0.315, 0.385], [0.685, 0.385]], np.float32)
"""Eyes in a cascade's box, as shares of its side: the samples it was trained on."""

_TEMPLATE_EYES = np.array([[38.2946, 51.6963], [73.5318, 51.5014]], np.float32)
"""The ArcFace template's eyes, px of a 112 px crop."""

_INNER = (slice(32, 104), slice(24, 88))
"""Rows and columns of a 112 px crop that lie inside any face."""


@dataclass(frozen=True)
class Escape:
    """One face of the input that can still be seen.

    Attributes:
        square: where in the input.
        how: what gave it away, for people.
    """

    square: Square
    how: str


class Judge:
    """Finds faces and compares them before and after.

    Args:
        recogniser: the built-in recogniser's ONNX file.
    """

    def __init__(self, recogniser: Path) -> None:
        from skimage import data, feature  # noqa: PLC0415 - slow to import

        self._propose: Any = feature.Cascade(
            data.lbp_frontal_face_cascade_filename()  # type: ignore[no-untyped-call]
        )
        folder = Path(cv2.__file__).parent / "data"
        self._confirm = cv2.CascadeClassifier(str(folder / "haarcascade_frontalface_alt_tree.xml"))
        graph = prepared_bytes(recogniser, load_recipe("builtin_recogniser"))
        self._session = OnnxSession(graph, model_id="builtin_recogniser", threads=1)
        self._embed = Embedder(self._session.__enter__())

    def close(self) -> None:
        """Let the recogniser go."""
        self._session.__exit__(None, None, None)

    def find(self, image: Image) -> list[Square]:
        """Frontal faces as x, y, side in px, each confirmed by the second cascade.

        Args:
            image: (h, w, 3) uint8 BGR.
        """
        gray = _gray(image)
        share = min(1.0, SEARCH_PX / max(gray.shape))
        small = cv2.resize(gray, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        proposals = self._propose.detect_multi_scale(
            img=small, scale_factor=1.1, step_ratio=1,
            min_size=(24, 24), max_size=small.shape[:2], min_neighbor_number=2,
        )  # fmt: skip
        ranked = []
        for p in proposals:
            x, y, side = (round(p[key] / share) for key in ("c", "r", "width"))
            ranked.append((self._windows(gray, x, y, side), (x, y, side)))
        kept: list[Square] = []
        for windows, box in sorted(ranked, reverse=True):
            if windows and not any(_overlap(box, other) for other in kept):
                kept.append(box)
        return kept

    def _windows(self, gray: _Gray, x: int, y: int, side: int) -> int:
        """How many windows of the second cascade see a face in the proposal."""
        margin = round(0.35 * side)
        rows = slice(max(0, y - margin), y + side + margin)
        columns = slice(max(0, x - margin), x + side + margin)
        patch = cv2.resize(gray[rows, columns], (170, 170), interpolation=cv2.INTER_AREA)
        return len(
            self._confirm.detectMultiScale(patch, 1.03, 0, minSize=(60, 60), maxSize=(130, 130))
        )

    def escapes(self, before: Image, after: Image, squares: Sequence[Square]) -> list[Escape]:
        """Faces of the input that the output still shows in the same place (disguise).

        Args:
            before: (h, w, 3) uint8 BGR, what the camera sent.
            after: the published picture, same size.
            squares: where to look: faces that :meth:`find` found in `before`, and those
                that edged itself reported.
        """
        if not squares:
            return []
        matrices = [_to_crop(*square) for square in squares]
        old, new = crops(before, matrices, SIZE_PX), crops(after, matrices, SIZE_PX)
        cosines = (self._embed(old) * self._embed(new)).sum(axis=1)
        found = []
        for square, a, b, cosine in zip(squares, old, new, cosines, strict=True):
            alike = _correlation(a, b)
            if alike > PIXELS_MAX:
                found.append(Escape(square, f"its pixels are the camera's ({alike:.2f})"))
            elif cosine > IDENTITY_MAX:
                found.append(Escape(square, f"it is the same person (cosine {cosine:.2f})"))
        return found

    def copies(self, before: Image, after: Image, squares: Sequence[Square]) -> list[Escape]:
        """Faces of the input whose pixels the output shows anywhere (portrait).

        Args: as of :meth:`escapes`, but `after` may have any size.
        """
        target = _gray(after)
        found = []
        for square in squares:
            (crop,) = crops(before, [_to_crop(*square)], SIZE_PX)
            face = _gray(crop)[_INNER]
            best = 0.0
            height, width = face.shape
            for share in np.geomspace(24 / height, min(target.shape) * 0.6 / height, 40):
                size = (round(width * share), round(height * share))
                patch = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
                match = cv2.matchTemplate(target, patch, cv2.TM_CCOEFF_NORMED)
                best = max(best, float(np.abs(match).max()))
            if best > PIXELS_MAX:
                found.append(Escape(square, f"its pixels are in the portrait ({best:.2f})"))
        return found


def _overlap(one: Square, other: Square) -> bool:
    """Whether two squares are one face: centres nearer than half the larger side."""
    middles = zip(one[:2], other[:2], strict=True)
    apart = max(abs((a + one[2] / 2) - (b + other[2] / 2)) for a, b in middles)
    return apart < 0.5 * max(one[2], other[2])


def _gray(image: Image) -> _Gray:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)


def square_of(box: Sequence[float]) -> Square:
    """A cascade-like square for a detector's x1, y1, x2, y2, as high and narrower."""
    side = box[3] - box[1]
    return round((box[0] + box[2] - side) / 2), round(box[1]), round(side)


def _to_crop(x: int, y: int, side: int) -> Matrix:
    """Picture -> 112 px crop, (2, 3): upright, eyes of the box on the template's eyes."""
    eyes = np.array([x, y], np.float32) + _EYES * side
    scale = float(np.ptp(_TEMPLATE_EYES[:, 0]) / np.ptp(eyes[:, 0]))
    shift = _TEMPLATE_EYES.mean(axis=0) - scale * eyes.mean(axis=0)
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)


def _correlation(one: Image, other: Image) -> float:
    """|Normalised correlation| of two crops' inner parts; 0 when one is flat."""
    a, b = (
        cv2.GaussianBlur(_gray(c)[_INNER], (0, 0), 1.5).astype(np.float32).ravel()
        for c in (one, other)
    )
    a, b = a - a.mean(), b - b.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return abs(float(a @ b)) / size if size > 1.0 else 0.0
