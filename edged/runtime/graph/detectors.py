"""The detector families: SCRFD and YuNet, decoded in the graph.

Both give a score, a box and five landmarks at every anchor of three strides.  The graph
takes the best `PLACES` by score and works out coordinates of these alone; an anchor's
place follows from its number, by whole-number arithmetic on the picture's extents, so
that one graph serves every size.  What is below a threshold and what overlaps is the
host's to drop: it knows the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edged.runtime.graph import pictures
from edged.runtime.graph.emit import FLOAT, INT32, INT64, UINT8, Emitter
from edged.runtime.graph.upsample import scale_by_factors
from edged.runtime.graph.work import Extent, Work, cut, declare

PLACES = 512
"""Answers of a graph.  A 640 px picture has 16,800 anchors in SCRFD; a face is seen by some
10 to 40 of them, so that 512 hold a crowd, and a stage refuses a picture that has more."""

STRIDES = (8, 16, 32)
NONE = -1.0
"""Score of an answer that is no place, where a picture has fewer than `PLACES`."""

YUNET_KINDS = ("cls", "obj", "bbox", "kps")


@dataclass(frozen=True)
class _Grid:
    """Where anchors lie.

    Attributes:
        strides: px, rising.
        anchors: at each cell.
        sides: height and width of the picture, px; None where the file leaves them open.
        planes: the picture as [1, 3, h, w].
    """

    strides: tuple[int, ...]
    anchors: int
    sides: tuple[int, int] | None
    planes: str

    @property
    def short(self) -> bool:
        """Whether a picture may have fewer anchors than the graph has answers."""
        if self.sides is None:
            return True
        cells = sum((self.sides[0] // s) * (self.sides[1] // s) for s in self.strides)
        return cells * self.anchors < PLACES


@dataclass(frozen=True)
class _Levels:
    """Raw answers at all anchors, rising stride after rising stride.

    Attributes:
        scores: float32 [a].
        boxes: float32 [a, 4], in strides from the anchor.
        points: float32 [a, 10], likewise.
    """

    scores: str
    boxes: str
    points: str


@dataclass(frozen=True)
class _Best:
    """The best anchors, best first; k is `PLACES`.

    Attributes:
        boxes, points: float32 [k, 4] and [k, 10], as in `_Levels`.
        anchor: float32 [k, 2], x and y of the anchor in strides.
        stride: float32 [k, 1], px.
    """

    boxes: str
    points: str
    anchor: str
    stride: str


def scrfd(work: Work) -> None:
    """SCRFD: nine outputs, score, distances and landmarks by rising stride.

    An anchor lies on its cell's corner; box = anchor -/+ distances, landmarks = anchor +
    shifts, both in strides; scores are probabilities.  (Facts read in insightface 2.1.)
    """
    strides = work.contract.strides or STRIDES
    names = [info.name for info in work.model.graph.output]
    if len(names) != 3 * len(strides):
        what = (
            f"it has {len(names)} outputs; SCRFD with landmarks has {3 * len(strides)} "
            f"(score, box, landmarks x strides {', '.join(map(str, strides))})"
        )
        raise work.wrong(what)
    cut(work, names)
    grid = _front(work, strides, work.contract.anchors or 2)
    after, count = Emitter(work.model, "post/"), len(strides)
    levels = _Levels(
        _joined(after, work, grid, names[:count], name="all/scores"),
        _joined(after, work, grid, names[count : 2 * count], name="all/distances", width=4),
        _joined(after, work, grid, names[2 * count :], name="all/shifts", width=10),
    )
    best = _best(after, levels, grid)
    signs = np.array([[-1, -1, 1, 1]], np.float32)
    reach = after.op("Mul", best.boxes, best.stride, name="reach")
    centre = after.op("Mul", best.anchor, best.stride, name="centre")
    corners = after.concat([centre, centre], 1, name="corners")
    after.op("Add", corners, after.scaled(reach, signs, name="signed"), name="boxes", out="boxes")
    _landmarks(after, after.op("Mul", best.points, best.stride, name="moves"), centre)
    _finish(work, after, levels, grid)


def yunet(work: Work) -> None:
    """YuNet: twelve outputs cls, obj, bbox and kps x strides, told by name.

    score = sqrt(cls * obj), centre = (anchor + shift) * stride, size = exp(log size) *
    stride, landmarks = (anchor + shifts) * stride.  (Facts read in OpenCV's use of it.)
    """
    strides = work.contract.strides or STRIDES
    names = {kind: [f"{kind}_{stride}" for stride in strides] for kind in YUNET_KINDS}
    wanted = [name for kind in YUNET_KINDS for name in names[kind]]
    if {info.name for info in work.model.graph.output} != set(wanted):
        what = (
            f"it has not YuNet's {len(wanted)} outputs ({', '.join(YUNET_KINDS)} "
            f"x strides {', '.join(map(str, strides))})"
        )
        raise work.wrong(what)
    cut(work, wanted)
    grid = _front(work, strides, work.contract.anchors or 1)
    after = Emitter(work.model, "post/")
    product = after.op(
        "Mul",
        _joined(after, work, grid, names["cls"], name="all/cls", pad=False),
        _joined(after, work, grid, names["obj"], name="all/obj", pad=False),
        name="all/product",
    )
    root = after.op("Sqrt", product, name="all/root")
    levels = _Levels(
        _padded(after, grid, [root], "all/scores"),
        _joined(after, work, grid, names["bbox"], name="all/shapes", width=4),
        _joined(after, work, grid, names["kps"], name="all/shifts", width=10),
    )
    best = _best(after, levels, grid)
    shift = after.part(best.boxes, 0, 2, axis=1, name="shift")
    size = after.part(best.boxes, 2, 4, axis=1, name="size")
    centre = after.op(
        "Mul", after.op("Add", best.anchor, shift, name="moved"), best.stride, name="centre"
    )
    sides = after.op("Mul", after.op("Exp", size, name="sides"), best.stride, name="px")
    half = after.scaled(sides, 0.5, name="half")
    first = after.op("Sub", centre, half, name="first")
    second = after.op("Add", centre, half, name="second")
    after.concat([first, second], 1, name="boxes", out="boxes")
    corner = after.op("Mul", best.anchor, best.stride, name="corner")
    _landmarks(after, after.op("Mul", best.points, best.stride, name="moves"), corner)
    _finish(work, after, levels, grid)


def _front(work: Work, strides: tuple[int, ...], anchors: int) -> _Grid:
    """Puts bytes in before the network.

    Raises:
        ModelError: the file is fixed at a size that its strides do not divide.
    """
    picture = work.picture_input()
    height, width = work.sides(picture)
    sides = None if height is None or width is None else (height, width)
    if sides and any(side % strides[-1] for side in sides):
        what = f"it is fixed at {sides} px, which its strides {strides} do not divide"
        raise work.wrong(what)
    if sides is None:
        scale_by_factors(work.model, picture.name)
    planes = pictures.take(work.model, picture, "picture", work.contract)
    return _Grid(strides, anchors, sides, planes)


def _joined(
    after: Emitter,
    work: Work,
    grid: _Grid,
    names: Sequence[str],
    *,
    name: str,
    width: int = 0,
    pad: bool = True,
) -> str:
    """One kind of answer over all levels, rows of `width` (plain numbers for 0)."""
    types = {i.name: i.type.tensor_type.elem_type for i in work.model.graph.output}
    rows = []
    for level, raw in enumerate(names):
        value = raw
        if types[raw] != FLOAT:
            value = after.cast(value, FLOAT, name=f"{name}/{level}/float")
        shape = (-1, width) if width else (-1,)
        rows.append(after.reshaped(value, shape, name=f"{name}/{level}"))
    if pad:
        return _padded(after, grid, rows, name, width)
    return after.concat(rows, 0, name=name)


def _padded(after: Emitter, grid: _Grid, rows: Sequence[str], name: str, width: int = 0) -> str:
    """Rows, then as many that are no places as a small picture may lack."""
    if not grid.short:
        return after.concat(rows, 0, name=name) if len(rows) > 1 else rows[0]
    fill = np.zeros((PLACES, width)) if width else np.full(PLACES, NONE)
    rest = after.constant(f"{name}/none", fill.astype(np.float32))
    return after.concat([*rows, rest], 0, name=name)


def _best(after: Emitter, levels: _Levels, grid: _Grid) -> _Best:
    """The best by score, and where their anchors lie."""
    wanted = after.constant("places", [PLACES])
    _, index = after.ops(
        "TopK", levels.scores, wanted, name="best", outputs=("scores", "post/index"), axis=0
    )
    stride, start, columns = _level_of(after, index, grid)
    local = after.op("Sub", index, start, name="index/local")
    cell = after.op("Div", local, after.constant("anchors", [grid.anchors]), name="index/cell")
    row = after.op("Div", cell, columns, name="index/row")
    begin = after.op("Mul", row, columns, name="index/begin")
    column = after.op("Sub", cell, begin, name="index/column")
    x = after.reshaped(column, (-1, 1), name="index/x")
    y = after.reshaped(row, (-1, 1), name="index/y")
    pairs = after.concat([x, y], 1, name="index/pairs")
    step = after.reshaped(stride, (-1, 1), name="index/stride/column")
    return _Best(
        boxes=after.op("Gather", levels.boxes, index, name="best/boxes", axis=0),
        points=after.op("Gather", levels.points, index, name="best/points", axis=0),
        anchor=after.cast(pairs, FLOAT, name="anchor"),
        stride=after.cast(step, FLOAT, name="stride"),
    )


def _level_of(after: Emitter, index: str, grid: _Grid) -> tuple[str, str, str]:
    """For each anchor number: its level's stride, first number and cells in a row."""
    if grid.sides is None:
        height, width = (_extent(after, grid.planes, axis) for axis in (2, 3))
    else:
        height = after.constant("extents/height", [grid.sides[0]])
        width = after.constant("extents/width", [grid.sides[1]])
    first = after.constant("first/0", [0])
    firsts, strides = [first], []
    for level, stride in enumerate(grid.strides):
        step = after.constant(f"stride/{level}", [stride])
        strides.append(step)
        rows = after.op("Div", height, step, name=f"rows/{level}")
        columns = after.op("Div", width, step, name=f"columns/{level}")
        cells = after.op("Mul", rows, columns, name=f"cells/{level}")
        each = after.constant(f"each/{level}", [grid.anchors])
        places = after.op("Mul", cells, each, name=f"anchors/{level}")
        first = after.op("Add", first, places, name=f"first/{level + 1}")
        firsts.append(first)
    stride_of, first_of = strides[-1], firsts[-2]
    for level in reversed(range(len(strides) - 1)):
        below = after.op("Less", index, firsts[level + 1], name=f"below/{level}")
        stride_of = after.op(
            "Where", below, strides[level], stride_of, name=f"index/stride/{level}"
        )
        first_of = after.op("Where", below, firsts[level], first_of, name=f"index/first/{level}")
    return stride_of, first_of, after.op("Div", width, stride_of, name="index/columns")


def _extent(after: Emitter, planes: str, axis: int) -> str:
    """One side of the picture, int64 [1], by counting pixels of one row or column.

    A `Shape` would say it, too, but onnxruntime computes with shapes on the CPU, and a
    graph with one node there cannot be captured as a CUDA graph.
    """
    name = f"extents/{axis}"
    line = after.part(planes, 0, 1, axis=1, name=f"{name}/plane")
    line = after.part(line, 0, 1, axis=5 - axis, name=f"{name}/line")
    each = after.cast(after.op("Equal", line, line, name=f"{name}/same"), INT32, name=f"{name}/one")
    total = after.total(each, (1, 2, 3), name=f"{name}/sum")
    return after.reshaped(after.cast(total, INT64, name=f"{name}/long"), (1,), name=name)


def _landmarks(after: Emitter, moves: str, anchor: str) -> None:
    """Moves [k, 10] from anchors [k, 2], both px -> `landmarks` [k, 5, 2]."""
    five = after.concat([anchor] * 5, 1, name="landmarks/anchors")
    points = after.op("Add", five, moves, name="landmarks/points")
    after.reshaped(points, (-1, 5, 2), name="landmarks", out="landmarks")


def _finish(work: Work, after: Emitter, levels: _Levels, grid: _Grid) -> None:
    """`checks` over all that the network gave, and the graph's ends."""
    parts = [
        after.mean(levels.scores, (0,), name="mean/scores", keep=True),
        after.reshaped(after.mean(levels.boxes, (0, 1), name="mean/boxes"), (1,), name="mean/b"),
        after.reshaped(after.mean(levels.points, (0, 1), name="mean/points"), (1,), name="mean/p"),
    ]
    after.op(
        "Add", after.op("Add", parts[0], parts[1], name="mean/two"), parts[2], name="mean",
        out="checks",
    )  # fmt: skip
    sides: tuple[Extent, Extent] = grid.sides or ("h", "w")
    declare(
        work,
        {"picture": (UINT8, (1, *sides, 3))},
        {
            "scores": (FLOAT, (PLACES,)),
            "boxes": (FLOAT, (PLACES, 4)),
            "landmarks": (FLOAT, (PLACES, 5, 2)),
            "checks": (FLOAT, (1,)),
        },
    )
