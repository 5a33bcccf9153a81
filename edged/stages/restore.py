"""Restore: the contract that GFPGAN, CodeFormer, RestoreFormer++ and GPEN share.

Input: rank 4 [n, 3, S, S] RGB (x / 255 - 0.5) / 0.5; CodeFormer's fidelity is a second
input of rank 0 or 1, of whatever dtype the file declares (float64 in public exports).
Output 0 of shape [n, 3, S, S] in the same range; further outputs are taps.
Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edged.errors import ModelError
from edged.faces import Image, Tensor
from edged.runtime.session import Session
from edged.stages.tensor import crops_to_tensor, tensor_to_crops


@dataclass(frozen=True)
class Restorer:
    """One restorer.

    Attributes:
        session: entered session of the model.
        size_px: side of its crops.
        template_name: alignment of its crops.
        fidelity: CodeFormer's `w`, 0 (most invented) to 1 (closest to the input).
    """

    session: Session
    size_px: int = 512
    template_name: str = "ffhq_512"
    fidelity: float = 0.7

    def __call__(self, crops: Image, strength: float) -> Image:
        """Restore crops.

        Args:
            crops: (n, S, S, 3) uint8 BGR aligned crops.
            strength: 0 (the crop) to 1 (the network's output).

        Returns:
            (n, S, S, 3) uint8 BGR.
        """
        if not len(crops):
            return crops
        pictures = [s for s in self.session.inputs if len(s.shape) == 4]
        if len(pictures) != 1:
            msg = f"model {self.session.model_id} has not exactly one picture input"
            raise ModelError(msg)
        feeds: dict[str, Tensor] = {
            s.name: np.full((1,) * len(s.shape), self.fidelity, s.dtype)
            for s in self.session.inputs
            if len(s.shape) < 2
        }
        blob = crops_to_tensor(crops, 127.5, 1 / 127.5)
        single = pictures[0].shape[0] == 1
        step = 1 if single else len(crops)
        parts = []
        for first in range(0, len(crops), step):
            feeds[pictures[0].name] = blob[first : first + step]
            parts.append(np.array(self.session.run(feeds)[0]))
        restored = tensor_to_crops(
            np.concatenate(parts),
            gain=127.5,
            offset=127.5,
            model_id=self.session.model_id,
            count=len(crops),
            side=self.size_px,
        )
        if strength >= 1:
            return restored
        for crop, image in zip(crops, restored, strict=True):
            cv2.addWeighted(image, strength, crop, 1 - strength, 0, dst=image)
        return restored
