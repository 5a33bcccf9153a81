"""Restore: the contract that GFPGAN, CodeFormer, RestoreFormer++ and GPEN share.

The prepared graph takes `crops` uint8 [n, S, S, 3] BGR and how much of the network's picture
is taken, `strength`; CodeFormer's has a `fidelity`, too.  It gives `restored`, bytes again,
blended, and `checks`.  Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edged.faces import Image, Tensor
from edged.runtime.session import Session
from edged.stages.batches import run_faces, whole_crops


@dataclass(frozen=True)
class Restorer:
    """One restorer.

    Attributes:
        session: entered session of the prepared model.
        size_px: side of its crops.
        template_name: alignment of its crops.
        fidelity: CodeFormer's `w`, 0 (most invented) to 1 (closest to the input).
        most: faces in one run; 0 for any number.
    """

    session: Session
    size_px: int = 512
    template_name: str = "ffhq_512"
    fidelity: float = 0.7
    most: int = 0

    def __call__(self, crops: Image, strength: float) -> Image:
        """Restore crops.

        Args:
            crops: (n, S, S, 3) uint8 BGR aligned crops.
            strength: 0 (the crop) to 1 (the network's output).

        Returns:
            (n, S, S, 3) uint8 BGR.

        Raises:
            EngineError: the network gave something else than n finite pictures.
        """
        if not len(crops):
            return crops
        out = run_faces(self.session, {"crops": crops}, self.numbers(strength), self.most)
        return whole_crops(self.session, out["restored"], out["checks"], crops)

    def numbers(self, strength: float) -> dict[str, Tensor]:
        """The inputs beside the crops, as far as this model has them: float32 [1] each."""
        numbers = {"strength": strength, "fidelity": self.fidelity}
        taken = {spec.name for spec in self.session.inputs}
        return {
            name: np.array([number], np.float32)
            for name, number in numbers.items()
            if name in taken
        }
