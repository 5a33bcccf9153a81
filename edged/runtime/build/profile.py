"""The extents that an engine must take: the recipe's faces, the pictures of detectors.

Knows the inputs of prepared graphs by their names' meaning; knows no runtime.
"""

from __future__ import annotations

import onnx

from edged.recipe import Batch
from edged.runtime.backend import Profile, Shapes
from edged.runtime.graph.tools import free_inputs
from edged.runtime.settings import CANVAS_PX


def profile_of(prepared: onnx.ModelProto, batch: Batch) -> Profile:
    """Extents of every input of a prepared graph.

    The first open extent of crops and vectors counts faces; open extents of a picture are
    its sides.
    """
    inputs = {}
    for info in free_inputs(prepared):
        dims = info.type.tensor_type.shape.dim
        if info.name == "picture":
            ranges = [CANVAS_PX] * len(dims)
        else:
            ranges = [(batch.min, batch.opt, batch.max)] * len(dims)
        columns = [
            (int(dim.dim_value),) * 3 if dim.HasField("dim_value") else ranges[axis]
            for axis, dim in enumerate(dims)
        ]
        low, usual, high = (tuple(column[i] for column in columns) for i in range(3))
        inputs[info.name] = Shapes(low, usual, high)
    return Profile(inputs)
