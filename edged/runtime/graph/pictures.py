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
import onnx
from onnx import numpy_helper

from edged.faces import Floats
from edged.recipe import Contract, Triple
from edged.runtime.graph import tools
from edged.runtime.graph.emit import FLOAT, UINT8, Emitter

RGB_TO_BGR = (2, 1, 0)
TO_PLANES, TO_PIXELS = (0, 3, 1, 2), (0, 2, 3, 1)


FIRST = "pre/float"
"""The first tensor that a prepared graph computes: its bytes as float32 [n, h, w, 3]."""


def _per_channel(values: Triple, *, inverse: bool = False) -> Floats:
    """One number where all three are equal, else [1, 3, 1, 1] in the network's order."""
    array = np.asarray(values, np.float64)
    array = 1.0 / array if inverse else array
    one = array[:1].reshape(()) if np.ptp(array) == 0 else array.reshape(1, 3, 1, 1)
    return np.asarray(one, np.float32)


def take(
    model: onnx.ModelProto,
    picture: onnx.ValueInfoProto,
    source: str,
    contract: Contract,
    prefix: str = "pre/",
) -> str:
    """Put bytes before a file's picture input, which is then no input any more.

    Args:
        model: changed in place.
        picture: the file's input, [n, 3, h, w].
        source: name of the uint8 input, [n, h, w, 3] BGR.
        contract: channels, mean and std.
        prefix: of the names of what is added; a second picture has its own.

    Returns:
        The picture as float32 planes [n, 3, h, w] BGR, 0..255.
    """
    emit = Emitter(model, prefix)
    value = emit.cast(source, FLOAT, name="float")
    planes = value = emit.op("Transpose", value, name="planes", perm=list(TO_PLANES))
    if contract.channels == "rgb" and not _turn_weights(model, picture.name):
        order = emit.constant("order", list(RGB_TO_BGR))
        value = emit.op("Gather", value, order, name="channels", axis=1)
        mean, std = contract.mean, contract.std
    elif contract.channels == "rgb":
        mean, std = contract.mean[::-1], contract.std[::-1]
    else:
        mean, std = contract.mean, contract.std
    value = emit.moved(value, -_per_channel(mean), name="centred")
    value = emit.scaled(value, _per_channel(std, inverse=True), name="scaled")
    value = typed(emit, value, picture.type.tensor_type.elem_type)
    tools.rename(model, {picture.name: value})
    return planes


def take_pixels(
    model: onnx.ModelProto, picture: onnx.ValueInfoProto, source: str, contract: Contract
) -> None:
    """:func:`take` for a file whose picture input is [n, h, w, 3], as bytes are anyway."""
    emit = Emitter(model, "pre/")
    value = emit.cast(source, FLOAT, name="float", out=FIRST)
    if contract.channels == "rgb":
        value = emit.op(
            "Gather", value, emit.constant("order", list(RGB_TO_BGR)), name="channels", axis=3
        )
    mean, std = (
        one.reshape(-1) if one.ndim else one
        for one in (_per_channel(contract.mean), _per_channel(contract.std, inverse=True))
    )
    value = emit.moved(value, -mean, name="centred")
    value = emit.scaled(value, std, name="scaled")
    tools.rename(model, {picture.name: typed(emit, value, picture.type.tensor_type.elem_type)})


def _turn_weights(model: onnx.ModelProto, picture: str) -> bool:
    """Let the first convolutions read BGR where they read RGB; whether all readers are such.

    Their weights are turned round along the input's channels, which changes no number, and
    saves a pass over the picture at every run.
    """
    constants = tools.initializers(model)
    readers = [node for node in model.graph.node if picture in node.input]
    for node in readers:
        plain = node.op_type == "Conv" and tools.attribute(node, "group", 1) == 1
        if not plain or node.input[1] not in constants:
            return False
    turned = {node.input[1] for node in readers}
    for name in sorted(turned):
        weight = np.ascontiguousarray(tools.array(constants[name])[:, ::-1])
        model.graph.initializer.append(numpy_helper.from_array(weight, f"{name}/bgr"))
    for node in readers:
        node.input[1] = f"{node.input[1]}/bgr"
    return bool(readers)


def typed(emit: Emitter, value: str, elem_type: int) -> str:
    """A float32 tensor as the type that the file declares."""
    return value if elem_type == FLOAT else emit.cast(value, elem_type, name="typed")


def floats(emit: Emitter, value: str, elem_type: int) -> str:
    """A tensor of the file's type as float32."""
    return value if elem_type == FLOAT else emit.cast(value, FLOAT, name="float")


def pixels(emit: Emitter, planes: str, contract: Contract) -> str:
    """The network's planes in its own range -> float32 planes BGR, 0..255, clipped."""
    value = emit.scaled(planes, _per_channel(contract.out_std), name="scaled")
    value = emit.moved(value, _per_channel(contract.out_mean), name="moved")
    bounds = emit.constant("black", 0.0), emit.constant("white", 255.0)
    value = emit.op("Clip", value, *bounds, name="clipped")
    if contract.channels == "rgb":
        order = emit.constant("order", list(RGB_TO_BGR))
        value = emit.op("Gather", value, order, name="channels", axis=1)
    return value


def give(emit: Emitter, planes: str, to: str) -> str:
    """Float planes BGR 0..255 -> uint8 [n, h, w, 3], rounded half to even as OpenCV does."""
    value = emit.op("Round", planes, name="rounded")
    value = emit.op("Transpose", value, name="pixels", perm=list(TO_PIXELS))
    return emit.cast(value, UINT8, name="bytes", out=to)
