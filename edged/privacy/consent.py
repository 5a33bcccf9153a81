"""Whose consent covers which face of a portrait's frame.

Each face that is used needs an entry of its own.  An entry that says where its person is
takes the face there; plain references take the faces that are left, one each, from left to
right.  Where that is not clear, nobody is used: a wrong guess would show a bystander.

Knows boxes and references; knows no pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edged.faces import Floats
from edged.geometry import iou
from edged.scene import Surplus
from edged.transport.wire import ConsentEntry
from edged.verdicts import Reason

MIN_OVERLAP = 0.2
"""IoU from which a consent's box means a face: boxes around heads reach 0.3 with ours."""
CLEARLY = 0.5
"""A second face that fits so much as well as the first makes an entry ambiguous."""


@dataclass(frozen=True)
class Covered:
    """A face that may be used.

    Attributes:
        face: its number.
        ref: the reference that covers it; empty where more references than faces leave
            open which one it is.
    """

    face: int
    ref: str


def cover(
    boxes: Floats, entries: Sequence[ConsentEntry], surplus: Surplus, aside: int = 0
) -> tuple[Covered, ...] | Reason:
    """Give each entry its face.

    Args:
        boxes: (n, 4) px, usable faces of the frame, largest first.
        entries: as sent.
        surplus: what more faces than plain references mean: "refuse" the shot, or take
            the "largest".
        aside: people in the frame whose faces cannot be used: a plain reference may be one
            of theirs.

    Returns:
        The faces that may be used, from left to right, or why the shot is refused.
    """
    if not len(boxes):
        return Reason.NO_FACE
    placed = _placed(boxes, [entry for entry in entries if entry.placed])
    if placed is None:
        return Reason.CONSENT_UNMATCHED
    taken = {one.face for one in placed}
    plain = [entry.ref for entry in entries if not entry.placed]
    left = [face for face in range(len(boxes)) if face not in taken]
    if plain and len(left) + aside > len(plain) and surplus == "refuse":
        return Reason.SURPLUS_FACES
    left = sorted(left[: len(plain)], key=lambda face: float(boxes[face, 0]))
    refs = plain if len(plain) == len(left) else [""] * len(left)
    found = [*placed, *(Covered(face, ref) for face, ref in zip(left, refs, strict=True))]
    return tuple(sorted(found, key=lambda one: float(boxes[one.face, 0])))


def _placed(boxes: Floats, entries: Sequence[ConsentEntry]) -> list[Covered] | None:
    """The face of each entry that has a place; None when one has none, or not one alone.

    A pair counts when each is the other's best.  A further face that fits an entry nearly
    as well must be another entry's own: else the place does not tell who was meant.
    """
    if not entries:
        return []
    fits = np.stack([_fit(boxes, entry) for entry in entries])  # (entries, faces)
    best = fits.argmax(axis=1)
    for row, face in enumerate(best.tolist()):
        fit = fits[row, face]
        rivals = set(np.flatnonzero(fits[row] >= CLEARLY * fit).tolist())
        if not fit > 0 or fits[:, face].argmax() != row or not rivals <= set(best.tolist()):
            return None
    if len(set(best.tolist())) != len(entries):
        return None
    return [Covered(face, entry.ref) for face, entry in zip(best.tolist(), entries, strict=True)]


def _fit(boxes: Floats, entry: ConsentEntry) -> Floats:
    """(n,) how well each face fits an entry's place, 0 (not at all) to 1."""
    if entry.box_px is not None:
        overlap = iou(np.array([entry.box_px], np.float32), boxes)[0]
        return np.where(overlap >= MIN_OVERLAP, overlap, 0.0).astype(np.float32)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.maximum((boxes[:, 2:] - boxes[:, :2]) / 2, 1e-3)
    off = np.abs((np.array(entry.point_px, np.float32) - centre) / half).max(axis=1)
    return np.asarray(np.clip(1.0 - 0.9 * off, 0.0, 1.0) * (off <= 1.0), np.float32)
