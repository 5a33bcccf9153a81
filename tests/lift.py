"""Gives the small public recogniser the input contract of w600k_r50.

It was trained on ImageNet-normalised RGB; two nodes in front turn (x - 127.5) / 127.5
into that.  Its 128 numbers stay 128: the guard's recogniser may have any width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


def lift_recogniser(source: Path, target: Path) -> None:
    """Write the lifted copy."""
    model = onnx.load(str(source))
    graph = model.graph
    inner = graph.input[0].name
    # x = 2 p - 1 with p in 0..1, so (p - mean) / std = x * 0.5 / std + (0.5 - mean) / std
    scale = (0.5 / STD).astype(np.float32).reshape(1, 3, 1, 1)
    shift = ((0.5 - MEAN) / STD).astype(np.float32).reshape(1, 3, 1, 1)
    graph.initializer.extend(
        [numpy_helper.from_array(scale, "lift_scale"), numpy_helper.from_array(shift, "lift_shift")]
    )
    graph.input[0].name = "input.1"
    graph.node.insert(0, helper.make_node("Mul", ["input.1", "lift_scale"], ["lift_scaled"]))
    graph.node.insert(1, helper.make_node("Add", ["lift_scaled", "lift_shift"], [inner]))
    onnx.save(model, str(target))
