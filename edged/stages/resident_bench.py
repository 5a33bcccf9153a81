"""What works on frames on a device: the sessions of the picture graphs, and which networks join.

Knows crops, buckets and masks; knows no stage's network from the inside and no runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edged.faces import Image
from edged.geometry import Matrix
from edged.runtime.graph.picture import BUCKETS, LARGEST_PX
from edged.runtime.session import DeviceArray, Session
from edged.stages.embed import Embedder
from edged.stages.paste import Mask
from edged.stages.restore import Restorer
from edged.stages.swap import Swapper
from edged.stages.taps import crop_table

_T = TypeVar("_T", bound=np.generic)

MOST_FACES = BUCKETS[-1]
"""A picture with more faces than one run pastes is made in host memory."""


@dataclass(frozen=True, repr=False, eq=False)
class Bench:
    """What works on one device: entered sessions of the picture graphs.

    Attributes:
        sampler: of `picture.sampler`, upright.
        turned: likewise, for quarter turns to the side.
        cropper: of `picture.cropper`.
        pasters: of `picture.paster`, by faces in a run.
        resident: whether a network, by model id, may be fed on the device now.
        largest_px: side of a frame; a larger one is the host's.
    """

    sampler: Session
    turned: Session
    cropper: Session
    pasters: Mapping[int, Session]
    resident: Callable[[str], bool]
    largest_px: int = LARGEST_PX
    _masks: dict[Mask, DeviceArray] = field(default_factory=dict)

    def takes(self, stage: Embedder | Swapper | Restorer, count: int) -> bool:
        """Whether a network gets so many crops, padded, on the device."""
        fixed = stage.session.inputs[0].shape[0]
        most = min(fixed or MOST_FACES, stage.most or MOST_FACES)
        return self.resident(stage.session.model_id) and bucket(count) <= most

    def cut(self, picture: DeviceArray, to_crop: Sequence[Matrix], size_px: int) -> DeviceArray:
        """N crops, padded to a bucket; valid until the next ones are cut."""
        feeds = {
            "frame": picture,
            "extent": np.array(picture.shape[:2], np.int32),
            "lines": crop_table(to_crop, size_px, bucket(len(to_crop))),
        }
        return self.cropper.run_resident(feeds)[0]

    def down(self, crops: DeviceArray, count: int) -> Image:
        """The first crops, in host memory of their own."""
        return np.array(self.sampler.download(crops)[:count], np.uint8)

    def mask(self, mask: Mask) -> DeviceArray:
        """A mask's alpha on the device, uploaded once."""
        if mask not in self._masks:
            self._masks[mask] = self.sampler.upload(mask.alpha)
        return self._masks[mask]


def bucket(count: int) -> int:
    """The number of faces in a run that takes so many; above the largest the number itself."""
    return next((size for size in BUCKETS if size >= count), count)


def padded(rows: NDArray[_T], count: int) -> NDArray[_T]:
    """So many rows, the last one repeated."""
    return np.concatenate([rows, rows[-1:].repeat(count - len(rows), axis=0)])
