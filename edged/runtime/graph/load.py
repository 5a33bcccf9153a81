"""A recipe's model file, prepared.

Knows how a file is read and what is refused before its weights are; knows recipes.  A
swapper's weights are half a gigabyte, so they are held once while they are read, and twice
while a graph is turned into bytes, not three and four times.
"""

from __future__ import annotations

import io
import logging
import mmap
from pathlib import Path

import onnx

from edged.errors import ModelError
from edged.recipe import Recipe
from edged.runtime.graph.prepare import Prepared, prepare_owned

# Tags of length-delimited fields in onnx.proto: ModelProto.graph and GraphProto.initializer.
_GRAPH_FIELD, _INITIALIZER_FIELD = b"\x3a", b"\x2a"

log = logging.getLogger(__name__)

LARGEST_BYTES = 2**31 - 1
"""A protobuf message, which an ONNX file is, ends here."""


def load_prepared(path: Path, recipe: Recipe, *, batched: bool = True) -> Prepared:
    """Read a model file and prepare its graph.

    Args:
        path: the public file.
        recipe: family and contract.
        batched: see :func:`edged.runtime.graph.prepare.prepare_owned`.

    Raises:
        ModelError: it is absent, no ONNX, too large, or not what the recipe says.
    """
    ready = prepare_owned(
        read_model(path, recipe.id),
        model_id=recipe.id,
        family=recipe.family,
        contract=recipe.contract,
        batched=batched,
    )
    for note in ready.notes:
        log.info("model %s: %s", recipe.id, note)
    return ready


def prepared_bytes(path: Path, recipe: Recipe, *, batched: bool = True) -> bytes:
    """The prepared graph as a runtime loads it from memory; see :func:`load_prepared`."""
    return serialised(load_prepared(path, recipe, batched=batched).model)


def serialised(model: onnx.ModelProto) -> bytes:
    """The model's bytes, weight by weight: protobuf's own way needs room for all of them twice.

    Parts of one message that follow each other are one message by protobuf's rules, so the
    graph comes first without its weights and then again for each of them.
    """
    out = io.BytesIO()
    out.write(_without_weights(model).SerializeToString())
    for tensor in model.graph.initializer:
        value = tensor.SerializeToString()
        head = _INITIALIZER_FIELD + _varint(len(value))
        out.write(_GRAPH_FIELD + _varint(len(head) + len(value)) + head)
        out.write(value)
    return out.getvalue()


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    graph = onnx.GraphProto(name=model.graph.name)
    graph.node.extend(model.graph.node)
    graph.input.extend(model.graph.input)
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    bare = onnx.ModelProto(
        ir_version=model.ir_version, producer_name=model.producer_name, graph=graph
    )
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    return bare


def _varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_model(path: Path, model_id: str) -> onnx.ModelProto:
    """The file as it is.

    Raises:
        ModelError: it is absent, no ONNX or too large.
    """
    if not path.is_file():
        msg = (
            f"model {model_id}: {path.name} is not in the model folder; "
            f"run: edged models pull {model_id}"
        )
        raise ModelError(msg)
    if path.stat().st_size > LARGEST_BYTES:
        msg = f"model {model_id}: {path.name} is larger than 2 GiB, which no ONNX file is"
        raise ModelError(msg)
    model = onnx.ModelProto()
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
            memoryview(whole) as view,
        ):
            model.ParseFromString(view)
    except Exception as error:
        msg = f"model {model_id}: {path.name} is no ONNX file; run: edged models verify"
        raise ModelError(msg) from error
    if not model.graph.node:
        msg = f"model {model_id}: {path.name} holds no graph; run: edged models verify"
        raise ModelError(msg)
    return model
