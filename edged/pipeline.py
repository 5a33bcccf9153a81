"""One frame: search, align, embed, swap, restore, paste, guard.

The two functions :meth:`Pipeline.disguise` and :meth:`Pipeline.portrait` are the product;
read them first.  Knows stages, cast and guard; knows no sockets, no configuration file
and no threads (one thread calls it).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from edged.cast import Character, Template
from edged.faces import Embedding, Face, Floats, Image
from edged.geometry import Matrix, grow
from edged.pipeline_parts import Job, Outcome, Stages, Watch
from edged.privacy.buffers import OutgoingPool
from edged.privacy.guard import Guard, Passed, Rect, Refused, Region, Slot, fill_region
from edged.scene import GuardSettings, Scene
from edged.stages.align import matrices
from edged.stages.easel import Canvas, Easel, HostPicture, Picture
from edged.stages.embed import SIZE_PX
from edged.stages.search import search
from edged.stages.track import Tracks
from edged.stages.views import Effort
from edged.transport.wire import FaceNote, GuardNote
from edged.verdicts import Reason

log = logging.getLogger(__name__)

LOST_MARGIN = 1.3
"""The box of a face that is not seen any more is so much larger: it moves on unseen."""


class Pipeline:
    """The stages in order, for one thread.

    Args:
        stages: loaded networks.
        guard: the checks.
        settings: how hard the guard looks.
        characters: by identity name.
        templates: by scene name, for portrait scenes.
        pool: outgoing buffers.
        easel: where frames are worked on: host memory or a device.
    """

    def __init__(
        self,
        stages: Stages,
        guard: Guard,
        settings: GuardSettings,
        *,
        characters: Mapping[str, Character],
        templates: Mapping[str, Template],
        pool: OutgoingPool | None = None,
        easel: Easel = HostPicture,
    ) -> None:
        self._stages = stages
        self._guard = guard
        self._settings = settings
        self._characters = characters
        self._templates = templates
        self._pool = pool or OutgoingPool()
        self._easel = easel
        self._tracks: dict[str, Tracks] = {}
        self._since_full: dict[str, int] = {}

    def process(self, frame: Image, job: Job) -> Outcome:
        """Turn one frame into a passed picture or a refusal.

        Args:
            frame: (h, w, 3) uint8 BGR; only read.
            job: what to do.

        Any exception refuses the frame; its text stays here, since libraries put shapes
        and values into theirs, and only its type is logged.
        """
        work = self.portrait if job.scene.mode == "portrait" else self.disguise
        watch = Watch(self._stages.meter)
        try:
            outcome = work(frame, job, watch)
        except Exception as error:  # noqa: BLE001 - the boundary; see above
            log.error("%s: %s while in %s", job.camera, type(error).__name__, watch.stage)  # noqa: TRY400
            private = watch.stage in {"detect", "search", "embed", "guard"}
            outcome = Outcome(Refused(Reason.GUARD_ERROR if private else Reason.PIPELINE_ERROR))
        outcome.stages_ms, outcome.session_ms = watch.stages_ms, watch.session_ms
        if isinstance(outcome.ruling, Refused) and outcome.buffer is not None:
            outcome.buffer.release()
            outcome.buffer = None
        return outcome

    # -- disguise ---------------------------------------------------------------------

    def disguise(self, frame: Image, job: Job, watch: Watch) -> Outcome:
        """Every face becomes a character or a solid fill."""
        scene = job.scene
        with watch("copy"):
            picture = self._easel(frame)
        faces, lost, effort = self._find(picture, job, watch)
        if not faces and not lost and not scene.allow_empty:
            return Outcome(Refused(Reason.NO_FACE))
        regions = self._regions(picture, faces, watch)
        with watch("copy"):
            buffer = self._pool.lease(frame.shape[0], frame.shape[1])
            out = buffer.image
            canvas = picture.canvas(out)
        cast = self._cast(job, faces)
        todo = [
            (region, character, matrix)
            for region, character, matrix in zip(regions, cast, self._to_swap(faces), strict=True)
            if character is not None
            and matrix is not None
            and region.before is not None
            and _side(region.face.box) >= scene.min_face_px
        ]
        if todo:
            to_crop = [matrix for _, _, matrix in todo]
            with watch("swap"):
                latents = np.stack([c.latent for _, c, _ in todo])
                swapped = canvas.swap(self._stages.swapper, to_crop, latents)
            with watch("paste"):
                canvas.paste(swapped, to_crop, self._stages.swap_mask)
            self._restore(canvas, [r.face for r, _, _ in todo], scene, watch)
            for region, character, _ in todo:
                region.action, region.identity = "swapped", character.name
        with watch("copy"):
            canvas.finish()
        regions += [Region(_lost_face(box)) for box in lost]
        for region in regions:
            if region.action == "filled":
                fill_region(out, region, scene.fill_bgr)
        with watch("guard"):
            # The guard is shown the bytes that would leave, in the memory that they would
            # leave from, whatever made them: a fault on the device or on the way down must
            # not pass.  Its looks at them are uploads of their own, small ones, worth that.
            look = partial(search, detectors=self._stages.detectors, effort=effort)
            ruling = self._guard.disguise(out, regions, look, scene.fill_bgr, frame=frame)
        return Outcome(
            ruling,
            buffer,
            faces=tuple(_disguise_note(r, out) for r in regions),
            guard=self._note(regions, len(faces), ruling, effort, shape=frame.shape),
        )

    def _find(
        self, picture: Picture, job: Job, watch: Watch
    ) -> tuple[list[Face], list[Floats], Effort]:
        """Faces of a frame, lost tracks that are still held, and the effort that it took.

        A stream frame gets the first family at the stream's sizes; all families and
        sizes follow every `full_look_every_n` frames, when faces came or went, and
        whenever none is seen.  A stream frame that is published gets all of it, turns
        included, and keeps the tracks: who is lost in it stays filled like in any other.
        """
        settings, detectors = self._settings, self._stages.detectors
        turns = tuple(d // 90 for d in settings.rotations_deg)
        if not job.tracked:
            effort = Effort(settings.sizes_px, turns, tiles=True)
            faces = self._look(picture, effort, watch)
            return faces, [], effort
        tracks = self._tracks.setdefault(job.camera, Tracks(settings.hold_ms))
        since = self._since_full.get(job.camera, settings.full_look_every_n) + 1
        effort = Effort(settings.stream_sizes_px, families=1)
        if job.whole:
            effort = Effort(settings.sizes_px, turns, tiles=True)
        faces = self._look(picture, effort, watch)
        if job.whole:
            since = 0
        elif since >= settings.full_look_every_n or not faces or tracks.changed(faces, job.now_ms):
            since = 0
            effort = Effort(settings.sizes_px, tiles=True)
            with watch("search"):
                faces = picture.search(detectors, effort)
        self._since_full[job.camera] = since
        return faces, tracks.update(faces, job.now_ms), effort

    def _look(self, picture: Picture, effort: Effort, watch: Watch) -> list[Face]:
        """Search, with the primary look timed apart from the guard's further ones."""
        detectors = self._stages.detectors
        if effort.looks(len(detectors)) == 1:
            with watch("detect"):
                return picture.search(detectors, effort)
        with watch("search"):
            return picture.search(detectors, effort)

    def _regions(self, picture: Picture, faces: list[Face], watch: Watch) -> list[Region]:
        """A region for each face, with crop and embedding of the input."""
        with watch("embed"):
            to_crop = matrices([f.landmarks for f in faces], "arcface_112", SIZE_PX)
            usable = [i for i, m in enumerate(to_crop) if m is not None]
            before, vectors = picture.embed(
                self._stages.recogniser, [m for m in to_crop if m is not None]
            )
        regions = [Region(face, matrix) for face, matrix in zip(faces, to_crop, strict=True)]
        for row, index in enumerate(usable):
            regions[index].before = before[row]
            faces[index].embedding = vectors[row]
        return regions

    def _cast(self, job: Job, faces: list[Face]) -> list[Character | None]:
        """Who plays whom: tracks keep their character, shots go left to right."""
        names = job.scene.identities
        if not names:
            return [None] * len(faces)
        if not job.tracked:
            order = np.argsort([float(f.box[0]) for f in faces], kind="stable")
            number = {int(index): place for place, index in enumerate(order)}
        else:
            number = {i: f.track_id - 1 for i, f in enumerate(faces)}
        return [self._characters.get(names[number[i] % len(names)]) for i in range(len(faces))]

    # -- portrait ---------------------------------------------------------------------

    def portrait(self, frame: Image, job: Job, watch: Watch) -> Outcome:
        """The visitors who consented become the people of a template picture."""
        if not job.consents:
            return Outcome(Refused(Reason.NO_CONSENT))
        template = self._templates[job.scene_name]
        settings = self._settings
        effort = Effort(settings.sizes_px, tuple(d // 90 for d in settings.rotations_deg))
        with watch("copy"):
            picture = self._easel(frame)
        faces = self._look(picture, effort, watch)
        regions = self._regions(picture, faces, watch)
        able = [
            r for r in regions
            if r.to_crop is not None and _side(r.face.box) >= job.scene.min_face_px
        ]  # fmt: skip
        chosen = able[: min(len(job.consents), len(template.slots))]  # largest first
        chosen.sort(key=lambda r: float(r.face.box[0]))
        if not chosen:
            return Outcome(Refused(Reason.NO_FACE))
        bystanders = [r for r in regions if not any(r is c for c in chosen)]
        with watch("copy"):
            buffer = self._pool.lease(template.image.shape[0], template.image.shape[1])
            out = buffer.image
            canvas = self._easel(template.image).canvas(out)
        slots = template.slots[: len(chosen)]
        with watch("swap"):
            _, vectors = picture.embed(self._stages.embedder, [_sure(r.to_crop) for r in chosen])
            latents = [self._stages.swapper.latent(v) for v in vectors]
            targets = np.stack([s.target for s in slots])
            swapped = self._stages.swapper(targets, np.stack(latents))
        with watch("paste"):
            rects = canvas.paste(swapped, [s.to_swap for s in slots], self._stages.swap_mask)
        placed = [Face(s.box, 1.0, s.landmarks, frozenset()) for s in slots]
        restored = self._restore(canvas, placed, job.scene, watch)
        rects = [_hull(a, b) for a, b in zip(rects, restored, strict=True)] if restored else rects
        with watch("copy"):
            canvas.finish()
        with watch("guard"):
            used = [
                Slot(s.box, s.to_guard, rect, _embedding(r))
                for s, rect, r in zip(slots, rects, chosen, strict=True)
            ]
            look = partial(search, detectors=self._stages.detectors, effort=effort)
            others = [r.face.embedding for r in bystanders if r.face.embedding is not None]
            ruling = self._guard.portrait(
                out,
                template.image,
                used,
                template_boxes=template.boxes,
                bystanders=others,
                search=look,
            )
        notes = tuple(
            FaceNote(box_px=_box_px(s.box, out), action="slot", slot=number, consent=consent)
            for number, (s, consent) in enumerate(zip(slots, job.consents, strict=False))
        )
        return Outcome(
            ruling,
            buffer,
            faces=notes,
            guard=self._note([], len(faces), ruling, effort, shape=frame.shape, swapped=len(notes)),
            bystanders=len(bystanders),
        )

    # -- shared -----------------------------------------------------------------------

    def _to_swap(self, faces: Sequence[Face]) -> list[Matrix | None]:
        swapper = self._stages.swapper
        return matrices([f.landmarks for f in faces], swapper.template_name, swapper.size_px)

    def _restore(
        self, canvas: Canvas, faces: Sequence[Face], scene: Scene, watch: Watch
    ) -> list[Rect]:
        """Restore faces of the outgoing picture, in place; what was touched."""
        restorer, mask = self._stages.restorer, self._stages.restore_mask
        if restorer is None or mask is None or not scene.restore or not faces:
            return []
        with watch("restore"):
            to_crop = [
                _sure(m)
                for m in matrices(
                    [f.landmarks for f in faces], restorer.template_name, restorer.size_px
                )
            ]
            restored = canvas.restore(restorer, to_crop, scene.restore_strength)
        with watch("paste"):
            return canvas.paste(restored, to_crop, mask)

    def _note(
        self,
        regions: Sequence[Region],
        faces_in: int,
        ruling: Passed | Refused,
        effort: Effort,
        *,
        shape: tuple[int, ...],
        swapped: int | None = None,
    ) -> GuardNote:
        count = sum(r.action == "swapped" for r in regions) if swapped is None else swapped
        return GuardNote(
            families=tuple(d.family for d in self._stages.detectors),
            looks=2 * effort.looks(len(self._stages.detectors), shape),
            faces_in=faces_in,
            swapped=count,
            filled=sum(r.action == "filled" for r in regions),
            refilled=ruling.refilled if isinstance(ruling, Passed) else 0,
            verified_by=self._stages.recogniser_id,
        )


def _side(box: Floats) -> float:
    """Shorter side of a box, px."""
    return float(min(box[2] - box[0], box[3] - box[1]))


def _sure(matrix: Matrix | None) -> Matrix:
    """A matrix that an earlier check found possible."""
    if matrix is None:
        msg = "degenerate landmarks got past the check"
        raise RuntimeError(msg)
    return matrix


def _embedding(region: Region) -> Embedding:
    if region.face.embedding is None:
        msg = "a chosen visitor has no embedding"
        raise RuntimeError(msg)
    return region.face.embedding


def _lost_face(box: Floats) -> Face:
    """A face that is remembered but not seen: a box to fill."""
    return Face(grow(box, LOST_MARGIN), 0.0, np.zeros((5, 2), np.float32), frozenset())


def _hull(a: Rect, b: Rect) -> Rect:
    """The smallest rectangle around two."""
    if b[0] >= b[2]:
        return a
    if a[0] >= a[2]:
        return b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _box_px(box: Floats, out: Image) -> tuple[int, int, int, int]:
    """A face's box in whole pixels of the picture."""
    height, width = out.shape[:2]
    limit = np.array([width, height, width, height], np.float32)
    x1, y1, x2, y2 = (int(v) for v in np.clip(np.rint(box), 0, limit))
    return x1, y1, x2, y2


def _disguise_note(region: Region, out: Image) -> FaceNote:
    action = "swapped" if region.action == "swapped" else "filled"
    box = _box_px(region.face.box, out)
    return FaceNote(box_px=box, action=action, identity=region.identity)  # type: ignore[arg-type]
