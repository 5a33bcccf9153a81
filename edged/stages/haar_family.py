"""The Haar cascades as a detector family of the search: same call, same answer.

The cascades look at one size of picture whatever the search asks for, so the smaller
looks answer nothing: they would only find again what the first one found.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from edged.faces import Detections, Image
from edged.stages.haar import HaarDetector


@dataclass(frozen=True)
class HaarFamily:
    """See :class:`edged.stages.haar.HaarDetector`.

    Attributes:
        detector: the cascades.
        det_thresh: score from which a detection counts.
        smallest_px: looks at fewer pixels are left out.
    """

    detector: HaarDetector = field(default_factory=HaarDetector)
    det_thresh: float = 0.5
    smallest_px: int = 400
    family: str = "haar"

    def __call__(self, picture: Image, side: int) -> Detections:
        """Find upright faces in a picture scaled to fit `side`, (h, w, 3) uint8 BGR."""
        if side < self.smallest_px:
            return Detections.none(self.family)
        boxes, scores, landmarks = self.detector(picture)
        return Detections(boxes, scores, landmarks, self.family).above(self.det_thresh)
