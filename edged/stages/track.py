"""Tracks of people through one camera's stream: who is who, and whom to look at again.

Overlap and likeness are joined in one assignment, one to one.  A track outlives its face:
who comes back is known again by the recogniser's vector.  Everything is in memory, for a
bounded time and number.  Knows faces, vectors and milliseconds; knows no pictures, no
model and no characters.  What is filled while nobody sees it is in :mod:`edged.stages.hold`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.faces import Embedding, Face, Floats, Tensor
from edged.geometry import iou
from edged.stages.assign import FORBIDDEN, assign
from edged.stages.glance import ALIKE
from edged.stages.hold import SAME_PLACE_IOU
from edged.stages.steady import Steady

CROSSING_IOU = 0.1
"""Boxes that overlap more may change hands: their faces are embedded in every frame."""

STAY = 0.6
"""Who is already there needs this share of the least similarity that a newcomer needs."""

PLACE = 0.3
"""Weight of the overlap beside the cosine: where two people crossed, each stands where the
other stood before, and likeness has to decide."""

MARGIN = 0.12
"""A face whose cosines to two people differ by less, and that no place settles, is in doubt
between them: it is nobody until a clearer look."""

EMBED_EVERY = 15
"""A face that nothing happens to is embedded once in so many frames."""

LOOKS = 3
"""Embeddings that must agree before a newcomer counts as nobody who was here before."""

LOOKS_IN_DOUBT = 15
"""The same where their mean is somewhat like one of those: `STAY` of the similarity."""

MEMORY = 16
"""So many embeddings make a running mean, at most; older ones fade."""

ENROLLED_LOOKS = 8
"""What the photos of somebody who was enrolled weigh in it."""

REMEMBERED = 32
"""People who left and are remembered at a time; the one who left first is forgotten."""


@dataclass(repr=False, eq=False)
class Track:
    """One person over time.

    Attributes:
        track_id: never used again.
        worn: the identity that is reserved for this person, who was enrolled, or "".
        enrolled: unit vector of an enrolled person's photos, or None.
        box: (4,) float32 px where it was last.
        seen_ms: when; -1 is never.
        seen_frame: likewise, as the number of the frame.
        vector: running mean of its embeddings, unit length, or None.
        looks: how many are in it.
        known: that it is this person, or a new one, is settled; until then it is nobody.
        last: its last embedding; what stands for a face that still looks as it did then.
        agreed: that was like the mean.
        embedded_frame: when that was.
        glance: of the last frame; embedded_glance: of the last embedding.
        steady: its landmarks' filter.
    """

    track_id: int
    worn: str = ""
    enrolled: Embedding | None = None
    box: Floats = field(default_factory=lambda: np.zeros(4, np.float32))
    seen_ms: int = -1
    seen_frame: int = -1
    vector: Embedding | None = None
    looks: int = 0
    known: bool = False
    last: Embedding | None = None
    agreed: bool = False
    embedded_frame: int = -1
    glance: Floats | None = None
    embedded_glance: Floats | None = None
    steady: Steady = field(default_factory=Steady)

    def learn(self, vector: Embedding) -> None:
        """Take an embedding into the mean."""
        weight = min(self.looks, MEMORY - 1)
        mean = vector if self.vector is None else self.vector * weight + vector
        self.vector = np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
        self.looks += 1


@dataclass(repr=False, eq=False)
class _Scene:
    """What one frame looks like from the tracks' side.

    Attributes:
        overlap: (faces, tracks) IoU; 0 where a track was not there a moment ago.
        contested: (faces,) bool: another face or another's place overlaps it.
        continued: number of the track whose face each surely is, by place, look and time,
            or -1.
    """

    overlap: Tensor
    contested: Tensor
    continued: list[int]


class Tracks:
    """The tracks of one camera.

    Args:
        enrolled: unit vectors of people whom an identity is reserved for, by its name.
    """

    def __init__(self, enrolled: Mapping[str, Embedding] | None = None) -> None:
        self._next_id = 1
        self._frame = 0
        self._planned: tuple[Sequence[Face] | None, _Scene | None] = None, None
        self.all: list[Track] = []
        for name, vector in (enrolled or {}).items():
            track = self._new(worn=name, enrolled=vector, vector=vector, known=True)
            track.looks = ENROLLED_LOOKS
            self.all.append(track)

    def plan(
        self, faces: Sequence[Face], glances: Sequence[Floats | None], now_ms: int, window_ms: int
    ) -> list[int]:
        """The faces that the recogniser has to look at, by number.

        Args:
            faces: of the frame.
            glances: (256,) float32 each; None where a face could not be aligned.
            now_ms: monotonic time of the frame.
            window_ms: how long ago counts as a moment ago.
        """
        scene = self._scene(faces, glances, now_ms, window_ms)
        self._planned = faces, scene
        return [
            number
            for number, glance in enumerate(glances)
            if glance is not None and self._due(scene.continued[number], glance)
        ]

    def join(
        self,
        faces: Sequence[Face],
        glances: Sequence[Floats | None],
        now_ms: int,
        *,
        window_ms: int,
        same: float,
        remember_ms: int,
    ) -> list[Track]:
        """Give every face its track; `track_id` and, where it is missing, `embedding` are set.

        Args:
            faces: of the frame, with the embeddings that :meth:`plan` asked for; the very list
                that it was given, where it was asked.
            glances: as in :meth:`plan`.
            now_ms: likewise.
            window_ms: likewise.
            same: cosine from which two vectors are one person's.
            remember_ms: how long somebody who left is remembered.
        """
        planned, scene = self._planned
        if planned is not faces or scene is None:
            scene = self._scene(faces, glances, now_ms, window_ms)
        columns = assign(self._scores(faces, scene, same))
        joined = [self.all[column] if column >= 0 else None for column in columns]
        here = {id(track) for track in joined}
        absent = [t for t in self.all if id(t) not in here and t.known and t.vector is not None]
        tracks: list[Track] = []
        for number, (face, found) in enumerate(zip(faces, joined, strict=True)):
            contested = bool(scene.contested[number])
            track = found
            if track is None:
                track = self._new(known=not absent and not contested)
                self.all.append(track)
            if face.embedding is not None:
                self._look(track, face.embedding, glances[number], same, contested=contested)
                track = self._settle(track, absent, same, contested=contested)
            else:
                face.embedding = track.last if track.agreed else None
            track.box, track.seen_ms, track.seen_frame = face.box, now_ms, self._frame
            track.glance = glances[number]
            face.track_id = track.track_id
            tracks.append(track)
        self._frame += 1
        self._planned = None, None
        self._forget(now_ms, window_ms, remember_ms)
        return tracks

    # -- one frame ----------------------------------------------------------------------

    def _scene(
        self, faces: Sequence[Face], glances: Sequence[Floats | None], now_ms: int, window_ms: int
    ) -> _Scene:
        overlap = np.zeros((len(faces), len(self.all)))
        recent = [t.seen_ms >= 0 and now_ms - t.seen_ms <= window_ms for t in self.all]
        contested: Tensor = np.zeros(len(faces), bool)
        if not faces:
            return _Scene(overlap, contested, [])
        boxes = np.stack([f.box for f in faces])
        if self.all:
            overlap = iou(boxes, np.stack([t.box for t in self.all])) * np.array(recent)
        among = iou(boxes, boxes)
        np.fill_diagonal(among, 0)
        contested = np.asarray((among > CROSSING_IOU).any(axis=1))
        touching = overlap > CROSSING_IOU
        contested |= touching.sum(axis=1) > 1
        contested |= touching[:, touching.sum(axis=0) > 1].any(axis=1)
        continued = []
        for number, glance in enumerate(glances):
            best = int(overlap[number].argmax()) if self.all else -1
            there = best >= 0 and overlap[number, best] >= SAME_PLACE_IOU
            track = self.all[best] if there else None
            surely = (
                track is not None
                and not contested[number]
                and track.seen_frame == self._frame - 1
                and glance is not None
                and track.glance is not None
                and float(glance @ track.glance) >= ALIKE
            )
            continued.append(best if surely else -1)
        return _Scene(overlap, contested, continued)

    def _due(self, continued: int, glance: Floats) -> bool:
        """Whether a face has to be embedded: it is no track's for sure, or it is time."""
        if continued < 0:
            return True
        track = self.all[continued]
        return (
            not track.known
            or track.looks < LOOKS
            or not track.agreed
            or track.embedded_glance is None
            or float(glance @ track.embedded_glance) < ALIKE
            or self._frame - track.embedded_frame >= EMBED_EVERY
        )

    def _scores(self, faces: Sequence[Face], scene: _Scene, same: float) -> Tensor:
        """(faces, tracks) of overlap and likeness; see the module's constants."""
        cosines, overlap = self._cosines(faces), scene.overlap
        blind = np.isnan(cosines)
        near = overlap >= SAME_PLACE_IOU
        own = np.array(scene.continued, int)[:, None] == np.arange(len(self.all))
        known = np.array([track.known for track in self.all], bool)
        young = np.array([track.looks < LOOKS for track in self.all], bool)
        # Where nothing else is known the place decides; its own goes before everything.
        scores = np.where(blind & near, np.where(own, 3, 1) + overlap, FORBIDDEN)
        if blind.all():
            return scores
        allowed = ~blind & ~self._barred(cosines, scene.continued, same)
        with np.errstate(invalid="ignore"):
            # A face half under another is known from afar only beyond doubt.
            sure = near | ~scene.contested[:, None] | (cosines >= same + MARGIN)
            alike = allowed & sure & (cosines >= same)
            stays = (cosines >= STAY * same) | own | (young & ~scene.contested[:, None])
        stays &= allowed & near & ~alike
        joint = np.nan_to_num(cosines) + PLACE * overlap
        # Somebody who is known goes before what only lies at the same place.
        scores = np.where(alike, 1 + known + joint, scores)
        return np.asarray(np.where(stays, np.maximum(joint, PLACE * overlap), scores))

    def _cosines(self, faces: Sequence[Face]) -> Tensor:
        """(faces, tracks) cosines; NaN where one of the two has no vector."""
        cosines = np.full((len(faces), len(self.all)), np.nan)
        rows = [number for number, face in enumerate(faces) if face.embedding is not None]
        columns = [number for number, track in enumerate(self.all) if track.vector is not None]
        if rows and columns:
            vectors = np.stack([v for f in faces if (v := f.embedding) is not None])
            means = np.stack([v for t in self.all if (v := t.vector) is not None])
            cosines[np.ix_(rows, columns)] = vectors @ means.T
        return cosines

    def _barred(self, cosines: Tensor, continued: list[int], same: float) -> Tensor:
        """(faces, tracks) bool: pairs that must not be although they are alike.

        A face that might be either of two people, who are not known to be elsewhere, is
        neither; and nobody takes the track of a person whom another face is more like.
        """
        barred = np.zeros(cosines.shape, bool)
        known = np.array([track.known for track in self.all], bool)
        free = known & ~np.isin(np.arange(len(self.all)), continued)
        unsure = np.array([own < 0 or not known[own] for own in continued], bool)
        alike = np.where(np.isnan(cosines), -1.0, cosines)
        for number in np.flatnonzero(unsure):
            best = np.sort(alike[number, free])[-2:]
            if len(best) > 1 and best[1] >= same and best[0] >= STAY * same:
                barred[number, known] |= best[1] - best[0] < MARGIN
        if unsure.any():
            most = alike[unsure].max(axis=0)
            barred[np.ix_(unsure, known)] |= (alike[unsure] < most - MARGIN)[:, known]
        return barred

    def _look(
        self,
        track: Track,
        vector: Embedding,
        glance: Floats | None,
        same: float,
        *,
        contested: bool,
    ) -> None:
        """Take a new embedding of a track's face into account."""
        track.embedded_frame, track.embedded_glance, track.last = self._frame, glance, vector
        alike = track.vector is None or float(vector @ track.vector) >= same
        track.agreed = alike
        if alike and not (contested and track.known):  # an overlapped face is half another's
            track.learn(vector)
        elif track.looks < LOOKS and not alike:
            track.vector, track.looks = vector, 1  # the first looks were bad ones: begin anew

    def _settle(self, track: Track, absent: list[Track], same: float, *, contested: bool) -> Track:
        """Decide who a newcomer is, once enough looks agree; the track that it is."""
        if track.known or track.looks < LOOKS or track.vector is None:
            return track
        nearest, likeness = _nearest(track.vector, absent)
        if nearest is not None and likeness >= same:
            absent.remove(nearest)
            self.all.remove(track)
            nearest.embedded_frame, nearest.embedded_glance = self._frame, track.embedded_glance
            nearest.last, nearest.agreed, nearest.steady = track.last, True, track.steady
            return nearest
        if likeness >= STAY * same and track.looks < LOOKS_IN_DOUBT:
            return track
        others = [t for t in self.all if t is not track and t.known]
        if contested and _nearest(track.vector, others)[1] >= same:
            return track  # two findings of one face, or people whom nobody tells apart
        track.known = True
        return track

    def _forget(self, now_ms: int, window_ms: int, remember_ms: int) -> None:
        """Drop who left too long ago, and who was never settled and is gone."""
        kept, left = [], []
        for track in self.all:
            ago_ms = now_ms - track.seen_ms
            if track.enrolled is not None:
                if ago_ms > window_ms:  # what was learnt of a visit ends with it
                    track.vector, track.looks = track.enrolled, ENROLLED_LOOKS
                kept.append(track)
            elif ago_ms <= window_ms:
                kept.append(track)
            elif track.known and track.vector is not None and ago_ms <= remember_ms:
                left.append(track)
        left.sort(key=lambda t: -t.seen_ms)
        self.all = kept + left[:REMEMBERED]

    def _new(self, **more: object) -> Track:
        track = Track(self._next_id, **more)  # type: ignore[arg-type]
        self._next_id += 1
        return track


def _nearest(vector: Embedding, tracks: Sequence[Track]) -> tuple[Track | None, float]:
    """The track whose mean is most like a vector, and the cosine."""
    best, most = None, -1.0
    for track in tracks:
        if track.vector is not None and float(vector @ track.vector) > most:
            best, most = track, float(vector @ track.vector)
    return best, most
