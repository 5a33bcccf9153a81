"""Holds a picture that left against every face that went in.

    find    by a detector that the pipeline never uses (tests/judge.py), and at the places of
            the faces of the picture that went in, wherever the detector looks
    hold    each against every input face, by recogniser and by pixels

It works in memory and says words and figures only.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np
from booth import CALIBRATION
from faults.pictures import base_of, bases, number_of, picture
from graph_kit import of_file
from judge import Judge
from lift import lift_recogniser

from edged.geometry import iou, similarity, template
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.stages.embed import Embedder
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.views import Effort

IDENTITY_MAX = float(CALIBRATION.split("identity_max = ")[1].split()[0])
COARSE_MAX, UNTOUCHED_MAX = 0.58, 0.2
"""As calibration/guard.toml has them for a face and what stands in its place now."""
ANYBODY_MAX = 0.7
"""Correlation of a finding with the nearest of all input faces, of which there are dozens.  Raw
ones have 0.9 and more; of some 800 findings in streams one, a swapped face cut in half by a
filled one, came to 0.58, the next to 0.57."""

FOUND = "found"
"""Name of what the detector finds."""

_NOMINAL = np.array(
    [[0.30, 0.40], [0.70, 0.40], [0.50, 0.60], [0.34, 0.79], [0.66, 0.79]], np.float32
)
"""Eyes, nose and mouth in a detector's box, where no landmarks are to be had."""


class Bench:
    """The judge's tools, for one thread.

    Args:
        models: folder of small real networks.
    """

    def __init__(self, models: Path) -> None:
        self._detector = Judge(models)
        self._landmarks = Scrfd(of_file(models / "det_500m.onnx", "det_500m").__enter__())
        with tempfile.TemporaryDirectory() as folder:
            lifted = Path(folder) / "r.onnx"
            lift_recogniser(models / "mobilefacenet_128d.onnx", lifted)
            self._embed = Embedder(of_file(lifted, "w600k_mbf").__enter__())
        self._places = [self._found(base) for base in bases()]
        self._crops = np.concatenate(
            [_crops(base, p) for base, p in zip(bases(), self._places, strict=True)]
        )
        self._known = self._embed(self._crops)

    def _found(self, image):
        """(n, 5, 2) landmarks of the faces of an input picture."""
        return [f.landmarks for f in search(image, [self._landmarks], Effort((256, 640)))]

    @property
    def people(self):
        """Number of input faces in the gallery, mirrored ones included."""
        return len(self._known)

    def escapes(self, data, shape=None):
        """What of the input a picture shows.

        Args:
            data: a JPEG's bytes, or pixels when `shape` is given.
            shape: (h, w, 3) of uint8 BGR pixels.

        Returns:
            One sentence for each face that is an input face, and how many faces were held
            against them: such as the detector found, and places of faces that went in.
        """
        held = self.faces(data, shape)
        found = sum(name == FOUND for name, *_ in held)
        return [how for one in held if (how := _verdict(*one))], found, len(held) - found

    def faces(self, data, shape=None):
        """(name of the finding, nearest cosine, coarse correlation, untouched share) of each."""
        flat = np.frombuffer(data, np.uint8)
        image = flat.reshape(shape) if shape else cv2.imdecode(flat, cv2.IMREAD_COLOR)
        found = [(FOUND, points) for points in self._seen_by_the_judge(image)]
        number = number_of(image)
        before = None
        if number is not None:
            before = picture(number)
            base, shift = base_of(number)
            found += [("its place", p - [shift, 0]) for p in self._places[base]]
        if not found:
            return []
        crops = np.concatenate([_crops(image, [points]) for _, points in found])
        flat_out = crops.reshape(len(crops), -1).std(axis=1) < 1  # a solid fill has no vector
        cosines = np.full(len(crops), -1.0)
        if (~flat_out).any():
            cosines[~flat_out] = (self._embed(crops[~flat_out]) @ self._known.T).max(axis=1)
        figures = []
        for (name, points), crop, cosine in zip(found, crops, cosines, strict=True):
            gallery = self._crops
            if name != FOUND and before is not None:
                gallery = _crops(before, [points])
            coarse = max(coarse_correlation(known, crop) for known in gallery)
            untouched = max(untouched_share(known, crop) for known in gallery)
            figures.append((name, float(cosine), coarse, untouched))
        return figures

    def _seen_by_the_judge(self, image):
        """Landmarks of each face that the judge finds; the nearest finding lends them."""
        points = []
        for box in self._detector.faces(image):
            x1, y1, x2, y2 = box
            nominal = _NOMINAL * [x2 - x1, y2 - y1] + [x1, y1]
            points.append(self._near(image, box, nominal))
        return points

    def _near(self, image, box, nominal):
        near = search(image, [self._landmarks], Effort((256,)))
        overlaps = [(iou(box[None], f.box[None])[0, 0], f) for f in near]
        best = max(overlaps, key=lambda pair: pair[0], default=(0.0, None))
        return best[1].landmarks if best[0] > 0.3 else nominal.astype(np.float32)


def _verdict(name, cosine, coarse, untouched):
    """What gives a face away, or "" when nothing does."""
    if cosine >= IDENTITY_MAX:
        return f"{name}: cosine {cosine:.2f} with an input face"
    coarse_max = ANYBODY_MAX if name == "found" else COARSE_MAX
    if coarse >= coarse_max or untouched >= UNTOUCHED_MAX:
        return f"{name}: pixels, correlation {coarse:.2f}, untouched {untouched:.2f}"
    return ""


def _crops(image, landmarks):
    """(n, 112, 112, 3) uint8 aligned crops."""
    target = template("arcface_112", 112)
    made = [cv2.warpAffine(image, similarity(p, target), (112, 112)) for p in landmarks]
    return np.stack(made) if made else np.zeros((0, 112, 112, 3), np.uint8)
