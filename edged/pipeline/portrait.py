"""Portrait: visitors become the people of a template picture, under their consent.

No camera pixel is in the output: it begins as the template, and what is put into its
slots is network output.  Whose face may be used is :mod:`edged.privacy.consent`'s word.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from edged.cast import Template
from edged.faces import Embedding, Face, Image, Tensor
from edged.pipeline.masks import Placing, in_colour
from edged.pipeline.parts import Job, Outcome, Watch
from edged.pipeline.restore import restore
from edged.pipeline.studio import (
    Studio,
    box_px,
    boxes_of,
    drift_of,
    fits,
    side,
    strength_of,
    sure,
    touches_of,
)
from edged.pipeline.vetting import barred, life_note
from edged.privacy.consent import cover
from edged.privacy.guard import Rect, Refused, Region, Slot
from edged.scene import Scene
from edged.stages.easel import Picture
from edged.stages.search import search
from edged.stages.swap import Swapper
from edged.transport.wire import FaceNote
from edged.verdicts import Reason


def portrait(studio: Studio, template: Template, frame: Image, job: Job, watch: Watch) -> Outcome:
    """The visitors who consented become the people of a template picture.

    Args:
        studio: the tools.
        template: of the scene.
        frame: (h, w, 3) uint8 BGR; only read.
        job: what to do.
        watch: times the stages.
    """
    if not job.consents:
        return Outcome(Refused(Reason.NO_CONSENT))
    effort = studio.shot_effort(tiles=False)
    with watch("copy"):
        picture = studio.put_up(frame, job)
    faces = studio.look(picture, effort, watch)
    regions = studio.regions(picture, faces, watch)
    able = [r for r in regions if r.to_crop is not None and fits(r.face, job.scene)]
    aside = sum(_person(r.face, job.scene) for r in regions) - len(able)
    covered = cover(boxes_of(able), job.consents, job.scene.surplus_faces, aside)
    if isinstance(covered, Reason):
        return Outcome(Refused(covered), usable=len(able))
    largest = sorted(c.face for c in covered)[: len(template.slots)]
    covered = tuple(c for c in covered if c.face in largest)  # from left to right
    chosen = [able[c.face] for c in covered]
    studio.vetting.look(frame, [r.face for r in chosen], job, watch)
    if any(barred(r.face, job.scene) for r in chosen):
        return Outcome(Refused(Reason.NOT_LIVE))
    bystanders = [r for r in regions if not any(r is c for c in chosen)]
    with watch("copy"):
        buffer = studio.pool.lease(template.image.shape[0], template.image.shape[1])
        out = buffer.image
        canvas = studio.put_up(template.image, job).canvas(out)
    slots = template.slots[: len(chosen)]
    placed = [Face(s.box, 1.0, s.landmarks, frozenset()) for s in slots]
    swapper = studio.swapper(job.scene)
    placing = Placing(
        [s.to_swap for s in slots],
        studio.swap_mask(swapper, job.scene),
        studio.slot_layers(template, len(slots), job, watch),
    )
    with watch("swap"):
        sources = _sources(studio, swapper, picture, frame, chosen)
        swapped = swapper.run(np.stack([s.target for s in slots]), sources)
    with watch("paste"):
        placing = placing.within(swapped.masks)
        coloured = in_colour(swapped.crops, template.image, placing, job.scene)
        rects = canvas.paste(coloured, placing.to_crop, placing.mask, placing.layers)
    restored = restore(studio, canvas, placed, job, watch, layers=placing.layers)
    rects = [_hull(a, b) for a, b in zip(rects, restored, strict=True)]
    with watch("copy"):
        canvas.finish()
    with watch("guard"):
        used = [
            Slot(s.box, s.to_guard, rect, _embedding(r))
            for s, rect, r in zip(slots, rects, chosen, strict=True)
        ]
        look = partial(search, detectors=studio.stages.detectors, effort=effort)
        others = [r.face.embedding for r in bystanders if r.face.embedding is not None]
        ruling = studio.guard.portrait(
            out,
            template.image,
            used,
            template_boxes=template.boxes,
            bystanders=others,
            search=look,
        )
    notes = tuple(
        FaceNote(
            box_px=box_px(face.box, out),
            action="slot",
            slot=number,
            consent=c.ref,
            restored=strength_of(face.touch),
            identity_drift=drift_of(face.touch),
            **life_note(r.face),
        )
        for number, (face, c, r) in enumerate(zip(placed, covered, chosen, strict=True))
    )
    return Outcome(
        ruling,
        buffer,
        faces=notes,
        guard=studio.note(
            [],
            len(faces),
            ruling,
            effort,
            shape=frame.shape,
            embedded=sum(r.before is not None for r in regions),
            swapped=len(notes),
        ),
        bystanders=len(bystanders),
        touches=touches_of(placed),
    )


def _sources(
    studio: Studio, swapper: Swapper, picture: Picture, frame: Image, chosen: Sequence[Region]
) -> Tensor:
    """What the swapper knows the chosen visitors by, one row each."""
    if swapper.picture is not None:
        return np.stack([swapper.picture(frame, r.face.landmarks) for r in chosen])
    embedder = studio.stages.embedder
    embedder = embedder.as_given if swapper.takes_raw else embedder
    _, vectors = picture.embed(embedder, [sure(r.to_crop) for r in chosen])
    return np.stack([swapper.latent(v) for v in vectors])


def _person(face: Face, scene: Scene) -> bool:
    """Whether a face is somebody before the camera, usable or not: no doubtful or far one."""
    sure_of = not face.doubtful and face.score >= scene.det_thresh
    return sure_of and side(face.box) >= scene.min_face_px


def _embedding(region: Region) -> Embedding:
    if region.face.embedding is None:
        msg = "a chosen visitor has no embedding"
        raise RuntimeError(msg)
    return region.face.embedding


def _hull(a: Rect, b: Rect) -> Rect:
    """The smallest rectangle around two."""
    if b[0] >= b[2]:
        return a
    if a[0] >= a[2]:
        return b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])
