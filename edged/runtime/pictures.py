"""What an engine for a picture graph must take: the extents of frames, canvases and faces.

Knows the symbols that the graphs name their extents by.
"""

from __future__ import annotations

import onnx

from edged.runtime.backend import Profile, Shapes
from edged.runtime.graph.picture import BUCKETS, LARGEST_CROP_PX, SMALLEST_PX, TILE_PX
from edged.runtime.settings import CANVAS_PX

LARGEST_PX = 2048
"""Side of a frame that engines are built for: they hold memory for the largest extents, and
at 4096 px the seven would take more than a gigabyte of it on a Jetson."""

_Range = tuple[int, int, int]

CROP_PX: _Range = (16, 128, LARGEST_CROP_PX)
"""At least, usually, at most."""


def profile_of_picture(graph: onnx.ModelProto) -> Profile:
    """Extents of every input of a picture graph."""
    sides = {info.name: info.type.tensor_type.shape.dim for info in graph.graph.input}
    tile = CANVAS_PX
    if "alpha" in sides:
        tile = (SMALLEST_PX, 384, TILE_PX[sides["crops"][0].dim_value])
    ranges: dict[str, _Range] = {
        "H": (SMALLEST_PX, 1080, LARGEST_PX),
        "W": (SMALLEST_PX, 1920, LARGEST_PX),
        "h": tile,
        "w": tile,
        "n": (BUCKETS[0], BUCKETS[0], BUCKETS[-1]),
        "S": CROP_PX,
    }

    def shapes(name: str) -> Shapes:
        columns = [
            ranges[dim.dim_param] if dim.dim_param else (int(dim.dim_value),) * 3
            for dim in sides[name]
        ]
        low, usual, high = (tuple(column[i] for column in columns) for i in range(3))
        return Shapes(low, usual, high)

    return Profile({name: shapes(name) for name in sides})
