"""What a swapper knows a person by, made once of photos: a vector, or a picture.

A recogniser's vector reaches the swapper by one of four ways: through the 512 x 512 map in an
inswapper's file (unit(vector @ emap); insightface 2.1 normalises the product, FaceFusion does
not, and its identities are weaker for it), brought to length 1, through a converter, or
through a converter and then brought to length 1.  Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Embedding, Floats, Image, Points
from edged.runtime.session import Session
from edged.stages.align import crops, matrices
from edged.stages.embed import normalise


@dataclass(frozen=True, repr=False, eq=False)
class VectorSource:
    """Makes a swapper's vector of a recogniser's.

    Attributes:
        model_id: of the swapper, for messages.
        width: length of the recogniser's vector.
        emap: (width, width) float32, from an inswapper's file; None for other families.
        converter: entered session of a prepared converter, or None.
        unit: whether the vector has length 1 in the end.
    """

    model_id: str
    width: int
    emap: Floats | None = None
    converter: Session | None = None
    unit: bool = True

    @property
    def takes_raw(self) -> bool:
        """Whether the length of the recogniser's vector counts: a converter was trained on it."""
        return self.converter is not None

    def __call__(self, vector: Embedding) -> Embedding:
        """(width,) float32 -> the swapper's (e,) float32.

        Args:
            vector: of length 1, or where it :attr:`takes_raw` as the network gives it.

        Raises:
            ModelError: it is another recogniser's.
            EngineError: the converter gave no finite vector.
        """
        if vector.shape != (self.width,):
            msg = (
                f"model {self.model_id} takes an embedding of {self.width} numbers, the "
                f"embedder gives {vector.shape[-1]}; set models.embedder to the one that the "
                "swapper's recipe names"
            )
            raise ModelError(msg)
        if self.emap is not None:
            vector = vector @ self.emap
        if self.converter is not None:
            vector = self._converted(self.converter, vector)
        return normalise(vector) if self.unit else np.asarray(vector, np.float32)

    def _converted(self, converter: Session, vector: Embedding) -> Embedding:
        (out,) = converter.run({"vectors": np.asarray(vector[None], np.float32)})
        if out.shape[:1] != (1,) or out.ndim != 2 or not np.isfinite(out).all():
            msg = f"model {converter.model_id} gave no finite vector"
            raise EngineError(msg)
        return np.array(out[0], np.float32)


@dataclass(frozen=True)
class PictureSource:
    """Cuts a swapper's source picture out of a photo.

    Attributes:
        template_name: five points that it is aligned to.
        size_px: its side.
    """

    template_name: str
    size_px: int

    def __call__(self, photo: Image, landmarks: Points) -> Image:
        """The face as (S, S, 3) uint8 BGR.

        Args:
            photo: (h, w, 3) uint8 BGR.
            landmarks: (5, 2) px, which an alignment was possible with.
        """
        cut = [m for m in matrices([landmarks], self.template_name, self.size_px) if m is not None]
        return np.asarray(crops(photo, cut, self.size_px)[0], np.uint8)


Source = VectorSource | PictureSource


def joined(vectors: Sequence[Embedding]) -> Embedding:
    """One person's vector of several photos: the mean direction, with the mean length.

    Directions are averaged as unit vectors, so that no photo counts more than another, and
    the mean is made unit again.

    Args:
        vectors: (d,) float32 each, one at least.

    Raises:
        EngineError: one is zero, or they cancel out.
    """
    rows = np.stack(vectors)
    length = np.linalg.norm(rows, axis=1).mean()
    return np.asarray(normalise(normalise(rows).mean(axis=0)) * length, np.float32)


def fitness(landmarks: Points) -> float:
    """How well a photo serves as a source picture: the face's size, less as it turns away.

    The size is the longer one of the distances between the eyes and from eyes to mouth,
    px; the share is 1 where the nose lies midway between the eyes and 0 where it lies
    below one of them.
    """
    left, right, nose = landmarks[:3].astype(np.float64)
    across = right - left
    span = float(np.linalg.norm(across))
    if span < 1e-6:
        return 0.0
    down = float(np.linalg.norm(landmarks[3:].mean(axis=0) - landmarks[:2].mean(axis=0)))
    place = float((nose - left) @ across) / span**2
    return max(span, down) * max(0.0, 1 - 2 * abs(place - 0.5))
