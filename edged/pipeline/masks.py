"""What of each face a scene changes, and in whose colours: the masks and colours of one frame.

Networks look at the untouched picture, once for all faces and both pastes.  Nothing is
looked at, cut or allocated for a scene that asks for none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edged.faces import Face, Image, Points
from edged.geometry import Matrix
from edged.pipeline.parts import Stages
from edged.scene import Scene
from edged.stages import mouth
from edged.stages.align import fine_crops, matrices
from edged.stages.colour import recoloured
from edged.stages.easel import Crops
from edged.stages.face_parts import parts_of
from edged.stages.landmarks import Landmarker
from edged.stages.layers import Layer, resized, through
from edged.stages.paste import Mask, box_mask, oval_mask
from edged.stages.segment import SOFT_PX, regions_mask


def shape_mask(scene: Scene, own: Mask, template_name: str, size_px: int) -> Mask:
    """The outline of a paste, the same for all faces; made once.

    Args:
        scene: says which.
        own: of the model.
        template_name: alignment of its crops.
        size_px: side of its crops.
    """
    if scene.mask.shape == "oval":
        return oval_mask(template_name, size_px)
    return box_mask(size_px) if scene.mask.shape == "box" else own


def face_layers(stages: Stages, image: Image, faces: Sequence[Face], scene: Scene) -> list[Layer]:
    """Masks of single faces that a scene asks for; none where it asks for none.

    Args:
        stages: loaded networks.
        image: the untouched picture, (h, w, 3) uint8 BGR.
        faces: with landmarks such that crops can be cut.
        scene: what it becomes.

    Raises:
        EngineError: a network failed.
    """
    asked, layers = scene.mask, []
    landmarks = [face.pasted_by for face in faces]
    if asked.occlusion and stages.occluder is not None:
        occluder = stages.occluder
        cut = _cut(landmarks, occluder.template_name, occluder.size_px)
        free = occluder(fine_crops(image, cut, occluder.size_px))
        layers.append(Layer(free, [resized(m, occluder.size_px, SOFT_PX) for m in cut]))
    parsed: tuple[Image, list[Matrix]] | None = None
    if (asked.regions or asked.keep_mouth) and stages.parser is not None:
        parser = stages.parser
        cut = _cut(landmarks, parser.template_name, parser.size_px)
        parsed = parser(fine_crops(image, cut, parser.size_px)), cut
    if asked.regions and parsed is not None:
        soft = [resized(m, parsed[0].shape[1], SOFT_PX) for m in parsed[1]]
        layers.append(Layer(regions_mask(parsed[0], asked.regions), soft))
    if asked.keep_mouth:
        cut = _cut(landmarks, mouth.TEMPLATE, mouth.SIDE_PX)
        if parsed is not None:
            layers.append(mouth.parsed_mouths(parsed[0], parsed[1], cut))
        elif stages.landmarker is not None:
            dense = _dense(stages.landmarker, image, faces)
            layers.append(mouth.outlines([p[list(parts_of(p).mouth)] for p in dense], cut))
        else:
            layers.append(mouth.mouths(landmarks, cut))
    return layers


def _dense(landmarker: Landmarker, image: Image, faces: Sequence[Face]) -> list[Points]:
    """Dense landmarks; those that a look for blinks has left are used again."""
    known = [face.dense for face in faces if face.dense is not None]
    return known if len(known) == len(faces) else landmarker(image, faces)


@dataclass(frozen=True, repr=False, eq=False)
class Placing:
    """How n crops are put into a picture.

    Attributes:
        to_crop: picture -> crop of each.
        mask: of all of them.
        layers: what of each face may be changed.
    """

    to_crop: Sequence[Matrix]
    mask: Mask
    layers: Sequence[Layer] = ()

    def within(self, masks: Image | None) -> Placing:
        """The same within the masks (n, S, S) that the swapper itself gives, if it does."""
        if masks is None:
            return self
        return replace(self, layers=[*self.layers, Layer(masks, self.to_crop)])

    @property
    def shown(self) -> list[Image]:
        """What of each crop is seen afterwards, (S, S) uint8 each."""
        return [
            through(self.mask, self.layers, row, matrix).alpha
            for row, matrix in enumerate(self.to_crop)
        ]


def in_colour(made: Crops, image: Image, placing: Placing, scene: Scene) -> Crops:
    """Swapped crops in the colours that the scene asks for.

    Args:
        made: n crops; in host memory where the scene asks for any.
        image: what they are pasted into, as it was before.
        placing: how.
        scene: says by which rule.
    """
    if scene.colour == "none":
        return made
    crops_made = np.asarray(made)[: len(placing.to_crop)]
    targets = fine_crops(image, placing.to_crop, crops_made.shape[1])
    return recoloured(scene.colour, crops_made, targets, placing.shown)


def _cut(landmarks: Sequence[Points], template_name: str, size_px: int) -> list[Matrix]:
    """Picture -> crop of each face.

    Raises:
        RuntimeError: landmarks that an earlier check found possible are not.
    """
    found = [m for m in matrices(landmarks, template_name, size_px) if m is not None]
    if len(found) != len(landmarks):
        msg = "degenerate landmarks got past the check"
        raise RuntimeError(msg)
    return found
