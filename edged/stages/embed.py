"""Identity vectors: the ArcFace recogniser contract.

The prepared graph takes `crops` uint8 [n, 112, 112, 3] BGR and gives `embeddings` float32
[n, d], not normalised.  Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edged.errors import EngineError
from edged.faces import Floats, Image, Tensor
from edged.runtime.session import Session
from edged.stages.batches import run_faces

SIZE_PX = 112


@dataclass(frozen=True)
class Embedder:
    """One recogniser.

    Attributes:
        session: entered session of the prepared model.
        most: faces in one run; 0 for any number.
        unit: whether vectors are brought to length 1.
    """

    session: Session
    most: int = 0
    unit: bool = True

    @property
    def as_given(self) -> Embedder:
        """The same without bringing vectors to length 1: a swapper's converter takes these."""
        return replace(self, unit=False)

    def raw(self, crops: Image) -> Floats:
        """(n, 112, 112, 3) uint8 BGR aligned crops -> (n, d) float32 as the network gives."""
        if not len(crops):
            return np.zeros((0, self.width), np.float32)
        out = run_faces(self.session, {"crops": crops}, {}, self.most)["embeddings"]
        return self.checked(out, len(crops))

    def checked(self, out: Tensor, count: int) -> Floats:
        """What the network gave for so many faces.

        Raises:
            EngineError: another shape, or not finite.
        """
        if out.shape != (count, out.shape[-1]) or not np.isfinite(out).all():
            msg = f"model {self.session.model_id} gave no finite vector for each face"
            raise EngineError(msg)
        return np.array(out, np.float32)

    def __call__(self, crops: Image) -> Floats:
        """The same, each row with L2 norm 1 unless :attr:`unit` says otherwise.

        Raises:
            EngineError: not finite, or a zero vector.
        """
        return self.finished(self.raw(crops))

    def finished(self, vectors: Floats) -> Floats:
        """What the network gave for some faces as the rest of the device takes it."""
        return normalise(vectors) if self.unit else vectors

    @property
    def width(self) -> int:
        """Length of a vector."""
        return int(self.session.outputs[0].shape[-1] or 512)


def normalise(vectors: Floats) -> Floats:
    """Rows to L2 norm 1.

    Raises:
        EngineError: a row is zero, so that it has no direction.
    """
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if (norms < 1e-9).any():
        msg = "the recogniser gave a zero vector"
        raise EngineError(msg)
    return np.asarray(vectors / norms, np.float32)
