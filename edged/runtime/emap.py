"""Finds the embedding map of an inswapper file.

A 512 x 512 initializer that no node reads: by its name in the public file, else by shape.
insightface takes the *last* initializer; an optimised copy has lost the map, and then the
last one is some other array and every face comes out wrong without an error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edged.errors import ModelError
from edged.faces import Floats

NAME = "buff2fs"


def read_emap(path: Path, model_id: str, width: int = 512) -> Floats:
    """The map, (width, width) float32.

    Raises:
        ModelError: the file has none, or several that could be it.
    """
    try:
        graph = onnx.load(str(path)).graph
    except Exception as error:
        msg = f"model {model_id}: {path.name} is no ONNX file; run: edged models verify"
        raise ModelError(msg) from error
    read = {name for node in graph.node for name in node.input}
    square = [i for i in graph.initializer if list(i.dims) == [width, width] and i.name not in read]
    named = [i for i in square if i.name == NAME]
    found = named or square
    if len(found) != 1:
        msg = (
            f"model {model_id}: {path.name} holds {len(found)} embedding maps, one is needed; "
            "it was probably optimised by a tool that drops unread arrays: take the original"
        )
        raise ModelError(msg)
    return np.asarray(numpy_helper.to_array(found[0]), np.float32)
