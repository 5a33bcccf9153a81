"""Close looks at what was found: faces get their landmarks from them, and doubts are settled.

Knows detectors by their protocol and spots; knows no pixels and no policy (who asks decides
the effort).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from edged.faces import Detections, Face, Image
from edged.geometry import iou
from edged.stages.spots import LEANING_DEG, MOST, Spot, spot_of, to_look_at
from edged.stages.union import SAME_FACE_IOU
from edged.stages.views import Effort, View, close_up, in_picture

TURNED_MIN_SCORE = 0.6
"""A finding in a turned picture counts from here: detectors answer weakly (0.5 to 0.55)
to creases and hands when people are on their side, and with 0.8 or more to faces that
really are (seen on group photos turned by 90, 180 and 270 degrees)."""

WHOLE_ONLY = frozenset({"haar"})
"""Families that look at one size of picture whatever they are asked: no tiles and no close
looks for them."""

QUARTERS_DEG = (0.0, 90.0, 180.0, 270.0)

OTHER_WAY = 0.1
"""A face stands otherwise than it was found when it scores so much more there.  Of 11
findings of faces in a wrong turn, all by one family, 9 scored 0.1 to 0.85 more in the right
one and none less."""


class Detector(Protocol):
    """One detector family.

    Takes a picture that was scaled to fit a square of `side` pixels, (h, w, 3) uint8
    BGR with h, w <= side, and the side; answers in that picture's pixels.
    """

    @property
    def family(self) -> str:
        """Name of the family: "scrfd", "yunet", "haar"."""
        ...

    def __call__(self, picture: Image, side: int) -> Detections:
        """Find upright faces."""
        ...


Look = Callable[[View, Detector], Detections]
"""Shows one detector one view of a picture; findings are in the view's own pixels."""


def look_closely(
    faces: Sequence[Face], detector: Detector, effort: Effort, show: Look
) -> list[Detections]:
    """What close looks see at spots where a face leans, was a moment ago, or is.

    Args:
        faces: found by other looks, largest first.
        detector: the first family.
        effort: whether, where and at what size.
        show: see :data:`Look`.
    """
    if not effort.close_px or detector.family in WHOLE_ONLY:
        return []
    spots = to_look_at(faces, effort.expected, every=effort.every)
    return [seen for spot in spots if len(seen := _close(spot, detector, effort, show))]


def verified(
    faces: list[Face], detectors: Sequence[Detector], effort: Effort, show: Look
) -> list[Face]:
    """Faces, those that only one family saw looked at again from all four sides.

    One that stands otherwise than it was found is replaced by what is there, and one whose
    place shows a face that is known is left out: it was seen askew.  One that no family sees
    again stays, and is marked as doubtful, unless the effort says otherwise: by itself nothing
    that was found is thrown away on the word of an absence.

    Args:
        faces: the union, largest first.
        detectors: families, the one with the best landmarks first.
        effort: that found them; with fewer than all families nothing is known to be doubtful.
        show: see :data:`Look`.
    """
    able = [d for d in detectors if d.family not in WHOLE_ONLY]
    if not effort.close_px or effort.families or len(able) < 2:
        return faces
    known = [face for face in faces if len(face.families) > 1]
    alone = [face for face in faces if len(face.families) == 1]
    kept, otherwise = list(alone[MOST:]), []
    for face in alone[:MOST]:
        ways = _from_all_sides(face, able, effort, show)
        best = [max(way.scores, default=0.0) for way in ways]
        turned = int(np.argmax(best))
        face.doubtful = not any(best)
        if face.doubtful and not effort.doubtful:
            continue
        seen = face if face.doubtful else _as_seen(ways[turned], face)
        if any(_same(seen, one) and _overlap(seen, one) > _overlap(seen, face) for one in known):
            continue
        if best[turned] > best[0] + OTHER_WAY:
            otherwise.append(seen)
        else:
            kept.append(face)
    kept += known
    for seen in sorted(otherwise, key=lambda f: -f.score):
        if not any(_same(seen, one) for one in kept):
            kept.append(seen)
    return sorted(kept, key=lambda f: -float(np.prod(f.box[2:] - f.box[:2])))


def _close(spot: Spot, detector: Detector, effort: Effort, show: Look) -> Detections:
    """One close look."""
    view = close_up(spot, effort.close_px)
    seen = show(view, detector)
    if abs(spot.lean_deg) > LEANING_DEG:
        seen = seen.above(TURNED_MIN_SCORE)
    return in_picture(seen, view)


def _from_all_sides(
    face: Face, detectors: Sequence[Detector], effort: Effort, show: Look
) -> list[Detections]:
    """Close looks at a face as it was found and turned by each quarter.

    By the first family that sees anything.
    """
    spot = spot_of(face)
    leans = [(spot.lean_deg + turn + 180) % 360 - 180 for turn in QUARTERS_DEG]
    ways: list[Detections] = []
    for detector in detectors:
        ways = [_close(replace(spot, lean_deg=lean), detector, effort, show) for lean in leans]
        if any(len(way) for way in ways):
            break
    return ways


def _same(face: Face, other: Face) -> bool:
    """Whether two findings, however they stand, are of one face."""
    centre = face.landmarks.mean(axis=0)
    inside = bool((centre > other.box[:2]).all() and (centre < other.box[2:]).all())
    return inside and _overlap(face, other) > SAME_FACE_IOU


def _overlap(face: Face, other: Face) -> float:
    return float(iou(face.box[None], other.box[None])[0, 0])


def _as_seen(seen: Detections, face: Face) -> Face:
    """A face as the best finding of a look shows it."""
    best = int(seen.scores.argmax())
    families = face.families | {seen.family}
    return Face(seen.boxes[best], float(seen.scores[best]), seen.landmarks[best], families)
