"""Resizes that follow another tensor's extents, made to follow a factor.

A detector's pyramid enlarges each level to the size of the next one, which its export
works out from shapes at run time.  The factor is the same for every picture; named as
such, no shape is computed while the graph runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from edged.runtime.graph import tools
from edged.runtime.graph.fold import fold_shapes

SIDES = ((640, 640), (320, 416))
"""Two pictures of different form, whose sides every stride divides."""


def scale_by_factors(model: onnx.ModelProto, picture: str) -> int:
    """Rewrite the resizes of a network that takes pictures of any size, in place.

    Args:
        model: its nodes in order.
        picture: its input, [1, 3, h, w].

    Returns:
        How many were rewritten; others, whose factor differs, stay as they are.
    """
    seen = [_factors(model, {picture: (1, 3, *sides)}) for sides in SIDES]
    changed = 0
    for node in model.graph.node:
        one, other = (found.get(node.name) for found in seen)
        if node.op_type != "Resize" or one is None or one != other:
            continue
        name = f"{node.name}/scales"
        tensor = numpy_helper.from_array(np.array(one, np.float32), name)
        model.graph.initializer.append(tensor)
        while len(node.input) < 3:
            node.input.append("")
        node.input[2] = name
        del node.input[3:]
        changed += 1
    tools.prune(model)
    return changed


def _factors(
    model: onnx.ModelProto, shapes: dict[str, Sequence[int]]
) -> dict[str, tuple[float, ...]]:
    """Whole factors of the resizes to computed sizes, by node, for pictures of one size."""
    bare = tools.skeleton(model)
    fold_shapes(bare, shapes)
    known = tools.static_shapes(bare, shapes)
    found = {}
    for node in model.graph.node:
        if node.op_type != "Resize" or len(node.input) < 4 or not node.input[3]:
            continue
        before, after = known.get(node.input[0]), known.get(node.output[0])
        if before and after and all(a % b == 0 for a, b in zip(after, before, strict=True)):
            found[node.name] = tuple(a / b for a, b in zip(after, before, strict=True))
    return found
