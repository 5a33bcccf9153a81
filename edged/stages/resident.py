"""A frame that stays on its device: uploaded once, downloaded once.

Looks, crops, networks and pastes run one after the other on the same device; what crosses
is small: tables of places, findings, the guard's crops, embeddings, checks.  Each network
keeps its own session, the one that was built and accepted, and hands its output on in
device memory: one graph of everything would have to be built, kept and accepted again for
every pair of models, and would hold their weights a second time.

A network whose recipe says `resident = false`, or that takes fewer faces in one run than
there are, gets its crops by way of host memory; the frame stays where it is.
Knows pixels, stages and the tensors of prepared graphs; knows no policy and no runtime.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from edged.faces import Detections, Face, Floats, Image, Tensor
from edged.geometry import Matrix, scale_of
from edged.runtime.graph.picture import LARGEST_CROP_PX, SMALLEST_PX, TILE_PX
from edged.runtime.session import DeviceArray, Feeds, Session
from edged.stages.align import averaged_px, fine_crops
from edged.stages.batches import require_finite
from edged.stages.easel import Canvas, Crops, Easel, HostCanvas, HostPicture, Picture
from edged.stages.embed import SIZE_PX, Embedder
from edged.stages.layers import Layer
from edged.stages.paste import Mask, Rect
from edged.stages.places import canvas_size
from edged.stages.resident_bench import MOST_FACES, Bench, bucket, padded
from edged.stages.restore import Restorer
from edged.stages.search import Detector, HostLook, search
from edged.stages.swap import Swapped, Swapper
from edged.stages.taps import Axis, paste_tables, resize_taps
from edged.stages.views import FINE_SCALE, Effort, View


def easel_on(bench: Bench) -> Easel:
    """Puts up pictures on a device, but those of extents that its graphs do not take."""

    def put_up(image: Image) -> Picture:
        sides = image.shape[:2]
        if min(sides) < SMALLEST_PX or max(sides) > bench.largest_px:
            return HostPicture(image)
        return DevicePicture(image, bench)

    return put_up


@runtime_checkable
class Resident(Detector, Protocol):
    """A detector whose network can be shown a canvas on the device."""

    @property
    def session(self) -> Session:
        """Of its prepared graph."""
        ...

    def places(self, canvas: Tensor | DeviceArray) -> Detections:
        """Upright faces in a canvas [1, H, W, 3] of the size that the network takes."""
        ...


class DevicePicture:
    """A picture on a device, uploaded when it is first needed.

    Args:
        image: (h, w, 3) uint8 BGR; only read, and left unchanged meanwhile.
        bench: what works on it.
    """

    def __init__(self, image: Image, bench: Bench) -> None:
        self._image = image
        self._bench = bench
        self._array: DeviceArray | None = None

    @property
    def array(self) -> DeviceArray:
        """The picture where it is worked on."""
        if self._array is None:
            self._array = self._bench.sampler.upload(np.ascontiguousarray(self._image))
        return self._array

    def view(self, view: View, height: int, width: int) -> DeviceArray:
        """A view in the corner of a black canvas [1, height, width, 3].

        Valid until the next view that is turned, or not turned, alike.
        """
        turned = view.turn % 2 == 1
        step = 1 / FINE_SCALE if view.tile else 0.0
        x1, y1, x2, y2 = view.part
        rows = resize_taps(
            Axis(self._image.shape[0], view.scaled[1], step), width if turned else height,
            down=True, reverse=view.turn in {2, 3}, part=(y1, y2),
        )  # fmt: skip
        cols = resize_taps(
            Axis(self._image.shape[1], view.scaled[0], step), height if turned else width,
            down=False, reverse=view.turn in {1, 2}, part=(x1, x2),
        )  # fmt: skip
        session = self._bench.turned if turned else self._bench.sampler
        return session.run_resident({"frame": self.array, "rows": rows, "cols": cols})[0]

    def search(self, detectors: Sequence[Detector], effort: Effort) -> list[Face]:
        """See :class:`edged.stages.easel.Picture`."""
        return search(self._image, detectors, effort, _DeviceLook(self._image, self, self._bench))

    def cut(self, to_crop: Sequence[Matrix]) -> Image:
        """See :class:`edged.stages.easel.Picture`."""
        out = np.empty((len(to_crop), SIZE_PX, SIZE_PX, 3), np.uint8)
        for first in range(0, len(to_crop), MOST_FACES):
            some = to_crop[first : first + MOST_FACES]
            cut = self._bench.cut(self.array, some, SIZE_PX)
            out[first : first + len(some)] = self._bench.down(cut, len(some))
        return out

    def embed(self, recogniser: Embedder, to_crop: Sequence[Matrix]) -> tuple[Image, Floats]:
        """See :class:`edged.stages.easel.Picture`."""
        if not to_crop:
            none = np.zeros((0, SIZE_PX, SIZE_PX, 3), np.uint8)
            return none, recogniser(none)
        crops, vectors = [], []
        for first in range(0, len(to_crop), MOST_FACES):
            some = to_crop[first : first + MOST_FACES]
            cut = self._bench.cut(self.array, some, SIZE_PX)
            if self._bench.takes(recogniser, len(some)):
                found = recogniser.session.run({"crops": cut})[0]
                found = recogniser.checked(found, cut.shape[0])[: len(some)]
                vectors.append(recogniser.finished(found))
                crops.append(self._bench.down(cut, len(some)))
            else:
                crops.append(self._bench.down(cut, len(some)))
                vectors.append(recogniser(crops[-1]))
        return np.concatenate(crops), np.concatenate(vectors)

    def canvas(self, out: Image) -> Canvas:
        """See :class:`edged.stages.easel.Picture`."""
        return DeviceCanvas(self, self._image, out, self._bench)


class DeviceCanvas:
    """A canvas on a device, downloaded when it is finished.

    Args:
        picture: what it begins as.
        image: the same in host memory.
        out: outgoing memory.
        bench: what works on it.
    """

    def __init__(self, picture: DevicePicture, image: Image, out: Image, bench: Bench) -> None:
        self._picture, self._image, self._out, self._bench = picture, image, out, bench
        self._array: DeviceArray | None = None
        self._host: HostCanvas | None = None

    def swap(self, swapper: Swapper, to_crop: Sequence[Matrix], sources: Tensor) -> Swapped:
        """See :class:`edged.stages.easel.Canvas`.

        Crops that are boosted, or that come with masks, go by way of host memory.  Those of
        large faces are cut there: the device's cutter is linear, and the host's picture is
        the same while nothing was pasted; afterwards the canvas goes there.
        """
        large = any(averaged_px(matrix) > 1 for matrix in to_crop)
        beyond = large and self._array is not None
        if host := self._on_host(to_crop, swapper.size_px, beyond=beyond):
            return host.swap(swapper, to_crop, sources)
        if large:
            return self._swap_large(swapper, to_crop, sources)
        cut = self._bench.cut(self._now, to_crop, swapper.size_px)
        if not (swapper.plain and self._bench.takes(swapper, len(to_crop))):
            return swapper.run(self._bench.down(cut, len(to_crop)), sources)
        given = {name: padded(rows, cut.shape[0]) for name, rows in swapper.fed(sources).items()}
        return Swapped(self._made(swapper.session, {"crops": cut, **given}))

    def _swap_large(self, swapper: Swapper, to_crop: Sequence[Matrix], sources: Tensor) -> Swapped:
        """Swap crops that the host cuts; a network on the device gets them there."""
        crops = fine_crops(self._image, to_crop, swapper.size_px)
        if not (swapper.plain and self._bench.takes(swapper, len(to_crop))):
            return swapper.run(crops, sources)
        count = bucket(len(to_crop))
        given = {name: padded(rows, count) for name, rows in swapper.fed(sources).items()}
        return Swapped(self._made(swapper.session, {"crops": padded(crops, count), **given}))

    def restore(self, restorer: Restorer, to_crop: Sequence[Matrix], strength: float) -> Crops:
        """See :class:`edged.stages.easel.Canvas`."""
        if host := self._on_host(to_crop, restorer.size_px):
            return host.restore(restorer, to_crop, strength)
        cut = self._bench.cut(self._now, to_crop, restorer.size_px)
        if not self._bench.takes(restorer, len(to_crop)):
            return restorer(self._bench.down(cut, len(to_crop)), strength)
        return self._made(restorer.session, {"crops": cut, **restorer.numbers(strength)})

    def cut(self, to_crop: Sequence[Matrix], size_px: int) -> Image:
        """See :class:`edged.stages.easel.Canvas`: the crops come down, the canvas stays."""
        if host := self._on_host(to_crop, size_px):
            return host.cut(to_crop, size_px)
        return self._bench.down(self._bench.cut(self._now, to_crop, size_px), len(to_crop))

    def paste(
        self, made: Crops, to_crop: Sequence[Matrix], mask: Mask, layers: Sequence[Layer] = ()
    ) -> list[Rect]:
        """See :class:`edged.stages.easel.Canvas`; with layers the canvas goes to the host."""
        if host := self._on_host(to_crop, made.shape[1], beyond=bool(layers)):
            pieces = made if isinstance(made, np.ndarray) else self._bench.down(made, len(to_crop))
            return host.paste(pieces, to_crop, mask, layers)
        count = bucket(len(to_crop))
        rows, cols, rects = paste_tables(to_crop, mask, self._image.shape, count)
        if max(rows.shape[2], cols.shape[2]) > TILE_PX[count]:
            pieces = made if isinstance(made, np.ndarray) else self._bench.down(made, len(to_crop))
            return self._to_host().paste(pieces, to_crop, mask)
        if isinstance(made, np.ndarray):
            made = padded(made, count)
        feeds: dict[str, Tensor | DeviceArray] = {
            "frame": self._now, "extent": np.array([*self._now.shape[:2], made.shape[1]], np.int32),
            "crops": made, "alpha": self._bench.mask(mask), "rows": rows, "cols": cols,
        }  # fmt: skip
        self._array = self._bench.pasters[count].run_resident(feeds)[0]
        return rects

    def add(
        self, details: Image, to_crop: Sequence[Matrix], mask: Mask, layers: Sequence[Layer] = ()
    ) -> list[Rect]:
        """See :class:`edged.stages.easel.Canvas`; the canvas goes to the host."""
        host = self._host or self._to_host()
        return host.add(details, to_crop, mask, layers)

    def finish(self) -> None:
        """See :class:`edged.stages.easel.Canvas`."""
        if self._array is not None:
            self._bench.sampler.download(self._array, self._out)
        elif self._host is None:
            np.copyto(self._out, self._image)

    @property
    def _now(self) -> DeviceArray:
        """The canvas as it is."""
        return self._picture.array if self._array is None else self._array

    def _on_host(
        self, to_crop: Sequence[Matrix], size_px: int, *, beyond: bool = False
    ) -> HostCanvas | None:
        """The canvas in host memory, where it is there or the graphs do not hold what is asked.

        They do not hold many faces, large crops and whatever else is `beyond` them.
        """
        beyond = beyond or len(to_crop) > MOST_FACES or size_px > LARGEST_CROP_PX
        if self._host is None and beyond:
            return self._to_host()
        return self._host

    def _to_host(self) -> HostCanvas:
        """Go on in host memory: for what a run of the graphs does not hold."""
        self.finish()
        self._host, self._array = HostCanvas(self._out, self._out), None
        return self._host

    def _made(self, session: Session, feeds: Feeds) -> DeviceArray:
        """The crops that a network made, once all that it gave was finite.

        Raises:
            EngineError: something was not, which bytes would hide.
        """
        made, checks = session.run_resident(feeds)  # in the order of prepared graphs
        require_finite(session, session.download(checks))
        return made


class _DeviceLook:
    """Views that are made on the device for detectors that run there.

    Args:
        image: the picture in host memory, for the others.
        picture: the same on the device.
        bench: what works on it.
    """

    def __init__(self, image: Image, picture: DevicePicture, bench: Bench) -> None:
        self._picture, self._bench = picture, bench
        self._host = HostLook(image)
        self._shown: tuple[object, DeviceArray | None] = (None, None)

    def __call__(self, view: View, detector: Detector) -> Detections:
        """See :data:`edged.stages.search.Look`."""
        if not isinstance(detector, Resident) or not self._bench.resident(
            detector.session.model_id
        ):
            return self._host(view, detector)
        size = canvas_size(detector.session, view.side)
        if view.spot is not None:
            return self._close(view, detector, size)
        wide, tall = view.extent[::-1] if view.turn % 2 else view.extent
        if tall > size[0] or wide > size[1]:  # it would have to be scaled once more
            return self._host(view, detector)
        key = (view, size)
        if self._shown[0] != key:
            self._shown = key, self._picture.view(view, *size)
        canvas = self._shown[1]
        assert canvas is not None
        return detector.places(canvas)

    def _close(self, view: View, detector: Resident, size: tuple[int, int]) -> Detections:
        """A close look: a crop like others, where no shrinking and no padding is asked for."""
        assert view.spot is not None
        to_view, side = view.spot.to_view(view.side), view.side
        if size != (side, side) or side > LARGEST_CROP_PX or scale_of(to_view) <= 1 / 2:
            return self._host(view, detector)
        return detector.places(self._bench.cut(self._picture.array, [to_view], side))
