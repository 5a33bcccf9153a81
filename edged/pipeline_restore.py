"""Restores the swapped faces of the outgoing picture: which, how much, and by what.

Knows canvases and scenes; the pixels are :mod:`edged.stages.retouch`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edged.faces import Face, Touch
from edged.pipeline_parts import Job, Watch
from edged.pipeline_studio import Studio, side, sure
from edged.privacy.guard import Rect
from edged.stages.align import matrices
from edged.stages.drift import Drift
from edged.stages.easel import Canvas, Crops
from edged.stages.kept import Memory
from edged.stages.layers import Layer, of_rows
from edged.stages.retouch import Retoucher, Wish

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
        drift = Drift(studio.stages.recogniser, restorer.template_name)
        retoucher = Retoucher(restorer, drift)
        keys = [(job.scene_name, face.track_id) for face in chosen]
        made: Crops
        if (touches := retoucher.as_before(wish, memory, keys)) is not None:
            made = canvas.restore(restorer, to_crop, wish.strength)  # crops stay where they are
        else:
            crops = canvas.cut(to_crop, restorer.size_px)
            made, touches = retoucher(crops, wish, memory, keys)
    for face, touch in zip(chosen, touches, strict=True):
        face.touch = touch
    shown = [i for i, touch in enumerate(touches) if touch.strength > 0]
    if not shown:
        return rects
    with watch("paste"):
        if len(shown) < len(rows):
            made, to_crop = np.asarray(made)[shown], [to_crop[i] for i in shown]
        places = [rows[i] for i in shown]
        mask = studio.restore_mask(mask, restorer, scene)
        pasted = canvas.paste(made, to_crop, mask, of_rows(layers, places))
    for row, rect in zip(places, pasted, strict=True):
        rects[row] = rect
    return rects


def _wish(job: Job) -> Wish:
    """What a scene asks for; a frame that is published waits for nobody's turn."""
    scene = job.scene
    return Wish(
        scene.restore_strength, scene.restore_every_n, scene.max_identity_drift, at_once=job.whole
    )
