"""Swap: the inswapper contract, an identity put onto target crops.

Inputs: rank 4 = target [n, 3, 128, 128] RGB 0..1, rank 2 = source [n, 512]; output RGB
0..1.  The source is not the embedding itself: latent = unit(embedding @ emap), where the
512 x 512 `emap` lies in the file as an initializer that no node reads (insightface 2.1
normalises the product; FaceFusion does not, and its identities are weaker for it).
Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edged.errors import ModelError
from edged.faces import Embedding, Floats, Image
from edged.runtime.session import Session, TensorSpec
from edged.stages.embed import normalise
from edged.stages.tensor import crops_to_tensor, tensor_to_crops


@dataclass(frozen=True, repr=False, eq=False)
class Swapper:
    """One inswapper-like model.

    Attributes:
        session: entered session of the model.
        emap: (512, 512) float32, from the model file.
        template_name: alignment of its crops.
        size_px: side of its crops.
    """

    session: Session
    emap: Floats
    template_name: str = "arcface_128"
    size_px: int = 128

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
            (n, size, size, 3) uint8 BGR, values rounded.

        Raises:
            EngineError: the network gave something else than n finite pictures.
        """
        if not len(targets):
            return targets
        target, source = _by_rank(self.session)
        blob = crops_to_tensor(targets, 0.0, 1 / 255)
        if target.shape[0] == 1 or source.shape[0] == 1:
            out = np.concatenate(
                [
                    np.array(
                        self.session.run(
                            {target.name: blob[i : i + 1], source.name: latents[i : i + 1]}
                        )[0]
                    )
                    for i in range(len(targets))
                ]
            )
        else:
            out = np.asarray(self.session.run({target.name: blob, source.name: latents})[0])
        return tensor_to_crops(
            out,
            gain=255.0,
            offset=0.0,
            model_id=self.session.model_id,
            count=len(targets),
            side=self.size_px,
        )


def _by_rank(session: Session) -> tuple[TensorSpec, TensorSpec]:
    """The picture input (rank 4) and the vector input (rank 2); names differ by export."""
    target = [s for s in session.inputs if len(s.shape) == 4]
    source = [s for s in session.inputs if len(s.shape) == 2]
    if len(target) != 1 or len(source) != 1:
        msg = f"model {session.model_id} has not one picture and one vector input (inswapper)"
        raise ModelError(msg)
    return target[0], source[0]
