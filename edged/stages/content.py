"""What a picture shows: the optional check for nakedness, two of three networks.

The prepared graph takes `crops` uint8 [1, S, S, 3] BGR, the whole picture fitted and padded,
and gives `values` float32.  Rules and thresholds are FaceFusion's (3.3 to 3.8,
content_analyser.py), where three networks of different makers vote so that none refuses
alone.  Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from edged.errors import EngineError
from edged.faces import Floats, Image
from edged.runtime.session import Session
from edged.stages.batches import run_faces


def _boxes(values: Floats) -> float:
    """A detector's [1, 4 + classes, boxes]: the best score of any class anywhere."""
    return float(values[:, 4:].max()) if values.ndim == 3 and values.shape[1] > 4 else np.nan


def _pair(values: Floats) -> float:
    """Logits [1, 2], naked and not."""
    return float(values[0, 0] - values[0, 1]) if values.shape == (1, 2) else np.nan


def _grades(values: Floats) -> float:
    """Logits [1, 4] of rising grades: the upper two against the lower two."""
    if values.shape != (1, 4):
        return np.nan
    return float(values[0, 2] + values[0, 3] - values[0, 0] - values[0, 1])


RULES: Mapping[str, tuple[Callable[[Floats], float], float]] = {
    "nsfw_boxes": (_boxes, 0.2),
    "nsfw_pair": (_pair, 0.25),
    "nsfw_grades": (_grades, 10.5),
}
"""By recipe family: the score of a network's values, and above which it votes yes."""


@dataclass(frozen=True)
class ContentNet:
    """One network of the vote.

    Attributes:
        session: entered session of the prepared model.
        family: of its recipe, a key of :data:`RULES`.
        size_px: side of its input.
    """

    session: Session
    family: str
    size_px: int

    def __call__(self, image: Image) -> bool:
        """Whether this network votes yes.

        Args:
            image: (h, w, 3) uint8 BGR.

        Raises:
            EngineError: it gave something else; what could not be checked is not passed.
        """
        crop = fitted(image, self.size_px)[None]
        values = run_faces(self.session, {"crops": crop}, {}, 1)["values"]
        score, above = RULES[self.family]
        found = score(values)
        if not np.isfinite(found):
            msg = f"model {self.session.model_id} gave shape {values.shape} or no finite score"
            raise EngineError(msg)
        return found > above


@dataclass(frozen=True)
class ContentCheck:
    """The vote: more than half of the networks.

    Attributes:
        nets: one to three.
    """

    nets: tuple[ContentNet, ...]

    def __call__(self, image: Image) -> bool:
        """Whether the picture is to be refused; asks no more networks than it needs."""
        yes = no = 0
        needed = len(self.nets) // 2 + 1
        for net in self.nets:
            if net(image):
                yes += 1
            else:
                no += 1
            if yes >= needed:
                return True
            if no > len(self.nets) - needed:
                return False
        return False


def fitted(image: Image, size_px: int) -> Image:
    """The whole picture in a square, in the middle, black round it (FaceFusion's rule).

    Args:
        image: (h, w, 3) uint8 BGR.
        size_px: side of the square.

    Returns:
        (size_px, size_px, 3) uint8 BGR.
    """
    height, width = image.shape[:2]
    scale = min(size_px / height, size_px / width)
    wide, high = max(1, int(width * scale)), max(1, int(height * scale))
    left, top = (size_px - wide) // 2, (size_px - high) // 2
    out = np.zeros((size_px, size_px, 3), np.uint8)
    out[top : top + high, left : left + wide] = cv2.resize(image, (wide, high))
    return out
