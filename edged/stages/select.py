"""Which faces of a frame a scene is about: all, the largest, the one nearest to the centre.

Knows boxes; knows no persons and no characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from edged.faces import Floats

Rule = Literal["all", "largest", "centre"]

LARGER = 1.25
"""Another face takes over in a stream when its area is so many times larger: neighbours of
one size do not take turns."""

NEARER = 0.05
"""Likewise when it is nearer to the centre by this share of the frame's longer side."""


def select(
    rule: Rule, boxes: Sequence[Floats], shape: tuple[int, ...], current: int | None = None
) -> set[int]:
    """Numbers of the faces that a rule selects.

    Args:
        rule: "all", "largest" or "centre".
        boxes: (4,) float32 px each.
        shape: (h, w, ...) of the frame.
        current: the face that was selected in the frame before, if it is here.
    """
    if rule == "all" or not boxes:
        return set(range(len(boxes)))
    places = np.stack(boxes)
    if rule == "largest":
        area = np.prod(places[:, 2:] - places[:, :2], axis=1)
        best = int(area.argmax())
        keep = current is not None and area[best] <= LARGER * area[current]
    else:
        centre = np.array([shape[1], shape[0]]) / 2
        away = np.linalg.norm((places[:, :2] + places[:, 2:]) / 2 - centre, axis=1)
        best = int(away.argmin())
        keep = current is not None and away[best] >= away[current] - NEARER * max(shape[:2])
    return {current if keep and current is not None else best}
