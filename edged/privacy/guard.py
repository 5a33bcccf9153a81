"""The guard: no picture leaves the engine that has not passed here.

Disguise: after composition every input face must differ from its input in pixels and
in identity, and must be seen again where it was; a face that the second look sees
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
from edged.geometry import Matrix, clip, grow, iou
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.verdicts import Reason

Search = Callable[[Image], list[Face]]
"""Every face that the detector families see in a picture, at the frame's effort."""

Align = Callable[[Image, Matrix], Image]
"""(picture, picture -> crop matrix) -> (112, 112, 3) uint8 BGR."""

AlignmentOf = Callable[[Points], Matrix | None]
"""Five landmarks -> matrix onto the recogniser's crop."""

Recognise = Callable[[Image], Floats]
"""(n, 112, 112, 3) uint8 BGR -> (n, d) float32 unit vectors."""

ELSEWHERE = 0.1
"""An output face whose landmarks lie this share of its side from the swap's is not the
swap but, perhaps, the untouched face beside it."""

HIDDEN_SHARE = 0.5
"""An output face of which a fill covers so much is not held against identities."""

FILL_MARGIN = 1.25
"""A filled box is so much larger than the detector's, which is tight at hair and chin."""

Rect = tuple[int, int, int, int]


@dataclass(repr=False, eq=False)
class Region:
    """One input face and what became of it.

    Attributes:
        face: as found in the input.
        to_crop: input -> recogniser's crop; None when its landmarks are degenerate.
        before: the crop of the input; None likewise.
        action: "swapped" or "filled".
        identity: name of its character, for the result.
        rect: what was filled.
        refilled: filled by the guard, after a failed check.
    """

    face: Face
    to_crop: Matrix | None = None
    before: Image | None = None
    action: str = "filled"
    identity: str = ""
    rect: Rect = (0, 0, 0, 0)
    refilled: bool = False


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
        regions = list(regions)
        known = _stack([r.face.embedding for r in regions if r.face.embedding is not None])
        refilled = 0
        for _ in range(2):
            failed, strangers, reason = self._failures(
                out, frame, regions, known, search(out), fill_bgr
            )
            if not failed and not strangers:
                return Passed(out, refilled)
            if refilled:
                return Refused(reason)
            regions += [Region(face) for face in strangers]
            for region in [*failed, *regions[len(regions) - len(strangers) :]]:
                fill_region(out, region, fill_bgr)
                region.refilled = True
                refilled += 1
        return Refused(reason)

    def _failures(
        self,
        out: Image,
        frame: Image,
        regions: Sequence[Region],
        known: Floats,
        seen: list[Face],
        fill_bgr: tuple[int, int, int],
    ) -> tuple[list[Region], list[Face], Reason]:
        """Regions that fail, output faces that must be filled too, and the last reason."""
        owners = _owners(seen, regions)
        suspects: list[_Suspect] = []
        failed, reason = self._unchanged(out, frame, regions, owners, suspects)
        strangers: list[Face] = []
        for face, owner in zip(seen, owners, strict=True):
            if owner is None:
                strangers.append(face)
                reason = Reason.FACE_UNEXPECTED
            elif self._exposed(out, frame, face, owner, suspects, fill_bgr):
                strangers.append(face)
                if owner.action == "swapped" and owner not in failed:
                    failed.append(owner)
                reason = Reason.FACE_UNCHANGED
        identity_max = _need(self.bounds).identity_max
        for suspect, cosine in zip(suspects, self._nearest(suspects, known), strict=True):
            if cosine <= identity_max:
                continue
            reason = Reason.FACE_RECOGNISABLE
            if suspect.region is not None and suspect.region not in failed:
                failed.append(suspect.region)
            if suspect.face is not None and suspect.face not in strangers:
                strangers.append(suspect.face)
        for region in regions:
            if region.action == "filled" and not _is_solid(out, region.rect, fill_bgr):
                failed.append(region)
                reason = Reason.FACE_UNCHANGED
        return failed, strangers, reason

    def _unchanged(
        self,
        out: Image,
        frame: Image,
        regions: Sequence[Region],
        owners: Sequence[Region | None],
        suspects: list[_Suspect],
    ) -> tuple[list[Region], Reason]:
        """Swapped regions that still show the input, or that no look found again.

        The others go to `suspects`, for the test of identity.
        """
        failed: list[Region] = []
        reason = Reason.OK
        for region in (r for r in regions if r.action == "swapped"):
            after = self.align(out, _need(region.to_crop))
            if self._same(_need(region.before), after) or any(
                self._same_at(out, frame, points) for points in region.face.others
            ):
                failed.append(region)
                reason = Reason.FACE_UNCHANGED
            elif not any(owner is region for owner in owners):
                failed.append(region)  # a swapped face is a face: unseen means unchecked
                reason = Reason.FACE_UNEXPECTED
            else:
                suspects.append(_Suspect(after, region))
        return failed, reason

    def _exposed(
        self,
        out: Image,
        frame: Image,
        face: Face,
        owner: Region,
        suspects: list[_Suspect],
        fill_bgr: tuple[int, int, int],
    ) -> bool:
        """Whether an output face is the input's own pixels, beside what its owner covers.

        Overlap alone does not explain a face: the swap may have landed next to it, or on
        its neighbour.  One that passes goes to `suspects`.
        """
        matrix = self.alignment_of(face.landmarks)
        if matrix is None:
            return True  # it cannot be looked at
        after = self.align(out, matrix)
        if owner.action == "swapped" and not _elsewhere(face, owner.face):
            suspects.append(_Suspect(after, owner))
            return False
        before = self.align(frame, matrix)
        if self._untouched(before, after):
            return True
        if any(self._same_at(out, frame, points) for points in face.others):
            return True
        if owner.action == "swapped":
            suspects.append(_Suspect(after, owner, face, before))
        elif float((after == np.array(fill_bgr, np.uint8)).all(axis=2).mean()) < HIDDEN_SHARE:
            suspects.append(_Suspect(after, None, face, before))
        return False

    def _same(self, before: Image, after: Image) -> bool:
        """Whether an aligned crop still shows its input."""
        bounds = _need(self.bounds)
        return (
            coarse_correlation(before, after) > bounds.coarse_max
            or untouched_share(before, after) > bounds.untouched_max
        )

    def _same_at(self, out: Image, frame: Image, points: Points) -> bool:
        """Whether a place is the input's own pixels; landmarks of no shape show nothing."""
        matrix = self.alignment_of(points)
        return matrix is not None and self._untouched(
            self.align(frame, matrix), self.align(out, matrix)
        )

    def _untouched(self, before: Image, after: Image) -> bool:
        """The same for a place that no swap was aligned to, where its bound means little.

        What lies beside a swap is the input itself, which correlates by 1: half way from
        the bound to there is far enough from both.
        """
        bounds = _need(self.bounds)
        return (
            coarse_correlation(before, after) > (1 + bounds.coarse_max) / 2
            or untouched_share(before, after) > bounds.untouched_max
        )

    def _nearest(self, suspects: list[_Suspect], known: Floats) -> list[float]:
        """Largest cosine of each crop, and of its mirror image, with any input face."""
        before = [s.before for s in suspects if s.before is not None]
        if not suspects or not (len(known) or before):
            return [-1.0] * len(suspects)
        crops = [s.after for s in suspects]
        mirrored = [np.asarray(cv2.flip(c, 1), np.uint8) for c in crops]
        vectors = self.recognise(np.stack([*crops, *mirrored, *before]))
        count = len(crops)
        here = vectors[2 * count :]
        known = np.concatenate([known, here]) if len(known) else here
        cosines = (vectors[: 2 * count] @ known.T).max(axis=1)
        if not np.isfinite(cosines).all():
            return [1.0] * count
        return [float(c) for c in np.maximum(cosines[:count], cosines[count:])]

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
            if not _explained(face.box, template_boxes):
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


def fill_region(out: Image, region: Region, fill_bgr: tuple[int, int, int]) -> None:
    """Fill a region's face with a solid colour, in place."""
    region.action = "filled"
    region.identity = ""
    region.rect = paint(out, region.face.box, fill_bgr)


def paint(out: Image, box: Floats, fill_bgr: tuple[int, int, int]) -> Rect:
    """Fill a face box and its margin, in place; returns the filled rectangle."""
    x1, y1, x2, y2 = clip(grow(box, FILL_MARGIN), out.shape[1], out.shape[0])
    out[y1:y2, x1:x2] = fill_bgr
    return x1, y1, x2, y2


def _owners(seen: Sequence[Face], regions: Sequence[Region]) -> list[Region | None]:
    """For each output face the region that explains it: the one that overlaps it most."""
    if not seen or not regions:
        return [None] * len(seen)
    areas = np.stack(
        [grow(r.face.box, FILL_MARGIN) if r.action == "filled" else r.face.box for r in regions]
    )
    overlap = iou(np.stack([face.box for face in seen]), areas)  # (seen, regions)
    best = overlap.argmax(axis=1)
    return [
        regions[index] if overlap[row, index] > 0.2 else None for row, index in enumerate(best)
    ]


def _elsewhere(seen: Face, swapped: Face) -> bool:
    """Whether an output face's landmarks lie off those that the swap was aligned to."""
    side = float(np.sqrt(max(float(np.prod(seen.box[2:] - seen.box[:2])), 1.0)))
    apart = np.linalg.norm(seen.landmarks.mean(axis=0) - swapped.landmarks.mean(axis=0))
    return not float(apart) <= ELSEWHERE * side


def _explained(box: Floats, template_boxes: Floats) -> bool:
    """Whether an output face lies where the template shows one."""
    return bool(len(template_boxes) and iou(box[None], template_boxes).max() > 0.2)


def _is_solid(out: Image, rect: Rect, fill_bgr: tuple[int, int, int]) -> bool:
    """Whether every pixel of a rectangle has the fill colour (an empty one has none)."""
    x1, y1, x2, y2 = rect
    return bool((out[y1:y2, x1:x2] == np.array(fill_bgr, np.uint8)).all())


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
