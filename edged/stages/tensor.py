"""Pictures to tensors and back, in buffers that are kept.

Same-depth OpenCV calls and numpy ufuncs with `out=` only: mixed-depth OpenCV arithmetic is
several times slower.  Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edged.errors import EngineError
from edged.faces import Floats, Image


@dataclass(repr=False)
class TensorBuffer:
    """A padded input tensor that is filled again for every picture.

    One instance serves one session and thus one thread.

    Attributes:
        mean, scale: tensor = (pixel - mean) * scale.
        rgb: channel order of the network; the picture is BGR.
    """

    mean: float
    scale: float
    rgb: bool
    _tensors: dict[int, Floats] = field(default_factory=dict)
    _planes: dict[tuple[int, int], Image] = field(default_factory=dict)
    _live: dict[int, tuple[int, int]] = field(default_factory=dict)

    def fill(self, picture: Image, side: int) -> Floats:
        """(h, w, 3) uint8 BGR -> [1, 3, side, side] float32, black beyond the picture.

        Returns:
            The kept tensor; valid until the next call with this side.
        """
        height, width = picture.shape[:2]
        tensor = self._tensors.get(side)
        if tensor is None:
            tensor = self._tensors[side] = np.empty((1, 3, side, side), np.float32)
        if self._live.get(side) != (height, width):
            tensor[...] = np.float32((0.0 - self.mean) * self.scale)
            self._live[side] = (height, width)
        planes = self._planes.get((height, width))
        if planes is None:
            if len(self._planes) > 32:  # odd picture sizes must not pile up
                self._planes.clear()
            planes = self._planes[height, width] = np.empty((3, height, width), np.uint8)
        split_into(picture, planes, rgb=self.rgb)
        live = tensor[0, :, :height, :width]
        if self.mean:
            np.subtract(planes, np.float32(self.mean), out=live)
            np.multiply(live, np.float32(self.scale), out=live)
        else:
            np.multiply(planes, np.float32(self.scale), out=live)
        return tensor


def split_into(picture: Image, planes: Image, *, rgb: bool) -> None:
    """(h, w, 3) BGR -> (3, h, w) planes, in place, in RGB or BGR order."""
    order = (2, 1, 0) if rgb else (0, 1, 2)
    cv2.split(picture, [planes[i] for i in order])


def crops_to_tensor(crops: Image, mean: float, scale: float) -> Floats:
    """(n, S, S, 3) uint8 BGR -> [n, 3, S, S] float32 RGB, (x - mean) * scale."""
    count, side = crops.shape[:2]
    planes = np.empty((count, 3, side, side), np.uint8)
    for crop, split in zip(crops, planes, strict=True):
        split_into(crop, split, rgb=True)
    if not mean:
        return np.multiply(planes, np.float32(scale))
    out = np.subtract(planes, np.float32(mean))
    out *= np.float32(scale)
    return out


def tensor_to_crops(
    out: NDArray[np.floating], *, gain: float, offset: float, model_id: str, count: int, side: int
) -> Image:
    """[n, 3, S, S] RGB -> (n, S, S, 3) uint8 BGR: x * gain + offset, rounded and clipped.

    Raises:
        EngineError: wrong shape, or a value that is not finite (FP16 overflow shows here).
    """
    if out.shape != (count, 3, side, side):
        msg = f"model {model_id} gave shape {out.shape}, not {(count, 3, side, side)}"
        raise EngineError(msg)
    crops = np.empty((count, side, side, 3), np.uint8)
    for tensor, crop in zip(out, crops, strict=True):
        flat = np.ascontiguousarray(tensor, np.float32).reshape(3 * side, side)
        if not np.isfinite(float(flat.sum())):
            msg = f"model {model_id} gave values that are not finite"
            raise EngineError(msg)
        bytes8 = cv2.addWeighted(flat, gain, flat, 0.0, offset, dtype=cv2.CV_8U)
        planes = bytes8.reshape(3, side, side)
        cv2.merge([planes[2], planes[1], planes[0]], dst=crop)
    return crops
