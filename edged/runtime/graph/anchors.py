"""Anchors of a detector: all answers in one row, the best of them, and where these lie.

An anchor is a cell's corner; cells lie row by row, level after level of rising stride.
The place of an anchor follows from its number, by whole-number arithmetic on the
picture's extents, so that one graph serves every size.  Knows no family.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edged.runtime.graph.emit import FLOAT, INT32, INT64, Emitter
from edged.runtime.graph.work import Work

PLACES = 512
"""Answers of a graph.  A 640 px picture has 16,800 anchors in SCRFD; a face is seen by some
10 to 40 of them, so that 512 hold a crowd, and a stage refuses a picture that has more."""

NONE = -1.0
"""Score of an answer that is no place, where a picture has fewer than `PLACES`."""


@dataclass(frozen=True)
class Grid:
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
class Levels:
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
class Best:
    """The best anchors, best first; k is `PLACES`.

    Attributes:
        boxes, points: float32 [k, 4] and [k, 10], as in `Levels`.
        anchor: float32 [k, 2], x and y of the anchor in strides.
        stride: float32 [k, 1], px.
    """

    boxes: str
    points: str
    anchor: str
    stride: str


def joined(
    after: Emitter,
    work: Work,
    grid: Grid,
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
        return padded(after, grid, rows, name, width)
    return after.concat(rows, 0, name=name)


def padded(after: Emitter, grid: Grid, rows: Sequence[str], name: str, width: int = 0) -> str:
    """Rows, then as many that are no places as a small picture may lack."""
    if not grid.short:
        return after.concat(rows, 0, name=name) if len(rows) > 1 else rows[0]
    fill = np.zeros((PLACES, width)) if width else np.full(PLACES, NONE)
    rest = after.constant(f"{name}/none", fill.astype(np.float32))
    return after.concat([*rows, rest], 0, name=name)


def best_of(after: Emitter, levels: Levels, grid: Grid) -> Best:
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
    return Best(
        boxes=after.op("Gather", levels.boxes, index, name="best/boxes", axis=0),
        points=after.op("Gather", levels.points, index, name="best/points", axis=0),
        anchor=after.cast(pairs, FLOAT, name="anchor"),
        stride=after.cast(step, FLOAT, name="stride"),
    )


def _level_of(after: Emitter, index: str, grid: Grid) -> tuple[str, str, str]:
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
