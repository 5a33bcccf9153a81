"""A pipeline whose networks are scripts: real crops, pastes and guard, no models."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from faces_kit import ASTRONAUT_POINTS, E0, E1, align, stranger
from photos import astronaut

from edged.calibration import Bounds
from edged.cast import Character, Template, TemplateSlot
from edged.faces import Detections, Face
from edged.geometry import apply, similarity, template
from edged.pipeline.parts import Job, Stages
from edged.pipeline.pipeline import Pipeline
from edged.privacy.buffers import OutgoingPool
from edged.privacy.guard import Guard
from edged.runtime.session import Meter
from edged.scene import GuardSettings, Scene
from edged.stages.align import matrices
from edged.stages.easel import HostPicture
from edged.stages.paste import oval_mask
from edged.stages.spots import spot_of
from edged.stages.swap import Swapped
from edged.transport.wire import ConsentEntry

SIDE = 512
LEFT, RIGHT = 0, 256
"""Where the two people of :func:`frame` begin, px."""

BOUNDS = Bounds(0.42, 0.58, 0.15)
GREY = (96, 96, 96)
SETTINGS = GuardSettings(
    sizes_px=(SIDE,), stream_sizes_px=(SIDE,), rotations_deg=(0,), full_look_every_n=4, hold_ms=700
)
HIDE = Scene(mode="disguise", identities=("actor", "other"), restore=False)


def frame(people=(LEFT, RIGHT)):
    """Up to two people side by side, (256, 512, 3); grey where nobody is."""
    image = np.full((256, SIDE, 3), 128, np.uint8)
    for at in people:
        image[:, at : at + 256] = astronaut()[:256, 100:356]
    return image


def landmarks(at):
    return np.array(ASTRONAUT_POINTS, np.float32) + np.array([at - 100, 0], np.float32)


def box(at, grow=0.0):
    return np.array([at + 80 - grow, 60 - grow, at + 172 + grow, 180 + grow], np.float32)


def found(*places, family="scrfd", points=None, boxes=None):
    """What a detector answers for people at these places."""
    return Detections(
        np.array([box(at) for at in places] if boxes is None else boxes, np.float32).reshape(-1, 4),
        np.full(len(places), 0.9, np.float32),
        np.array([landmarks(at) for at in places] if points is None else points,
                 np.float32).reshape(-1, 5, 2),
        family,
    )  # fmt: skip


def close_up(side, family="scrfd"):
    """What a detector answers to a close look at one of them."""
    faces = found(LEFT)
    spot = spot_of(Face(faces.boxes[0], 0.9, faces.landmarks[0], frozenset()))
    marks = apply(spot.to_view(side), faces.landmarks[0])
    ends = apply(spot.to_view(side), faces.boxes[0].reshape(2, 2))
    seen = np.concatenate([ends.min(axis=0), ends.max(axis=0)])
    return Detections(seen[None].astype(np.float32), np.float32([0.9]), marks[None], family)


class Eyes:
    """A detector that answers from a script, look by look; the last answer stays."""

    def __init__(self, *answers, family="scrfd"):
        self.answers, self.family, self.looks = list(answers), family, 0

    def __call__(self, _picture, _side):
        self.looks += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Surely:
    """Sees people at these places, and one in every close look, which is a square."""

    def __init__(self, *places, family="scrfd"):
        self.places, self.family, self.looks = places, family, 0

    def __call__(self, picture, side):
        if picture.shape[0] == picture.shape[1]:
            return close_up(side, self.family)
        self.looks += 1
        return found(*self.places, family=self.family)


class Recogniser:
    """Knows the stranger that the swapper makes from everybody else."""

    width = 3

    def __init__(self, error=None):
        self.error = error

    def __call__(self, crops):
        if self.error:
            raise self.error
        made = _core(stranger()[:112, 8:120])
        near = [max(_core(c) @ made, _core(c[:, ::-1]) @ made) > 0.6 for c in crops]
        return np.stack([E1 if n else E0 for n in near]) if near else np.zeros((0, 3), np.float32)


def _core(crop):
    """Eyes to mouth as a vector of length one, without the mean."""
    core = crop[40:100, 30:80].astype(float).ravel()
    core -= core.mean()
    return core / max(1.0, np.linalg.norm(core))


class Swapper:
    """Makes the stranger of every face; writes down whose latent it was given."""

    template_name, size_px = "arcface_128", 128
    picture, takes_raw = None, False

    def __init__(self, change=None, error=None):
        self.change, self.error, self.latents = change, error, []

    def latent(self, vector):
        return vector

    def run(self, targets, latents):
        if self.error:
            raise self.error
        self.latents += [tuple(v) for v in latents]
        made = [stranger() if self.change is None else self.change(t) for t in targets]
        return Swapped(np.stack(made).astype(np.uint8))


class Restorer:
    """Brightens nothing, counts."""

    template_name, size_px = "ffhq_512", 512

    def __init__(self):
        self.crops = 0

    def __call__(self, crops, _strength):
        self.crops += len(crops)
        return crops


class Pool(OutgoingPool):
    """Counts leases and returns."""

    leased = returned = 0

    def lease(self, height, width):
        self.leased += 1
        return super().lease(height, width)

    def take_back(self, memory, last):
        self.returned += 1
        super().take_back(memory, last)


def make(
    *eyes, swapper=None, recogniser=None, restorer=None, bounds=BOUNDS,
    settings=SETTINGS, templates=None, easel=HostPicture, host_scenes=(),
    occluder=None, parser=None, vetting=None,
):  # fmt: skip
    """(pipeline, its pool)."""
    recogniser = recogniser or Recogniser()
    stages = Stages(
        detectors=eyes,
        embedder=recogniser,
        swapper=swapper or Swapper(),
        swap_mask=oval_mask("arcface_128", 128),
        restorer=restorer,
        restore_mask=oval_mask("ffhq_512", 512) if restorer else None,
        recogniser=recogniser,
        recogniser_id="fake",
        meter=Meter(),
        occluder=occluder,
        parser=parser,
        **(vetting or {}),
    )
    guard = Guard(
        align=align,
        alignment_of=lambda p: matrices([p], "arcface_112", 112)[0],
        recognise=recogniser,
        bounds=bounds,
    )
    pool = Pool()
    characters = {name: Character(name, vector) for name, vector in (("actor", E0), ("other", E1))}
    pipeline = Pipeline(
        stages, guard, settings, characters=characters, templates=templates or {}, pool=pool,
        easel=easel, host_scenes=host_scenes,
    )  # fmt: skip
    return pipeline, pool


def shot(scene=HIDE, consents=(), **more):
    """A job; consents are references or entries."""
    more["consents"] = tuple(ConsentEntry(c) if isinstance(c, str) else c for c in consents)
    return Job("booth", "scene", scene, whole=True, **more)


def stream(now_ms, scene=HIDE, **more):
    more = {"whole": False, **more}
    return Job("booth", "scene", scene, now_ms=now_ms, stream=True, **more)


def with_scene(**changes):
    import msgspec

    return msgspec.structs.replace(HIDE, **changes)


def poster(slots=(LEFT, RIGHT)):
    """A template picture that is turned round, so that it is no camera frame."""
    image = np.ascontiguousarray(255 - frame()) // 2
    places = []
    for at in slots:
        to_swap = similarity(landmarks(at), template("arcface_128", 128))
        target = cv2.warpAffine(image, to_swap, (128, 128))
        to_guard = similarity(landmarks(at), template("arcface_112", 112))
        places.append(TemplateSlot(box(at), to_swap, target, to_guard, landmarks(at)))
    return Template(image, tuple(places), np.stack([box(at) for at in slots]))


def is_filled(image, at):
    x1, y1, x2, y2 = (int(v) for v in box(at))
    return bool((image[y1:y2, x1:x2] == GREY).all())


__all__ = [
    "GREY", "HIDE", "LEFT", "RIGHT", "SETTINGS", "SIDE", "Eyes", "Recogniser", "Restorer",
    "Surely", "Swapper", "box", "close_up", "found", "frame", "is_filled", "landmarks", "make",
    "poster", "replace", "shot", "stream", "with_scene",
]  # fmt: skip
