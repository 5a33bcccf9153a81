"""What both kinds of scene need of one frame: look, cut out, restore, note.

A :class:`Studio` holds what every frame is worked on with; it keeps nothing of a frame.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

import numpy as np

from edged.cast import Template
from edged.faces import Face, Floats, Image, Touch
from edged.geometry import Matrix
from edged.pipeline.masks import face_layers, shape_mask
from edged.pipeline.parts import Job, Stages, Watch
from edged.pipeline.vetting import Vetting
from edged.privacy.buffers import OutgoingPool
from edged.privacy.guard import Guard, Passed, Refused, Region
from edged.scene import GuardSettings, Scene
from edged.stages.align import matrices
from edged.stages.easel import Easel, HostPicture, Picture
from edged.stages.embed import SIZE_PX
from edged.stages.layers import Layer, of_rows
from edged.stages.paste import Mask, sized
from edged.stages.restore import Restorer
from edged.stages.swap import Swapper
from edged.stages.views import Effort
from edged.transport.wire import GuardNote

DIAGONALS_DEG = (-45.0, 45.0, 135.0, -135.0)
"""Half-way between quarter turns, where upright detectors miss one face in twenty (seen at
2 of 39), and none where they are shown the picture so.  The first two are of upright heads."""


@dataclass(frozen=True, repr=False, eq=False)
class Studio:
    """The tools of one thread.

    Attributes:
        stages: loaded networks.
        guard: the checks.
        settings: how hard the guard looks.
        pool: outgoing buffers.
        easel: where frames are worked on: host memory or a device.
        vetting: what must not be worked on.
        host_scenes: names of scenes that are made in host memory all the same.
        template_layers: what of each slot's face may be changed, by scene name; made once.
    """

    stages: Stages
    guard: Guard
    settings: GuardSettings
    pool: OutgoingPool
    easel: Easel
    vetting: Vetting
    host_scenes: Container[str] = ()
    template_layers: dict[str, list[Layer]] = field(default_factory=dict)

    def put_up(self, image: Image, job: Job) -> Picture:
        """A frame or template, where its scene is worked on."""
        return (HostPicture if job.scene_name in self.host_scenes else self.easel)(image)

    def look(self, picture: Picture, effort: Effort, watch: Watch) -> list[Face]:
        """Search a picture, with the primary look timed apart from the guard's further ones."""
        detectors = self.stages.detectors
        if effort.looks(len(detectors)) == 1:
            with watch("detect"):
                return picture.search(detectors, effort)
        with watch("search"):
            return picture.search(detectors, effort)

    def shot_effort(self, *, tiles: bool) -> Effort:
        """See :func:`shot_effort`."""
        return shot_effort(self.settings, tiles=tiles)

    def regions(self, picture: Picture, faces: list[Face], watch: Watch) -> list[Region]:
        """A region for each face, with crop and embedding of the input."""
        with watch("embed"):
            to_crop = matrices([f.landmarks for f in faces], "arcface_112", SIZE_PX)
            usable = [i for i, m in enumerate(to_crop) if m is not None]
            before, vectors = picture.embed(
                self.stages.recogniser, [m for m in to_crop if m is not None]
            )
        regions = [Region(face, matrix) for face, matrix in zip(faces, to_crop, strict=True)]
        for row, index in enumerate(usable):
            regions[index].before = before[row]
            faces[index].embedding = vectors[row]
        return regions

    def cut(self, picture: Picture, faces: list[Face], watch: Watch) -> list[Region]:
        """A region for each face, with the crop of the input and no embedding yet."""
        with watch("embed"):
            to_crop = matrices([f.landmarks for f in faces], "arcface_112", SIZE_PX)
            regions = [Region(face, matrix) for face, matrix in zip(faces, to_crop, strict=True)]
            usable = [region for region in regions if region.to_crop is not None]
            before = picture.cut([sure(region.to_crop) for region in usable])
        for region, crop in zip(usable, before, strict=True):
            region.before = crop
        return regions

    def embed(self, regions: Sequence[Region], watch: Watch) -> None:
        """Let the guard's recogniser look at regions that have their crops."""
        with watch("embed"):
            crops = [region.before for region in regions if region.before is not None]
            vectors = self.stages.recogniser(np.stack(crops))
        for region, vector in zip(regions, vectors, strict=True):
            region.face.embedding = vector

    def swapper(self, scene: Scene) -> Swapper:
        """The swapper, with crops as large as a scene asks for."""
        swapper = self.stages.swapper
        return swapper.boosted(scene.pixel_boost_px) if scene.pixel_boost_px else swapper

    def to_swap(self, swapper: Swapper, faces: Sequence[Face]) -> list[Matrix | None]:
        """Frame -> swapper's crop for each face; None where landmarks are degenerate."""
        return matrices([f.pasted_by for f in faces], swapper.template_name, swapper.size_px)

    def layers(
        self, image: Image, faces: Sequence[Face], scene: Scene, watch: Watch
    ) -> list[Layer]:
        """What of each face may be changed, as far as the scene asks."""
        if not scene.mask.looks or not faces:
            return []
        with watch("mask"):
            return face_layers(self.stages, image, faces, scene)

    def slot_layers(self, template: Template, count: int, job: Job, watch: Watch) -> list[Layer]:
        """The same of the first slots of a template, which is looked at once."""
        if job.scene_name not in self.template_layers:
            faces = [Face(s.box, 1.0, s.landmarks, frozenset()) for s in template.slots]
            found = self.layers(template.image, faces, job.scene, watch)
            self.template_layers[job.scene_name] = found
        return of_rows(self.template_layers[job.scene_name], range(count))

    def swap_mask(self, swapper: Swapper, scene: Scene) -> Mask:
        """The outline of a swap's paste."""
        own = sized(self.stages.swap_mask, swapper.size_px)
        return shape_mask(scene, own, swapper.template_name, swapper.size_px)

    def restore_mask(self, own: Mask, restorer: Restorer, scene: Scene) -> Mask:
        """The outline of a restorer's paste."""
        return shape_mask(scene, own, restorer.template_name, restorer.size_px)

    def note(
        self,
        regions: Sequence[Region],
        faces_in: int,
        ruling: Passed | Refused,
        effort: Effort,
        *,
        shape: tuple[int, ...],
        embedded: int,
        swapped: int | None = None,
    ) -> GuardNote:
        """What the result says of the guard; `swapped` where regions do not tell it."""
        count = sum(r.action == "swapped" for r in regions) if swapped is None else swapped
        return GuardNote(
            families=tuple(d.family for d in self.stages.detectors),
            looks=2 * effort.looks(len(self.stages.detectors), shape),
            faces_in=faces_in,
            swapped=count,
            filled=sum(r.action == "filled" for r in regions),
            refilled=ruling.refilled if isinstance(ruling, Passed) else 0,
            verified_by=self.stages.recogniser_id,
            embedded=embedded,
        )


def shot_effort(settings: GuardSettings, *, tiles: bool) -> Effort:
    """All that there is: detectors, sizes and turns, and a close look at each face."""
    turned = len(settings.rotations_deg) > 1
    return Effort(
        settings.sizes_px,
        tuple(d // 90 for d in settings.rotations_deg),
        tiles=tiles,
        diagonals=DIAGONALS_DEG if turned else (),
        close_px=min(settings.sizes_px),
        doubtful=settings.fill_doubtful,
        every=True,
    )


def fits(face: Face, scene: Scene) -> bool:
    """Whether a face is one that the scene is about; every other one is filled or left out."""
    size = side(face.box)
    within = scene.min_face_px <= size and (not scene.max_face_px or size <= scene.max_face_px)
    return within and not face.doubtful and face.score >= scene.det_thresh


def side(box: Floats) -> float:
    """Shorter side of a box, px."""
    return float(min(box[2] - box[0], box[3] - box[1]))


def boxes_of(regions: Sequence[Region]) -> Floats:
    """(n, 4) px."""
    return np.array([r.face.box for r in regions], np.float32).reshape(-1, 4)


def sure(matrix: Matrix | None) -> Matrix:
    """A matrix that an earlier check found possible."""
    if matrix is None:
        msg = "degenerate landmarks got past the check"
        raise RuntimeError(msg)
    return matrix


def touches_of(faces: Sequence[Face]) -> tuple[Touch, ...]:
    """What restoring did to those that it was asked for."""
    return tuple(face.touch for face in faces if face.touch is not None)


def strength_of(touch: Touch | None) -> float:
    """For a result: how much of a face is restored."""
    return round(touch.strength, 3) if touch else 0.0


def drift_of(touch: Touch | None) -> float | None:
    """For a result: the drift of a face, where it was measured."""
    return round(touch.drift, 3) if touch and touch.drift is not None else None


def box_px(box: Floats, out: Image) -> tuple[int, int, int, int]:
    """A face's box in whole pixels of the picture."""
    height, width = out.shape[:2]
    limit = np.array([width, height, width, height], np.float32)
    x1, y1, x2, y2 = (int(v) for v in np.clip(np.rint(box), 0, limit))
    return x1, y1, x2, y2
