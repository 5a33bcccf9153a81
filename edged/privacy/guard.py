"""The guard: no picture leaves the engine that has not passed here.

Disguise: after composition every input face must differ from its input in pixels and
in identity, and swapped faces must be seen again; a face that the second look sees
elsewhere than the swap went is held against the input at its own place; what fails is
filled with a solid colour and everything is checked again; a second failure refuses the
picture.
Portrait: only template pixels and network output, every face in a slot, nobody's
likeness but that of the visitors who consented.

The guard is handed its eyes (a search over detector families) and its recogniser as
callables: it knows policy, not models.  It raises nothing for a bad picture; an
exception inside it is the caller's `guard-error`, never a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from edged.calibration import Bounds
from edged.faces import Embedding, Face, Floats, Image, Points
from edged.geometry import Matrix, iou
from edged.privacy.pixels import still_shows, untouched_share
from edged.privacy.regions import (
    Rect,
    Region,
    Search,
    apart,
    elsewhere,
    fill_region,
    imagined,
    is_solid,
    owners,
    paint,
    shown,
)
from edged.verdicts import Reason

__all__ = [
    "Guard",
    "Passed",
    "Rect",
    "Refused",
    "Region",
    "Ruling",
    "Search",
    "Slot",
    "fill_region",
    "paint",
]

Align = Callable[[Image, Matrix], Image]
"""(picture, picture -> crop matrix) -> (112, 112, 3) uint8 BGR."""

AlignmentOf = Callable[[Points], Matrix | None]
"""Five landmarks -> matrix onto the recogniser's crop."""

Recognise = Callable[[Image], Floats]
"""(n, 112, 112, 3) uint8 BGR -> (n, d) float32 unit vectors."""

SEEN_AGAIN = 0.5
"""A second look that finds less than this share of the swapped faces again is not believed,
and those that it did not find are filled; one that finds more has its eyes open, and a
swapped profile that it misses is judged by its pixels and identity alone."""

OTHERS_FAR = 0.25
"""Landmarks of a merged finding that lie further off may be another person's."""

BESIDE_MAX = 0.5
"""Untouched share from which a face beside a swap is the input's.  Two boxes that overlap
by a third share less than half of either face's core; landmarks of a weak finding, a third
of a side off, put less than half of its core off the swap."""

SAME_PLACE = 0.02
"""Landmarks this near, in sides of the face, cut the same crop: looking twice adds nothing."""

SURE = 0.8
"""Score from which nobody asks whether the input shows an untouched face there, too."""

HIDDEN_SHARE = 0.5
"""An output face of which a fill covers so much is not held against identities."""


@dataclass(repr=False, eq=False)
class _Suspect:
    """A crop of the output whose identity is to be tested.

    Attributes:
        after: of the output.
        region: to fill when it is somebody's.
        face: likewise, as seen in the output where no region may be blamed alone.
        before: the input at the same place, where no region's embedding stands for it.
    """

    after: Image
    region: Region | None
    face: Face | None = None
    before: Image | None = None


@dataclass(repr=False, eq=False)
class _Check:
    """What one check of a composed picture is about; see :meth:`Guard.disguise`.

    Attributes:
        regions: those that come to be filled are added.
        known: (n, d) embeddings of the input's faces.
    """

    out: Image
    frame: Image
    regions: list[Region]
    known: Floats
    search: Search
    fill_bgr: tuple[int, int, int]


@dataclass(repr=False, eq=False)
class Slot:
    """One used place of a template.

    Attributes:
        box: (4,) float32 px in the template.
        to_crop: template -> recogniser's crop.
        rect: what was pasted, all pastes together.
        visitor: embedding of the visitor who was put there.
    """

    box: Floats
    to_crop: Matrix
    rect: Rect
    visitor: Embedding


@dataclass(frozen=True, repr=False, eq=False)
class Passed:
    """A picture that may leave.  Only this module makes one (a test holds that)."""

    image: Image
    refilled: int = 0


@dataclass(frozen=True)
class Refused:
    """A picture that stays in, and why."""

    reason: Reason


Ruling = Passed | Refused
_T = TypeVar("_T")


@dataclass(frozen=True, repr=False, eq=False)
class Guard:
    """The checks, with the bounds of one recogniser and one swapper.

    Attributes:
        align: cuts the recogniser's crop.
        alignment_of: landmarks to matrix.
        recognise: the guard's own recogniser.
        bounds: calibrated; None refuses everything.
    """

    align: Align
    alignment_of: AlignmentOf
    recognise: Recognise
    bounds: Bounds | None

    # -- disguise ---------------------------------------------------------------------

    def disguise(
        self,
        out: Image,
        regions: Sequence[Region],
        search: Search,
        fill_bgr: tuple[int, int, int],
        *,
        frame: Image,
    ) -> Ruling:
        """Check a composed picture, fill what fails, check again.

        Args:
            out: the composed picture, (h, w, 3) uint8 BGR; written to where it fills.
            regions: every face of the input, swapped or filled.
            search: the second look.
            fill_bgr: colour of a fill.
            frame: the input, same shape as `out`; only read.
        """
        if self.bounds is None:
            return Refused(Reason.NOT_CALIBRATED)
        known = _stack([r.face.embedding for r in regions if r.face.embedding is not None])
        check = _Check(out, frame, list(regions), known, search, fill_bgr)
        refilled = 0
        for _ in range(2):
            failed, strangers, reason = self._failures(check)
            if not failed and not strangers:
                return Passed(out, refilled)
            if refilled:
                return Refused(reason)
            surplus = [Region(face) for face in strangers]
            check.regions += surplus
            for region in [*failed, *surplus]:
                fill_region(out, region, fill_bgr)
                region.refilled = True
                refilled += 1
        return Refused(reason)

    def _failures(self, check: _Check) -> tuple[list[Region], list[Face], Reason]:
        """Regions that fail, output faces that must be filled too, and the last reason."""
        seen = check.search(check.out)
        owned = owners(seen, check.regions)
        suspects: list[_Suspect] = []
        failed, reason = self._unchanged(check, owned, suspects)
        strangers: list[Face] = []
        for face, owner in zip(seen, owned, strict=True):
            if owner is None:
                if not imagined(check.frame, check.out, face, check.search):
                    strangers.append(face)
                    reason = Reason.FACE_UNEXPECTED
            elif self._exposed(check, face, owner, suspects):
                strangers.append(face)
                failed += [owner] if owner.action == "swapped" and owner not in failed else []
                reason = Reason.FACE_UNCHANGED
        for suspect in self._recognised(check, suspects):
            reason = Reason.FACE_RECOGNISABLE
            if suspect.region is not None and suspect.region not in failed:
                failed.append(suspect.region)
            if suspect.face is not None and suspect.face not in strangers:
                strangers.append(suspect.face)
        for region in check.regions:
            if region.action == "filled" and not is_solid(check.out, region.rect, check.fill_bgr):
                failed.append(region)
                reason = Reason.FACE_UNCHANGED
        return failed, strangers, reason

    def _unchanged(
        self, check: _Check, owned: Sequence[Region | None], suspects: list[_Suspect]
    ) -> tuple[list[Region], Reason]:
        """Swapped regions that still show the input, or that no look found again.

        The others go to `suspects`, for the test of identity.
        """
        failed: list[Region] = []
        reason = Reason.OK
        swapped = [r for r in check.regions if r.action == "swapped"]
        again = [r for r in swapped if any(owner is r for owner in owned)]
        blind = len(again) < SEEN_AGAIN * len(swapped)
        for region in swapped:
            after = self.align(check.out, _need(region.to_crop))
            if self._same(_need(region.before), after, region) or self._beside(check, region.face):
                failed.append(region)
                reason = Reason.FACE_UNCHANGED
            elif blind and region not in again:
                failed.append(region)  # a swapped face is a face: unseen means unchecked
                reason = Reason.FACE_UNEXPECTED
            else:
                suspects.append(_Suspect(after, region))
        return failed, reason

    def _beside(self, check: _Check, face: Face) -> bool:
        """Whether an input face's other landmarks, merged with it, show the input's pixels."""
        for points in face.others:
            matrix = self.alignment_of(points)
            if matrix is None or apart(points, face.landmarks, face.box) <= OTHERS_FAR:
                continue
            before, after = self.align(check.frame, matrix), self.align(check.out, matrix)
            if untouched_share(before, after) > BESIDE_MAX:
                return True
        return False

    def _exposed(self, check: _Check, face: Face, owner: Region, suspects: list[_Suspect]) -> bool:
        """Whether an output face is the input's own, beside what its owner covers.

        Overlap alone does not explain a face: the swap may have landed next to it, or on
        its neighbour.  One that passes goes to `suspects`.
        """
        matrix = self.alignment_of(face.landmarks)
        if matrix is None:
            return True  # it cannot be looked at
        swapped = owner.action == "swapped"
        if swapped and apart(face.landmarks, owner.face.landmarks, face.box) <= SAME_PLACE:
            return False  # it is the region's own crop, which is looked at anyway
        after = self.align(check.out, matrix)
        if swapped and not elsewhere(face, owner.face):
            suspects.append(_Suspect(after, owner))
            return False
        before = self.align(check.frame, matrix)
        if self._same(before, after):
            sure = face.score >= SURE and untouched_share(before, after) > BESIDE_MAX
            return sure or shown(check.frame, face, check.search)
        hidden = (after == np.array(check.fill_bgr, np.uint8)).all(axis=2).mean()
        if swapped or float(hidden) < HIDDEN_SHARE:
            suspects.append(_Suspect(after, owner if swapped else None, face, before))
        return False

    def _same(self, before: Image, after: Image, region: Region | None = None) -> bool:
        """Whether an aligned crop still shows its input: as a whole, or but for a kept mouth."""
        bounds, kept = _need(self.bounds), region is not None and region.mouth_kept
        return still_shows(before, after, bounds.coarse_max, bounds.untouched_max, mouth_kept=kept)

    def _recognised(self, check: _Check, suspects: list[_Suspect]) -> list[_Suspect]:
        """Those whose crop, or its mirror image, is too near to any input face."""
        before = [s.before for s in suspects if s.before is not None]
        if not suspects or not (len(check.known) or before):
            return []
        crops = [s.after for s in suspects]
        mirrored = [np.asarray(cv2.flip(c, 1), np.uint8) for c in crops]
        vectors = self.recognise(np.stack([*crops, *mirrored, *before]))
        count = len(crops)
        known = np.concatenate([*([check.known] if len(check.known) else []), vectors[2 * count :]])
        with np.errstate(invalid="ignore"):
            cosines = (vectors[: 2 * count] @ known.T).max(axis=1)
        # What is not a number counts as the same person.
        worst = np.nan_to_num(np.maximum(cosines[:count], cosines[count:]), nan=1.0)
        bound = _need(self.bounds).identity_max
        return [
            suspect
            for suspect, cosine in zip(suspects, worst.tolist(), strict=True)
            if cosine > bound
            and (
                suspect.face is None
                or cosine > (1 + bound) / 2  # beyond doubt
                or shown(check.frame, suspect.face, check.search)
            )
        ]

    # -- portrait ---------------------------------------------------------------------

    def portrait(
        self,
        out: Image,
        template: Image,
        slots: Sequence[Slot],
        *,
        template_boxes: Floats,
        bystanders: Sequence[Embedding],
        search: Search,
    ) -> Ruling:
        """Check a portrait.

        Args:
            out: the composed picture.
            template: the template picture, same shape.
            slots: the places that were used.
            template_boxes: (k, 4) px, every face that the template itself shows.
            bystanders: embeddings of faces in the camera frame without consent.
            search: the second look.
        """
        if self.bounds is None:
            return Refused(Reason.NOT_CALIBRATED)
        if not _same_outside(out, template, [s.rect for s in slots]):
            return Refused(Reason.GUARD_ERROR)
        for face in search(out):
            known = _explained(face.box, template_boxes)
            if not known and not imagined(template, out, face, search):
                return Refused(Reason.FACE_UNEXPECTED)
        if bystanders and slots:
            vectors = self.recognise(np.stack([self.align(out, s.to_crop) for s in slots]))
            others = vectors @ _stack(bystanders).T  # (slots, bystanders)
            own = np.array([v @ s.visitor for v, s in zip(vectors, slots, strict=True)])
            near = others.max(axis=1)
            if not np.isfinite(near).all() or not np.isfinite(own).all():
                return Refused(Reason.GUARD_ERROR)
            if ((near > self.bounds.identity_max) & (near > own)).any():
                return Refused(Reason.FACE_RECOGNISABLE)
        return Passed(out)


def _explained(box: Floats, template_boxes: Floats) -> bool:
    """Whether an output face lies where the template shows one."""
    return bool(len(template_boxes) and iou(box[None], template_boxes).max() > 0.2)


def _same_outside(out: Image, template: Image, rects: Sequence[Rect]) -> bool:
    """Whether two pictures agree in every pixel outside some rectangles."""
    if out.shape != template.shape:
        return False
    difference = cv2.absdiff(out, template)
    for x1, y1, x2, y2 in rects:
        difference[y1:y2, x1:x2] = 0
    return not difference.any()


def _stack(vectors: Sequence[Embedding]) -> Floats:
    """(n, d); (0, 1) when there are none."""
    return np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)


def _need(value: _T | None) -> _T:
    """A value that the caller promised; its absence is a programming error."""
    if value is None:
        msg = "a swapped region lost its crop"
        raise RuntimeError(msg)
    return value
