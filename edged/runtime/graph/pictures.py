"""Pictures in and out of a network: bytes to its floats at the front, and back at the end.

`pre/` nodes take uint8 [n, h, w, 3] BGR to what the file's picture input wants; `post/`
nodes take its picture output back.  TensorRT takes uint8 at a network's ends only, so
casts are the first and the last node (its parser refuses a transpose of bytes); the
order of the others was measured on onnxruntime's CPU provider (640 px: cast, transpose,
gather, subtract, multiply 0.65 ms; the same as a 1x1 convolution 2.6 ms).
Knows a recipe's normalisation; knows no family.
"""

from __future__ import annotations

import numpy as np

from edged.faces import Floats
from edged.recipe import Contract, Triple
from edged.runtime.graph.emit import FLOAT, UINT8, Emitter

RGB_TO_BGR = (2, 1, 0)
TO_PLANES, TO_PIXELS = (0, 3, 1, 2), (0, 2, 3, 1)


def _per_channel(values: Triple, *, inverse: bool = False) -> Floats:
    """One number where all three are equal, else [1, 3, 1, 1] in the network's order."""
    array = np.asarray(values, np.float64)
    array = 1.0 / array if inverse else array
    one = array[:1].reshape(()) if np.ptp(array) == 0 else array.reshape(1, 3, 1, 1)
    return np.asarray(one, np.float32)


def take(emit: Emitter, source: str, contract: Contract, elem_type: int) -> tuple[str, str]:
    """The front: bytes to (pixel - mean) / std as planes in the network's channel order.

    Args:
        emit: with the prefix "pre/".
        source: the uint8 input, [n, h, w, 3] BGR.
        contract: channels, mean and std.
        elem_type: of the file's input.

    Returns:
        The planes before normalisation, float32 [n, 3, h, w] 0..255, and after it, of the
        type that the file wants.
    """
    value = emit.cast(source, FLOAT, name="float")
    value = emit.op("Transpose", value, name="planes", perm=list(TO_PLANES))
    if contract.channels == "rgb":
        order = emit.constant("order", list(RGB_TO_BGR))
        value = emit.op("Gather", value, order, name="channels", axis=1)
    planes = value
    value = emit.moved(value, -_per_channel(contract.mean), name="centred")
    value = emit.scaled(value, _per_channel(contract.std, inverse=True), name="scaled")
    return planes, typed(emit, value, elem_type)


def typed(emit: Emitter, value: str, elem_type: int) -> str:
    """A float32 tensor as the type that the file declares."""
    return value if elem_type == FLOAT else emit.cast(value, elem_type, name="typed")


def floats(emit: Emitter, value: str, elem_type: int) -> str:
    """A tensor of the file's type as float32."""
    return value if elem_type == FLOAT else emit.cast(value, FLOAT, name="float")


def pixels(emit: Emitter, planes: str, contract: Contract) -> str:
    """The network's planes in its own range -> float32 planes 0..255, clipped."""
    value = emit.scaled(planes, _per_channel(contract.out_std), name="scaled")
    value = emit.moved(value, _per_channel(contract.out_mean), name="moved")
    bounds = emit.constant("black", 0.0), emit.constant("white", 255.0)
    return emit.op("Clip", value, *bounds, name="clipped")


def give(emit: Emitter, planes: str, contract: Contract, to: str) -> str:
    """Float planes 0..255 -> uint8 [n, h, w, 3] BGR, rounded half to even as OpenCV does."""
    value = emit.op("Round", planes, name="rounded")
    if contract.channels == "rgb":
        order = emit.constant("order", list(RGB_TO_BGR))
        value = emit.op("Gather", value, order, name="channels", axis=1)
    value = emit.op("Transpose", value, name="pixels", perm=list(TO_PIXELS))
    return emit.cast(value, UINT8, name="bytes", out=to)
