"""Restores the swapped faces of the outgoing picture: which, how much, and by what.

Knows canvases and scenes; the pixels are :mod:`edged.stages.retouch`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edged.faces import Face, Touch
from edged.geometry import Matrix, eyes_apart_px, scale_of
from edged.pipeline.parts import Job, Watch
from edged.pipeline.studio import Studio, side, sure
from edged.privacy.guard import Rect
from edged.stages.align import matrices
from edged.stages.drift import Drift
from edged.stages.easel import Canvas, Crops
from edged.stages.kept import Memory, detail_of
from edged.stages.layers import Layer, of_rows
from edged.stages.restore import Restorer
from edged.stages.retouch import Retoucher, Wish
from edged.stages.swap import Swapper

FINER_BELOW = 0.8
"""Crop px per picture px from which on a restored crop loses next to nothing that a face had."""

NOWHERE: Rect = (0, 0, 0, 0)


def restore(
    studio: Studio,
    canvas: Canvas,
    faces: Sequence[Face],
    job: Job,
    watch: Watch,
    *,
    memory: Memory | None = None,
    layers: Sequence[Layer] = (),
) -> list[Rect]:
    """Restore faces of a canvas, in place.

    Args:
        studio: the tools.
        canvas: with the swapped faces in it.
        faces: where; their `touch` is set.
        job: what the scene asks for.
        watch: times the stages.
        memory: of the camera's stream, or None for a picture of its own.
        layers: what of each face may be changed.

    Returns:
        The rectangle that was touched of each face, empty where nothing was.
    """
    restorer, mask, scene = studio.stages.restorer, studio.stages.restore_mask, job.scene
    rects = [NOWHERE] * len(faces)
    if restorer is None or mask is None or not scene.restore or scene.restore_strength <= 0:
        return rects
    rows = [i for i, face in enumerate(faces) if side(face.box) >= scene.restore_min_face_px]
    for face in faces:
        face.touch = Touch("small")
    if not rows:
        return rects
    wish, chosen = _wish(job), [faces[row] for row in rows]
    with watch("restore"):
        landmarks = [face.pasted_by for face in chosen]
        to_crop = [sure(m) for m in matrices(landmarks, restorer.template_name, restorer.size_px)]
        fine = _fine(studio.swapper(scene), restorer, to_crop)
        retoucher = Retoucher(restorer, Drift(studio.stages.recogniser, restorer.template_name))
        keys = [(job.scene_name, face.track_id) for face in chosen]
        made: Crops
        touches = None if fine else retoucher.as_before(wish, memory, keys)
        if touches is not None:
            made = canvas.restore(restorer, to_crop, wish.strength)  # crops stay where they are
        else:
            crops = canvas.cut(to_crop, restorer.size_px)
            made, touches = retoucher(crops, wish, memory, keys)
    for face, touch in zip(chosen, touches, strict=True):
        face.touch = touch
    mask = studio.restore_mask(mask, restorer, scene)
    shown = [i for i, touch in enumerate(touches) if touch.strength > 0]
    with watch("paste"):
        if len(shown) == len(rows) and not fine:
            pasted = canvas.paste(made, to_crop, mask, of_rows(layers, rows))
        else:
            pasted = []
            for i in shown:
                one, where, own = np.asarray(made)[[i]], [to_crop[i]], of_rows(layers, [rows[i]])
                if i in fine:
                    pasted += canvas.add(detail_of(one[0], crops[i])[None], where, mask, own)
                else:
                    pasted += canvas.paste(one, where, mask, own)
    for i, rect in zip(shown, pasted, strict=True):
        rects[rows[i]] = rect
    return rects


def _wish(job: Job) -> Wish:
    """What a scene asks for; a frame that is published waits for nobody's turn."""
    scene = job.scene
    return Wish(
        scene.restore_strength, scene.restore_every_n, scene.max_identity_drift, at_once=job.whole
    )


def _fine(swapper: Swapper, restorer: Restorer, to_crop: Sequence[Matrix]) -> frozenset[int]:
    """Which faces show more than the restorer's crops hold: large ones of a boosted swap."""
    swapped = eyes_apart_px(swapper.template_name, swapper.size_px)
    if swapped <= eyes_apart_px(restorer.template_name, restorer.size_px):
        return frozenset()
    return frozenset(i for i, matrix in enumerate(to_crop) if scale_of(matrix) < FINER_BELOW)
