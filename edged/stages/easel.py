"""Where a frame is worked on: cut up, pasted into, and handed over.

A :class:`Picture` is a camera's frame (or a template) that faces are looked for in and cut
out of; a :class:`Canvas` is the outgoing picture that begins as one and is pasted into.
Here both lie in host memory and OpenCV does the work; :mod:`edged.stages.resident` has the
same two on a device.  Knows pixels and stages; knows no policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from edged.faces import Face, Floats, Image, Tensor
from edged.geometry import Matrix
from edged.runtime.session import DeviceArray
from edged.stages.align import crops, fine_crops
from edged.stages.embed import SIZE_PX, Embedder
from edged.stages.layers import Layer, besides
from edged.stages.paste import Mask, Rect, paste, paste_detail
from edged.stages.restore import Restorer
from edged.stages.search import Detector, search
from edged.stages.swap import Swapped, Swapper
from edged.stages.views import Effort

Crops = Image | DeviceArray
"""(n or more, S, S, 3) uint8 BGR, wherever they lie; those after the n-th are padding."""


class Canvas(Protocol):
    """The outgoing picture while it is made.

    Matrices are picture -> crop; each crop is pasted by the one that it was cut with.
    """

    def swap(self, swapper: Swapper, to_crop: Sequence[Matrix], sources: Tensor) -> Swapped:
        """Cut n faces and put the identities of n sources onto them."""
        ...

    def restore(self, restorer: Restorer, to_crop: Sequence[Matrix], strength: float) -> Crops:
        """Cut n faces and restore them, 0 (not at all) to 1."""
        ...

    def cut(self, to_crop: Sequence[Matrix], size_px: int) -> Image:
        """Cut n faces for work in host memory, (n, size_px, size_px, 3) uint8 BGR."""
        ...

    def paste(
        self, made: Crops, to_crop: Sequence[Matrix], mask: Mask, layers: Sequence[Layer] = ()
    ) -> list[Rect]:
        """Blend n crops in, in their order; the rectangles that were touched.

        Args:
            made: n crops.
            to_crop: one matrix a crop.
            mask: of all of them.
            layers: what of each face may be changed; in host memory only.
        """
        ...

    def add(
        self, details: Image, to_crop: Sequence[Matrix], mask: Mask, layers: Sequence[Layer] = ()
    ) -> list[Rect]:
        """Add what was added to n crops, (n, S, S, 3) around 128; see :meth:`paste`."""
        ...

    def finish(self) -> None:
        """Let the memory that the canvas was given hold the picture."""
        ...


class Picture(Protocol):
    """A picture that is only read."""

    def search(self, detectors: Sequence[Detector], effort: Effort) -> list[Face]:
        """See :func:`edged.stages.search.search`."""
        ...

    def cut(self, to_crop: Sequence[Matrix]) -> Image:
        """The n aligned crops (n, 112, 112, 3), in host memory."""
        ...

    def embed(self, recogniser: Embedder, to_crop: Sequence[Matrix]) -> tuple[Image, Floats]:
        """The n aligned crops (n, 112, 112, 3) and their unit vectors (n, d)."""
        ...

    def canvas(self, out: Image) -> Canvas:
        """A canvas that begins as this picture.

        Args:
            out: outgoing memory of the same shape; holds the canvas once it is finished.
        """
        ...


Easel = Callable[[Image], Picture]
"""Puts up a picture, (h, w, 3) uint8 BGR, which stays as it is until it is done with."""


class HostCanvas:
    """A canvas in host memory: `out` itself, which begins as a copy.

    Args:
        image: what it begins as.
        out: outgoing memory, written to.
    """

    def __init__(self, image: Image, out: Image) -> None:
        np.copyto(out, image)
        self._out = out

    def swap(self, swapper: Swapper, to_crop: Sequence[Matrix], sources: Tensor) -> Swapped:
        """See :class:`Canvas`."""
        return swapper.run(fine_crops(self._out, to_crop, swapper.size_px), sources)

    def restore(self, restorer: Restorer, to_crop: Sequence[Matrix], strength: float) -> Crops:
        """See :class:`Canvas`."""
        return restorer(crops(self._out, to_crop, restorer.size_px), strength)

    def cut(self, to_crop: Sequence[Matrix], size_px: int) -> Image:
        """See :class:`Canvas`."""
        return crops(self._out, to_crop, size_px)

    def paste(
        self, made: Crops, to_crop: Sequence[Matrix], mask: Mask, layers: Sequence[Layer] = ()
    ) -> list[Rect]:
        """See :class:`Canvas`."""
        pieces = np.asarray(made)[: len(to_crop)]
        return [
            paste(self._out, crop, matrix, *besides(mask, layers, row, matrix))
            for row, (crop, matrix) in enumerate(zip(pieces, to_crop, strict=True))
        ]

    def add(
        self, details: Image, to_crop: Sequence[Matrix], mask: Mask, layers: Sequence[Layer] = ()
    ) -> list[Rect]:
        """See :class:`Canvas`."""
        return [
            paste_detail(self._out, detail, matrix, *besides(mask, layers, row, matrix))
            for row, (detail, matrix) in enumerate(zip(details, to_crop, strict=True))
        ]

    def finish(self) -> None:
        """It holds the picture at all times."""


class HostPicture:
    """A picture in host memory.

    Args:
        image: (h, w, 3) uint8 BGR; only read.
    """

    def __init__(self, image: Image) -> None:
        self._image = image

    def search(self, detectors: Sequence[Detector], effort: Effort) -> list[Face]:
        """See :class:`Picture`."""
        return search(self._image, detectors, effort)

    def cut(self, to_crop: Sequence[Matrix]) -> Image:
        """See :class:`Picture`."""
        return crops(self._image, to_crop, SIZE_PX)

    def embed(self, recogniser: Embedder, to_crop: Sequence[Matrix]) -> tuple[Image, Floats]:
        """See :class:`Picture`."""
        cut = self.cut(to_crop)
        return cut, recogniser(cut)

    def canvas(self, out: Image) -> Canvas:
        """See :class:`Picture`."""
        return HostCanvas(self._image, out)
