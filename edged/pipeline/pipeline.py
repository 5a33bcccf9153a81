"""One frame: search, align, embed, swap, restore, paste, guard.

The two functions :meth:`Pipeline.disguise` and
:func:`edged.pipeline.portrait.portrait` are the product; read them first.  Knows stages,
cast and guard; knows no sockets, no configuration file and no threads (one thread calls it).
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping

import numpy as np

from edged.cast import Character, Template
from edged.faces import Embedding, Face, Floats, Image
from edged.geometry import grow
from edged.pipeline.lookout import eyes
from edged.pipeline.masks import Placing, in_colour
from edged.pipeline.parts import Job, Outcome, Stages, Watch
from edged.pipeline.portrait import portrait
from edged.pipeline.restore import restore
from edged.pipeline.studio import Studio, box_px, drift_of, strength_of, touches_of
from edged.pipeline.vetting import Vetting, barred, life_note
from edged.pipeline.who import Who
from edged.privacy.buffers import OutgoingPool
from edged.privacy.guard import Guard, Passed, Refused, Region, fill_region
from edged.scene import GuardSettings
from edged.stages.easel import Easel, HostPicture
from edged.stages.kept import Memory
from edged.stages.label import Labeller
from edged.transport.wire import FaceNote
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
        wearers: unit vectors of the guard's recogniser of people whom an identity is
            reserved for, by its name.
        pool: outgoing buffers.
        easel: where frames are worked on: host memory or a device.
        host_scenes: names of scenes that are made in host memory all the same.
    """

    def __init__(
        self,
        stages: Stages,
        guard: Guard,
        settings: GuardSettings,
        *,
        characters: Mapping[str, Character],
        templates: Mapping[str, Template],
        wearers: Mapping[str, Embedding] | None = None,
        pool: OutgoingPool | None = None,
        easel: Easel = HostPicture,
        host_scenes: Container[str] = (),
    ) -> None:
        pool = pool or OutgoingPool()
        self._studio = Studio(stages, guard, settings, pool, easel, Vetting(stages), host_scenes)
        self._characters = characters
        self._templates = templates
        self._labeller = Labeller()
        self._who = Who(self._studio, wearers or {})
        self._details: dict[str, Memory] = {}

    def process(self, frame: Image, job: Job) -> Outcome:
        """Turn one frame into a passed picture or a refusal.

        Args:
            frame: (h, w, 3) uint8 BGR; only read.
            job: what to do.

        Any exception refuses the frame; its text stays here, since libraries put shapes
        and values into theirs, and only its type is logged.
        """
        watch = Watch(self._studio.stages.meter)
        try:
            if self._studio.vetting.unfit(frame, job, watch):
                outcome = Outcome(Refused(Reason.CONTENT))
            elif job.scene.mode == "portrait":
                template = self._templates[job.scene_name]
                outcome = portrait(self._studio, template, frame, job, watch)
            else:
                outcome = self.disguise(frame, job, watch)
            self._label(outcome, job, watch)
        except Exception as error:  # noqa: BLE001 - the boundary; see above
            log.error("%s: %s while in %s", job.camera, type(error).__name__, watch.stage)  # noqa: TRY400
            private = watch.stage in {"detect", "search", "track", "embed", "guard"}
            outcome = Outcome(Refused(Reason.GUARD_ERROR if private else Reason.PIPELINE_ERROR))
        outcome.stages_ms, outcome.session_ms = watch.stages_ms, watch.session_ms
        if isinstance(outcome.ruling, Refused) and outcome.buffer is not None:
            outcome.buffer.release()
            outcome.buffer = None
        return outcome

    def deal_again(self, scene_name: str) -> None:
        """Forget who plays whom in a scene; people in front of a camera get new characters."""
        self._who.deal_again(scene_name)

    def _label(self, outcome: Outcome, job: Job, watch: Watch) -> None:
        """Draw the scene's label on a passed picture.

        Last of all, so that no fill of the guard can cover it.  It is opaque and the same
        for every picture: what the guard has passed can be hidden by it, but nothing shown.
        """
        if not job.scene.label or not isinstance(outcome.ruling, Passed):
            return
        boxes = [np.array(face.box_px, np.float32) for face in outcome.faces]
        if job.scene.mode == "portrait":
            boxes = list(self._templates[job.scene_name].boxes)
        with watch("label"):
            self._labeller(outcome.ruling.image, job.scene.label, boxes, job.camera)

    # -- disguise ---------------------------------------------------------------------

    def disguise(self, frame: Image, job: Job, watch: Watch) -> Outcome:
        """Every face becomes a character or a solid fill."""
        scene, studio, details = job.scene, self._studio, self._details_of(job)
        with watch("copy"):
            picture = studio.put_up(frame, job)
        seen = self._who(picture, job, frame.shape, watch)
        if not seen.regions and not seen.lost and not scene.allow_empty:
            return Outcome(Refused(Reason.NO_FACE))
        studio.vetting.look(frame, [region.face for region in seen.regions], job, watch)
        with watch("copy"):
            buffer = studio.pool.lease(frame.shape[0], frame.shape[1])
            out = buffer.image
            canvas = picture.canvas(out)
        swapper = studio.swapper(scene)
        chosen = [
            (region, self._characters[name])
            for region, name in zip(seen.regions, seen.cast, strict=True)
            if name in self._characters and not barred(region.face, scene)
        ]
        matrices = studio.to_swap(swapper, [region.face for region, _ in chosen])
        todo = [
            (region, character, matrix)
            for (region, character), matrix in zip(chosen, matrices, strict=True)
            if matrix is not None
        ]
        if todo:
            to_crop = [matrix for _, _, matrix in todo]
            faces = [region.face for region, _, _ in todo]
            placing = Placing(
                to_crop, studio.swap_mask(swapper, scene), studio.layers(frame, faces, scene, watch)
            )
            with watch("swap"):
                swapped = canvas.swap(swapper, to_crop, np.stack([c.source for _, c, _ in todo]))
            with watch("paste"):
                placing = placing.within(swapped.masks)
                coloured = in_colour(swapped.crops, frame, placing, scene)
                canvas.paste(coloured, to_crop, placing.mask, placing.layers)
            restore(
                studio, canvas, faces, job, watch,
                memory=details, layers=placing.layers,
            )  # fmt: skip
            for region, character, _ in todo:
                region.action, region.identity = "swapped", character.name
                region.mouth_kept = scene.mask.keep_mouth
        with watch("copy"):
            canvas.finish()
        regions = seen.regions + [Region(_lost_face(box)) for box in seen.lost]
        for region in regions:
            if region.action == "filled":
                fill_region(out, region, scene.fill_bgr)
        with watch("guard"):
            # The guard is shown the bytes that would leave, in the memory that they would
            # leave from, whatever made them: a fault on the device or on the way down must
            # not pass.  Its looks at them are uploads of their own, small ones, worth that.
            look = eyes(studio.stages.detectors, seen.effort, frame.shape)
            ruling = studio.guard.disguise(out, regions, look, scene.fill_bgr, frame=frame)
        return Outcome(
            ruling,
            buffer,
            faces=tuple(_disguise_note(r, out) for r in regions),
            guard=studio.note(
                regions,
                len(seen.regions),
                ruling,
                seen.effort,
                shape=frame.shape,
                embedded=seen.embedded,
            ),
            touches=touches_of([region.face for region in seen.regions]),
        )

    def _details_of(self, job: Job) -> Memory | None:
        """What restoring added to the faces of a stream, which forgets those that are gone.

        A shot has no frames before it.
        """
        if not job.tracked:
            return None
        memory = self._details.setdefault(job.camera, Memory())
        memory.next_frame()
        return memory


def _lost_face(box: Floats) -> Face:
    """A face that is remembered but not seen: a box to fill."""
    return Face(grow(box, LOST_MARGIN), 0.0, np.zeros((5, 2), np.float32), frozenset())


def _disguise_note(region: Region, out: Image) -> FaceNote:
    action = "swapped" if region.action == "swapped" else "filled"
    box = box_px(region.face.box, out)
    touch = region.face.touch if action == "swapped" else None
    return FaceNote(
        box_px=box,
        action=action,  # type: ignore[arg-type]
        identity=region.identity,
        restored=strength_of(touch),
        identity_drift=drift_of(touch),
        **life_note(region.face),
    )
