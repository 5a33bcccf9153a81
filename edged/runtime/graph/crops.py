"""The families that take crops: recogniser, restorer, and those that give numbers.

Knows their contracts (which input is what, by rank, since names differ by export) and
puts bytes in and bytes out around the file's network.
"""

from __future__ import annotations

import onnx
from onnx import TensorProto

from edged.runtime.graph import pictures, tools
from edged.runtime.graph.emit import FLOAT, UINT8, Emitter
from edged.runtime.graph.work import Work, declare

CHANNELS = 3


def arcface(work: Work) -> None:
    """`crops` -> `embeddings` [n, d], as the network gives them."""
    _numbers(work, "embeddings")


def numbers(work: Work) -> None:
    """`crops` -> `values` [n, ...], as the network gives them: landmarks, scores."""
    _numbers(work, "values")


def chances(work: Work) -> None:
    """The same for classes: `values` [n, classes] sum to 1, whether or not the file's did."""
    output = work.model.graph.output[0].name
    if tools.producers(work.model)[output].op_type != "Softmax":
        after = Emitter(work.model, "post/")
        # The model's own description of its output keeps its shape under the new name.
        work.model.graph.output[0].name = after.op("Softmax", output, name="chances", axis=-1)
    _numbers(work, "values")


def _numbers(work: Work, name: str) -> None:
    """`crops` -> the first output in float32 under this name."""
    picture, output = work.picture_input(), work.model.graph.output[0]
    side, kind = work.square(picture), type_of(work, output.name)
    pictures.take(work.model, picture, "crops", work.contract)
    extents = output.type.tensor_type.shape.dim
    named = [extent.dim_value or f"d{i}" for i, extent in enumerate(extents)]
    shape = named[1:] if named else ["d"]
    if kind == FLOAT:
        tools.rename(work.model, {output.name: name})
    else:
        after = Emitter(work.model, "post/")
        after.cast(output.name, FLOAT, name="float", out=name)
    declare(
        work,
        {"crops": (UINT8, (work.faces, side, side, CHANNELS))},
        {name: (FLOAT, (work.faces, *shape))},
    )


def restorer(work: Work) -> None:
    """`crops`, `strength` and perhaps `fidelity` -> `restored`, blended, and `checks`."""
    picture = work.picture_input()
    numbers = [*work.inputs(0), *work.inputs(1)]
    if len(numbers) > 1:
        what = f"it has {len(numbers)} inputs beside the picture, a restorer has one at most"
        raise work.wrong(what)
    side, output = work.square(picture), work.model.graph.output[0].name
    crop = pictures.take(work.model, picture, "crops", work.contract)
    names: dict[str, str] = {}
    crops = (UINT8, (work.faces, side, side, CHANNELS))
    inputs = {"crops": crops, "strength": (FLOAT, (1,))}
    for info in numbers:
        inputs["fidelity"] = (FLOAT, (1,))
        names[info.name] = _number(work, "fidelity", info)
    after = Emitter(work.model, "post/")
    planes = pictures.floats(after, output, type_of(work, output))
    check(after, planes)
    clipped = pictures.pixels(after, planes, work.contract)
    rest = after.op("Sub", after.constant("one", 1.0), "strength", name="rest")
    blended = after.op(
        "Add",
        after.op("Mul", clipped, "strength", name="net"),
        after.op("Mul", crop, rest, name="crop"),
        name="blended",
    )
    pictures.give(after, blended, "restored")
    tools.rename(work.model, names)
    declare(work, inputs, {"restored": crops, "checks": (FLOAT, (work.faces,))})


def _number(work: Work, source: str, info: onnx.ValueInfoProto) -> str:
    """A float32 [1] as the file declares its number: rank 0 or 1, of whatever type."""
    emit = Emitter(work.model, f"pre/{source}/")
    value = source
    kind = info.type.tensor_type
    if not len(kind.shape.dim):
        value = emit.reshaped(value, (), name="scalar")
    return pictures.typed(emit, value, kind.elem_type)


def check(after: Emitter, planes: str) -> None:
    """The mean over a picture, which one value that is not finite spoils."""
    after.mean(planes, (1, 2, 3), name="mean", out="checks")


def type_of(work: Work, output: str) -> int:
    """Type of an output, which a file may leave unsaid."""
    for info in work.model.graph.output:
        if info.name == output and info.type.tensor_type.elem_type:
            return int(info.type.tensor_type.elem_type)
    return int(tools.infer(work.model)[output].elem_type or TensorProto.FLOAT)
