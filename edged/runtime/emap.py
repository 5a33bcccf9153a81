"""Finds the embedding map of an inswapper file.

A 512 x 512 initializer that no node reads: by its name in the public file, else by shape.
insightface takes the *last* initializer; an optimised copy has lost the map, and then the
last one is some other array and every face comes out wrong without an error.

A prepared graph does not carry the map (nothing in it reads it), so it always comes from
the public file.  That is half a gigabyte, of which this is one megabyte: the file is walked
where it lies, and only names and extents are looked at.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from edged.errors import ModelError
from edged.faces import Floats

NAME = "buff2fs"

# Numbers of fields in onnx.proto: ModelProto, GraphProto, TensorProto.
_GRAPH, _NODE, _INITIALIZER, _DIMS, _NAME = 7, 1, 5, 1, 8


def read_emap(path: Path, model_id: str, width: int = 512) -> Floats:
    """The map, (width, width) float32.

    Raises:
        ModelError: the file has none, or several that could be it.
    """
    try:
        with path.open("rb") as file:
            whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        found = _unread(whole, width)
    except Exception as error:
        msg = f"model {model_id}: {path.name} is no ONNX file; run: edged models verify"
        raise ModelError(msg) from error
    found = [tensor for tensor in found if tensor.name == NAME] or found
    if len(found) != 1:
        msg = (
            f"model {model_id}: {path.name} holds {len(found)} embedding maps, one is needed; "
            "it was probably optimised by a tool that drops unread arrays: take the original"
        )
        raise ModelError(msg)
    return np.asarray(numpy_helper.to_array(found[0]), np.float32)


def _unread(whole: memoryview, width: int) -> list[TensorProto]:
    """Square initializers of this width that no node reads.

    Raises:
        ValueError: the file is no ONNX model.
    """
    graphs = [
        value
        for number, value in _fields(whole)
        if number == _GRAPH and isinstance(value, memoryview)
    ]
    if not graphs:
        raise ValueError("no graph")
    read: set[str] = set()
    square: list[tuple[str, memoryview]] = []
    for number, value in _fields(graphs[-1]):
        if not isinstance(value, memoryview):
            continue
        if number == _NODE:
            read.update(NodeProto.FromString(bytes(value)).input)
        elif number == _INITIALIZER:
            name, dims = _head(value)
            if dims == [width, width]:
                square.append((name, value))
    return [TensorProto.FromString(bytes(value)) for name, value in square if name not in read]


def _head(tensor: memoryview) -> tuple[str, list[int]]:
    """Name and extents of a tensor, without its values."""
    name, dims = "", list[int]()
    for number, value in _fields(tensor):
        if number == _DIMS:
            if isinstance(value, int):
                dims.append(value)
            else:
                place = 0
                while place < len(value):
                    extent, place = _varint(value, place)
                    dims.append(extent)
        elif number == _NAME and isinstance(value, memoryview):
            name = str(value, "utf-8")
    return name, dims


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a protobuf message; longer values are views.

    Raises:
        ValueError: it is no protobuf message.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == 2:
            size, place = _varint(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if place + size > len(message):
            raise ValueError("cut off")
        yield number, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """A number of variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
