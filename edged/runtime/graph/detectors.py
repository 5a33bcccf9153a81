"""The detector families: SCRFD and YuNet, decoded in the graph.

Both give a score, a box and five landmarks at every anchor of three strides.  The graph
takes the best `PLACES` by score and works out coordinates of these alone.  What is below a
threshold and what overlaps is the host's to drop: it knows the threshold.
"""

from __future__ import annotations

import numpy as np

from edged.runtime.graph import pictures
from edged.runtime.graph.anchors import PLACES, Grid, Levels, best_of, joined, padded
from edged.runtime.graph.emit import FLOAT, UINT8, Emitter
from edged.runtime.graph.upsample import scale_by_factors
from edged.runtime.graph.work import Extent, Work, cut, declare

STRIDES = (8, 16, 32)

YUNET_KINDS = ("cls", "obj", "bbox", "kps")


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
    levels = Levels(
        joined(after, work, grid, names[:count], name="all/scores"),
        joined(after, work, grid, names[count : 2 * count], name="all/distances", width=4),
        joined(after, work, grid, names[2 * count :], name="all/shifts", width=10),
    )
    best = best_of(after, levels, grid)
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
        joined(after, work, grid, names["cls"], name="all/cls", pad=False),
        joined(after, work, grid, names["obj"], name="all/obj", pad=False),
        name="all/product",
    )
    root = after.op("Sqrt", product, name="all/root")
    levels = Levels(
        padded(after, grid, [root], "all/scores"),
        joined(after, work, grid, names["bbox"], name="all/shapes", width=4),
        joined(after, work, grid, names["kps"], name="all/shifts", width=10),
    )
    best = best_of(after, levels, grid)
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


def _front(work: Work, strides: tuple[int, ...], anchors: int) -> Grid:
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
    return Grid(strides, anchors, sides, planes)


def _landmarks(after: Emitter, moves: str, anchor: str) -> None:
    """Moves [k, 10] from anchors [k, 2], both px -> `landmarks` [k, 5, 2]."""
    five = after.concat([anchor] * 5, 1, name="landmarks/anchors")
    points = after.op("Add", five, moves, name="landmarks/points")
    after.reshaped(points, (-1, 5, 2), name="landmarks", out="landmarks")


def _finish(work: Work, after: Emitter, levels: Levels, grid: Grid) -> None:
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
