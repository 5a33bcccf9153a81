"""Picture operations as ONNX graphs: letterbox, face crops and paste, where the frame lies.

Three graphs stand in for OpenCV's resize and warpAffine and for `stages/paste.py` when a
frame stays on its device.  The host works out *where* each pixel comes from, a few numbers
a row and a column (`stages/taps.py`), in OpenCV's own arithmetic; the graphs gather, weigh
and round.  So crops and pastes equal the host's to the byte where OpenCV runs its plain C++.
GridSample would do for crops (measured on a 1080p frame: one grey level off in 0.3 % of the
values), but it wants the frame as float32 planes, 25 MB of them before every cut.

Every graph is plain opset 17 with static ranks and builds in TensorRT, which takes uint8 at
its borders only: so the frame is cast as a whole, to FP16, which holds 0..255 exactly.
Knows pixels and tables; knows no faces and no models.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto

from edged.onnx_writer import Graph

BUCKETS = (1, 2, 4, 8)
"""Faces in one run.  Fixed numbers, so that a CUDA graph is captured once for each."""

TILE_PX = {1: 1536, 2: 1024, 4: 768, 8: 512}
"""Largest side of a tile, by faces in one run: some 28 MB of float32 for the colours.  A face
as tall as a 1080p frame fits, and so do four of a third of its height."""

LARGEST_CROP_PX = 512
"""Side of a crop, for the same reason."""

SMALLEST_PX, LARGEST_PX = 16, 4096
"""Sides of a frame.  Other ones are the host's."""

_UINT8, _INT32, _INT64 = TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64
_HALF, _FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def sampler(*, turned: bool) -> onnx.ModelProto:
    """Resizes a picture by two taps a row and a column, as OpenCV's linear resize does.

    Inputs: `frame` uint8 [H, W, 3]; `rows` int32 [4, h] and `cols` int32 [4, w]: two places
    in the frame and their weights in 1/2048, both 0 where the result is black.
    Output: `picture` uint8 [1, h, w, 3], or with `turned` its transpose [1, w, h, 3].

    Args:
        turned: for quarter turns to the side; tables that run backwards make the rest.
    """
    g = Graph()
    frame = g.cast("frame", _HALF)
    top, bottom, down0, down1 = _four(g, "rows")
    left, right, across0, across1 = _four(g, "cols")
    shift, rounding = g.exact(np.int32(1 << 16)), g.exact(np.int32(2))

    def line(row: str) -> str:
        """One row of taps, weighed across: 11 bits more than a pixel has."""
        pixels = g.op("Gather", frame, row, axis=0)
        taps = [
            g.op("Mul", g.cast(g.op("Gather", pixels, at, axis=1), _INT32), weight)
            for at, weight in ((left, _column(g, across0, 1)), (right, _column(g, across1, 1)))
        ]
        return g.op("Div", g.op("Add", *taps), g.exact(np.int32(16)))

    terms = [
        g.op("Div", g.op("Mul", line(row), _column(g, weight, 2)), shift)
        for row, weight in ((top, down0), (bottom, down1))
    ]
    total = g.op("Add", g.op("Add", *terms), rounding)
    value = g.op("Div", total, g.exact(np.int32(4)))
    if turned:
        value = g.op("Transpose", value, perm=[1, 0, 2])
    picture = g.op("Unsqueeze", value, g.constant([0]))
    _to_bytes(g, picture, "picture")
    return g.model(
        "sampler",
        {"frame": ["H", "W", 3], "rows": [4, "h"], "cols": [4, "w"]},
        {"picture": [1, "w", "h", 3] if turned else [1, "h", "w", 3]},
        {"frame": _UINT8, "rows": _INT32, "cols": _INT32, "picture": _UINT8},
    )


def cropper() -> onnx.ModelProto:
    """Cuts aligned crops out of a frame, as `stages/align.py` does.

    Inputs: `frame` uint8 [H, W, 3]; `extent` int32 [2]: H and W; `lines` float32
    [n, 4, S]: for each row where its sampling line begins (x, y), for each column how far
    along it is (x, y), all in 1/1024 px and whole.
    Output: `crops` uint8 [n, S, S, 3].
    """
    g = Graph()
    pixels = g.op("Reshape", g.cast("frame", _HALF), g.constant([-1, 3]))
    start_x, start_y, along_x, along_y = (_line(g, "lines", i, i // 2) for i in range(4))
    height, width = (_number(g, "extent", i) for i in range(2))
    across, down = _axis(g, start_x, along_x, width), _axis(g, start_y, along_y, height)
    _to_bytes(g, _bilinear(g, pixels, across, down), "crops")
    return g.model(
        "cropper",
        {"frame": ["H", "W", 3], "extent": [2], "lines": ["n", 4, "S"]},
        {"crops": ["n", "S", "S", 3]},
        {"frame": _UINT8, "extent": _INT32, "crops": _UINT8},
    )


def paster(count: int) -> onnx.ModelProto:
    """Blends `count` crops into a frame in their order, as `stages/paste.py` does.

    Work is done on a tile around each face, all of one size: a face costs its tile, not
    the frame.  The crops are sampled together, the blends come one after the other, since
    a face may cover a part of the one before.

    Inputs: `frame` uint8 [H, W, 3]; `extent` int32 [3]: H, W and S; `crops` uint8
    [count, S, S, 3]; `alpha` uint8 [S, S]: how much of a crop is pasted; `rows` float32
    [count, 3, h]: for each row of a tile its place in the frame and where its sampling
    line begins in the crop (x, y), `cols` float32 [count, 3, w]: likewise the place and how
    far along the line it is; 1/1024 px and whole.  A line that begins far outside samples
    alpha 0: nothing is pasted there.
    Output: `pasted` uint8 [H, W, 3].

    Args:
        count: crops in one run, one of `BUCKETS`.
    """
    g = Graph()
    flat = g.op("Reshape", g.cast("frame", _HALF), g.constant([-1, 3]))
    crops = g.op("Reshape", g.cast("crops", _HALF), g.constant([-1, 3]))
    cover = g.op("Reshape", g.cast("alpha", _HALF), g.constant([-1, 1]))
    (row, start_x, start_y), (col, along_x, along_y) = (
        [_line(g, name, i, axis) for i in range(3)] for axis, name in enumerate(("rows", "cols"))
    )
    wide, side = (g.op("Gather", "extent", g.constant([i])) for i in (1, 2))
    across, down = (
        _axis(g, start, along, _number(g, "extent", 2))
        for start, along in ((start_x, along_x), (start_y, along_y))
    )
    number = g.exact(np.arange(count, dtype=np.int32).reshape(count, 1, 1))
    first = g.op("Mul", number, g.op("Mul", side, side))
    colour = _bilinear(g, crops, across, down, first)
    weight = g.scaled(_bilinear(g, cover, across, down), 1 / 255)
    place = g.op("Add", g.op("Mul", g.cast(row, _INT32), wide), g.cast(col, _INT32))
    targets = g.op("Unsqueeze", g.cast(place, _INT64), g.constant([3]))
    for face in range(count):
        index = g.constant(np.int64(face))
        ground = g.op("Gather", flat, g.op("Gather", place, index, axis=0), axis=0)
        ground = g.cast(ground, _FLOAT)
        change = g.op("Sub", g.op("Gather", colour, index, axis=0), ground)
        change = g.op("Mul", change, g.op("Gather", weight, index, axis=0))
        value = g.cast(g.op("Round", g.op("Add", ground, change)), _HALF)
        flat = g.op("ScatterND", flat, g.op("Gather", targets, index, axis=0), value)
    _to_bytes(g, g.op("Reshape", flat, g.op("Shape", "frame")), "pasted")
    return g.model(
        f"paster_{count}",
        {
            "frame": ["H", "W", 3],
            "extent": [3],
            "crops": [count, "S", "S", 3],
            "alpha": ["S", "S"],
            "rows": [count, 3, "h"],
            "cols": [count, 3, "w"],
        },
        {"pasted": ["H", "W", 3]},
        dict.fromkeys(("frame", "crops", "alpha", "pasted"), _UINT8) | {"extent": _INT32},
    )


def all_graphs() -> dict[str, onnx.ModelProto]:
    """Every picture graph by the name that its session, engine and messages have."""
    return {
        "picture-sampler": sampler(turned=False),
        "picture-turned": sampler(turned=True),
        "picture-cropper": cropper(),
        **{paster_name(count): paster(count) for count in BUCKETS},
    }


def paster_name(count: int) -> str:
    """Name of the graph that pastes so many crops."""
    return f"picture-paster-{count}"


def _to_bytes(g: Graph, value: str, to: str) -> None:
    """The output; whole numbers from 0 to 255 become uint8, which TensorRT makes of FP16."""
    g.cast(g.cast(value, _HALF), _UINT8, to)


def _four(g: Graph, table: str) -> tuple[str, str, str, str]:
    """The four rows of an int32 table."""
    first, second, third, fourth = (
        g.op("Gather", table, g.constant(np.int64(i)), axis=0) for i in range(4)
    )
    return first, second, third, fourth


def _column(g: Graph, vector: str, behind: int) -> str:
    """A vector with as many axes of one behind it."""
    return g.op("Unsqueeze", vector, g.constant(list(range(1, 1 + behind))))


def _line(g: Graph, table: str, which: int, axis: int) -> str:
    """A vector a face out of a table [n, k, length], along rows (0) or columns (1)."""
    vector = g.op("Gather", table, g.constant(np.int64(which)), axis=1)  # (n, length)
    return g.op("Unsqueeze", vector, g.constant([2 if axis == 0 else 1]))


def _number(g: Graph, vector: str, which: int) -> str:
    """One entry of an int32 vector as float32 [1]."""
    return g.cast(g.op("Gather", vector, g.constant([which])), _FLOAT)


@dataclass(frozen=True)
class _Axis:
    """Places along one axis of what is sampled: names of float32 tensors.

    Attributes:
        place: whole pixel.
        share: of the next pixel, in 1/32.
        extent: [1], pixels of the axis.
    """

    place: str
    share: str
    extent: str


def _axis(g: Graph, start: str, along: str, extent: str) -> _Axis:
    """Places that are sums in 1/1024 px.

    OpenCV drops the five lower bits, then parts place and share (`warpAffine`).  Sums up
    to 2**24, 16384 px, are whole in float32; what lies further out is outside anyway.
    """
    fine = g.op("Floor", g.scaled(g.op("Add", start, along), 1 / 32))
    place = g.op("Floor", g.scaled(fine, 1 / 32))
    return _Axis(place, g.op("Sub", fine, g.scaled(place, 32.0)), extent)


def _bilinear(g: Graph, pixels: str, across: _Axis, down: _Axis, first: str = "") -> str:
    """Four taps with weights in 1/1024, black outside, rounded half up: float32 [n, h, w, c].

    Sums stay below 2**24: every step is exact.

    Args:
        g: the graph.
        pixels: [places, c], rows of one or of many pictures.
        across: where to sample, along x.
        down: along y.
        first: int32, the first place of each picture where `pixels` are of many.
    """
    width = g.cast(across.extent, _INT32)
    total = ""
    for y, weight_y in _taps(g, down):
        line = g.op("Mul", y, width)
        line = g.op("Add", line, first) if first else line
        for x, weight_x in _taps(g, across):
            tap = g.cast(g.op("Gather", pixels, g.op("Add", line, x), axis=0), _FLOAT)
            weight = g.op("Unsqueeze", g.op("Mul", weight_y, weight_x), g.constant([3]))
            term = g.op("Mul", tap, weight)
            total = g.op("Add", total, term) if total else term
    return g.op("Floor", g.moved(g.scaled(total, 1 / 1024), 0.5))


def _taps(g: Graph, axis: _Axis) -> list[tuple[str, str]]:
    """Two places, int32 and inside, and their weights in 1/32, which are 0 outside."""
    last = g.moved(axis.extent, -1.0)
    taps = []
    for step, weight in ((0.0, g.op("Sub", g.constant(32.0), axis.share)), (1.0, axis.share)):
        tap = g.moved(axis.place, step) if step else axis.place
        kept = g.op("Max", g.op("Min", tap, last), g.constant(0.0))
        inside = g.cast(g.op("Equal", kept, tap), _FLOAT)
        taps.append((g.cast(kept, _INT32), g.op("Mul", weight, inside)))
    return taps
