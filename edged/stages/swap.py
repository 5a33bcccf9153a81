"""Swap: the inswapper contract, an identity put onto target crops.

The prepared graph takes `crops` uint8 [n, S, S, 3] BGR and `latents` float32 [n, 512], and
gives `swapped`, bytes again, and `checks`.  A latent is not the embedding itself: latent =
unit(embedding @ emap), where the 512 x 512 `emap` lies in the public file as an initializer
that no node reads (insightface 2.1 normalises the product; FaceFusion does not, and its
identities are weaker for it).
Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edged.errors import ModelError
from edged.faces import Embedding, Floats, Image, Tensor
from edged.runtime.session import Session
from edged.stages.batches import run_faces, whole_crops
from edged.stages.embed import normalise


@dataclass(frozen=True, repr=False, eq=False)
class Swapper:
    """One inswapper-like model.

    Attributes:
        session: entered session of the prepared model.
        emap: (512, 512) float32, from the public model file.
        template_name: alignment of its crops.
        size_px: side of its crops.
        most: faces in one run; 0 for any number.
    """

    session: Session
    emap: Floats
    template_name: str = "arcface_128"
    size_px: int = 128
    most: int = 0

    def latent(self, embedding: Embedding) -> Embedding:
        """Source vector of an identity: (512,) unit embedding -> (512,) unit latent."""
        if embedding.shape != (self.emap.shape[0],):
            msg = (
                f"model {self.session.model_id} takes an embedding of {self.emap.shape[0]} "
                f"numbers, the embedder gives {embedding.shape[-1]}; "
                "set models.embedder to the one that the swapper's recipe names"
            )
            raise ModelError(msg)
        return normalise(embedding @ self.emap)

    def __call__(self, targets: Image, latents: Floats) -> Image:
        """Swap every target crop.

        Args:
            targets: (n, size, size, 3) uint8 BGR aligned crops.
            latents: (n, 512) float32, one a crop.

        Returns:
            (n, size, size, 3) uint8 BGR.

        Raises:
            EngineError: the network gave something else than n finite pictures.
        """
        if not len(targets):
            return targets
        feeds: dict[str, Tensor] = {"crops": targets, "latents": np.asarray(latents, np.float32)}
        out = run_faces(self.session, feeds, {}, self.most)
        return whole_crops(self.session, out["swapped"], out["checks"], targets)
