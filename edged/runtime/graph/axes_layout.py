"""Where operators that only move values put the faces; see :mod:`edged.runtime.graph.axes`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from edged.runtime.graph.axes import Place, Scene, Stuck, only_first, whole, wholes

ENDLESS = 2**31 - 1
"""An end that every exporter and runtime takes for "to the end"."""


def transpose(node: onnx.NodeProto, scene: Scene) -> int:
    """The axis goes where it is sent."""
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    perm = wholes(node, scene, "perm", 9) or list(reversed(range(rank)))
    return perm.index(axis)


def reshape(node: onnx.NodeProto, scene: Scene) -> Place:
    """The target's extent in which the faces come to lie stays open."""
    axis = only_first(node, scene)
    before, after = scene.shape(node.input[0]), scene.shape(node.output[0])
    old = Place(axis, scene.outer(node.input[0]))
    new = scene.choose(_same_start(before, old, after))
    target, place = scene.constant(node.input[1]), new.axis
    if target[place] == -1 or (target[place] == 0 and place == axis):
        rest = np.delete(target, place)
        if target[place] == -1 or not (rest == -1).any():
            return new
    opened = np.array(after, np.int64)
    copied = place == axis and after[place] == before[axis] and not whole(node, "allowzero", 0)
    opened[place] = 0 if copied else -1
    scene.replace(1, opened)
    return new


def _same_start(before: Sequence[int], old: Place, after: Sequence[int]) -> list[Place]:
    """Places in `after` at which the faces begin at the same element, likeliest first.

    An axis that is as long as the one they come in on is likelier than one that is not,
    and one that begins with them likelier than one that has something outside them.
    """
    start = int(np.prod(before[: old.axis])) * old.outer
    found = []
    for axis, extent in enumerate(after):
        outside = int(np.prod(after[:axis]))
        if start % outside == 0 and extent % (start // outside) == 0:
            found.append(Place(axis, start // outside))
    if not found:
        what = f"it cuts the faces up ({list(before)} to {list(after)})"
        raise Stuck(what)
    like = (old.outer, before[old.axis])
    return sorted(found, key=lambda p: ((p.outer, after[p.axis]) != like, p.outer != 1))


def flatten(node: onnx.NodeProto, scene: Scene) -> int:
    """All extents before and all from an axis on."""
    axis, shape = only_first(node, scene), scene.shape(node.input[0])
    cut = whole(node, "axis", 1) % (len(shape) + 1)
    first = 0 if axis < cut else cut
    if np.prod(shape[first:axis]) != 1:
        raise Stuck("it cuts the faces up")
    return int(axis >= cut)


def squeeze(node: onnx.NodeProto, scene: Scene) -> int:
    """Squeeze: not the faces' own axis."""
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    axes = wholes(node, scene, "axes", 1)
    gone = {a % rank for a in axes} if axes is not None else {axis}
    if axis in gone:
        raise Stuck("it takes the faces' axis away")
    return axis - sum(a < axis for a in gone)


def unsqueeze(node: onnx.NodeProto, scene: Scene) -> int:
    """Unsqueeze: new axes before the faces' move it."""
    axes = wholes(node, scene, "axes", 1) or []
    rank = len(scene.shape(node.input[0])) + len(axes)
    added = {a % rank for a in axes}
    kept = [place for place in range(rank) if place not in added]
    return kept[only_first(node, scene)]


def concat(node: onnx.NodeProto, scene: Scene) -> int:
    """Concat: beside the faces; what is the same for all is repeated."""
    axes = {a for name in node.input if (a := scene.axis(name)) is not None}
    if len(axes) != 1:
        raise Stuck("faces come in on different axes")
    (axis,) = axes
    if whole(node, "axis", 0) % len(scene.shape(node.output[0])) == axis:
        raise Stuck("it joins along the faces")
    for index, name in enumerate(node.input):
        if scene.axis(name) is None:
            scene.spread(index, axis)
    return axis


def split(node: onnx.NodeProto, scene: Scene) -> int:
    """Split: not along the faces."""
    axis = only_first(node, scene)
    if whole(node, "axis", 0) % len(scene.shape(node.input[0])) == axis:
        raise Stuck("it splits the faces")
    return axis


def cut_out(node: onnx.NodeProto, scene: Scene) -> int:
    """Slice: along the faces only the whole, whose end is left open."""
    axis, shape = only_first(node, scene), scene.shape(node.input[0])
    starts, ends = (scene.constant(name) for name in node.input[1:3])
    axes = list(range(len(starts)))
    if len(node.input) > 3 and node.input[3]:
        axes = [int(a) % len(shape) for a in scene.constant(node.input[3])]
    if axis in axes:
        place = axes.index(axis)
        steps = scene.constant(node.input[4]) if len(node.input) > 4 and node.input[4] else None
        all_of_it = starts[place] == 0 and ends[place] >= shape[axis]
        if not all_of_it or (steps is not None and steps[place] != 1):
            raise Stuck("it takes a part of the faces")
        if ends[place] < ENDLESS:
            opened = np.array(ends)
            opened[place] = ENDLESS
            scene.replace(2, opened)
    return axis


def pad(node: onnx.NodeProto, scene: Scene) -> int:
    """Pad: not along the faces."""
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    axes = list(range(rank))
    if len(node.input) > 3 and node.input[3]:
        axes = [int(a) % rank for a in scene.constant(node.input[3])]
    pads = scene.constant(node.input[1]).reshape(2, -1)
    if axis in axes and pads[:, axes.index(axis)].any():
        raise Stuck("it pads along the faces")
    return axis


def expand(node: onnx.NodeProto, scene: Scene) -> int:
    """Expand: along the faces by 1."""
    axis, shape = only_first(node, scene), scene.shape(node.input[0])
    target = np.array(scene.constant(node.input[1]))
    place = len(target) - (len(shape) - axis)
    if place >= 0 and target[place] != 1:
        if target[place] != shape[axis]:
            raise Stuck("it repeats the faces")
        target[place] = 1
        scene.replace(1, target)
    return len(scene.shape(node.output[0])) - (len(shape) - axis)


def tile(node: onnx.NodeProto, scene: Scene) -> int:
    """Tile: along the faces once."""
    axis = only_first(node, scene)
    if scene.constant(node.input[1])[axis] != 1:
        raise Stuck("it repeats the faces")
    return axis


def gather(node: onnx.NodeProto, scene: Scene) -> int:
    """Gather: entries of what is the same for all, or not along the faces."""
    data, index = scene.axis(node.input[0]), scene.axis(node.input[1])
    rank, wide = len(scene.shape(node.input[0])), len(scene.shape(node.input[1]))
    along = whole(node, "axis", 0) % rank
    if data is None and index is not None:
        return along + index
    if data is None or index is not None or data == along:
        raise Stuck("it takes entries along the faces")
    return data if data < along else data - 1 + wide


def elements(node: onnx.NodeProto, scene: Scene) -> int:
    """GatherElements, ScatterElements: all inputs alike, not along the faces."""
    axes = {a for name in node.input if (a := scene.axis(name)) is not None}
    rank = len(scene.shape(node.input[0]))
    if len(axes) != 1 or whole(node, "axis", 0) % rank in axes:
        raise Stuck("it takes entries along the faces")
    (axis,) = axes
    for position, name in enumerate(node.input):
        if scene.axis(name) is None:
            scene.spread(position, axis)
    return axis


def one_hot(node: onnx.NodeProto, scene: Scene) -> int:
    """OneHot: a new axis beside the faces."""
    axis, rank = only_first(node, scene), len(scene.shape(node.input[0]))
    added = whole(node, "axis", -1) % (rank + 1)
    return axis if axis < added else axis + 1


def triangle(node: onnx.NodeProto, scene: Scene) -> int:
    """Trilu: of matrices in a stack."""
    axis = only_first(node, scene)
    if axis >= len(scene.shape(node.input[0])) - 2:
        raise Stuck("it compares the faces")
    return axis
