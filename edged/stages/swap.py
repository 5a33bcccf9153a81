"""Swap: an identity put onto target crops, by any family of swappers.

The prepared graph takes `crops` uint8 [n, S, S, 3] BGR and what it knows a person by
(:mod:`edged.stages.identity`): `latents` float32 [n, 512] or `sources` uint8 [n, C, C, 3].  It
gives `swapped`, bytes again, and `checks`; some give `masks` uint8 [n, S, S], how much of the
picture is to be pasted.  Knows arrays only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Embedding, Image, Tensor
from edged.runtime.session import DeviceArray, Session
from edged.stages.batches import run_faces, whole_crops
from edged.stages.boost import join, split
from edged.stages.identity import PictureSource, Source


class Swapped(NamedTuple):
    """What became of n target crops.

    Attributes:
        crops: (n or more, S, S, 3) uint8 BGR, wherever they lie; those after the n-th are
            padding.
        masks: (n, S, S) uint8, how much of each the swapper itself would have pasted, or
            None where it says nothing.
    """

    crops: Image | DeviceArray
    masks: Image | None = None


@dataclass(frozen=True, repr=False, eq=False)
class Swapper:
    """One swapper.

    Attributes:
        session: entered session of the prepared model.
        source: makes what it knows a person by.
        template_name: alignment of its crops.
        size_px: side of its crops.
        most: crops in one run of the network; 0 for any number.
        boost: by so much its crops are larger than the network's; see :meth:`boosted`.
    """

    session: Session
    source: Source
    template_name: str = "arcface_128"
    size_px: int = 128
    most: int = 0
    boost: int = 1

    @property
    def picture(self) -> PictureSource | None:
        """What cuts the source picture, for a swapper that takes one."""
        return self.source if isinstance(self.source, PictureSource) else None

    @property
    def takes_raw(self) -> bool:
        """Whether :meth:`latent` takes a vector as the recogniser's network gives it."""
        return not isinstance(self.source, PictureSource) and self.source.takes_raw

    @property
    def plain(self) -> bool:
        """Whether a run of the network is all there is to a swap: no boost and no own mask."""
        return self.boost == 1 and all(spec.name != "masks" for spec in self.session.outputs)

    def boosted(self, size_px: int) -> Swapper:
        """The same with crops of another side, a multiple of the network's; 0 changes nothing.

        Raises:
            ModelError: it is none.
        """
        own = self.size_px // self.boost
        if size_px % own:
            msg = f"model {self.session.model_id} cannot be boosted to {size_px} px: {own} px each"
            raise ModelError(msg)
        return replace(self, size_px=size_px, boost=size_px // own) if size_px else self

    def latent(self, vector: Embedding) -> Embedding:
        """Source vector of an identity; see :class:`edged.stages.identity.VectorSource`.

        Raises:
            ModelError: the swapper takes another recogniser's vector, or a picture.
        """
        if isinstance(self.source, PictureSource):
            msg = f"model {self.session.model_id} takes a picture of its source, no vector"
            raise ModelError(msg)
        return self.source(vector)

    def fed(self, sources: Tensor) -> dict[str, Tensor]:
        """The sources of a run under the name and in the type that the network takes."""
        if isinstance(self.source, PictureSource):
            return {"sources": np.asarray(sources, np.uint8)}
        return {"latents": np.asarray(sources, np.float32)}

    def __call__(self, targets: Image, sources: Tensor) -> Image:
        """The crops alone; see :meth:`run`."""
        return np.asarray(self.run(targets, sources).crops, np.uint8)

    def run(self, targets: Image, sources: Tensor) -> Swapped:
        """Swap every target crop.

        Args:
            targets: (n, size, size, 3) uint8 BGR aligned crops.
            sources: (n, 512) float32 or (n, C, C, 3) uint8, one a crop.

        Raises:
            EngineError: the network gave something else than n finite pictures.
        """
        if not len(targets):
            return Swapped(targets)
        times = self.boost
        parts = split(targets, times) if times > 1 else targets
        feeds = {"crops": parts, **self.fed(sources)}
        if times > 1:
            (name,) = feeds.keys() - {"crops"}
            feeds[name] = np.repeat(feeds[name], times * times, axis=0)
        out = run_faces(self.session, feeds, {}, self.most)
        made: Tensor = whole_crops(self.session, out["swapped"], out["checks"], parts)
        masks = out.get("masks")
        if masks is not None and (masks.shape != parts.shape[:3] or masks.dtype != np.uint8):
            msg = f"model {self.session.model_id} gave masks of shape {masks.shape}"
            raise EngineError(msg)
        if times > 1:
            made, masks = join(made, times), None if masks is None else join(masks, times)
        return Swapped(np.asarray(made, np.uint8), masks)
