"""One FP32 pass over a network just made, and the last layer set by what it shows.

Three random projections of features that hang together have no spread to count on; so the
picture's mean and spread are measured once and put right in the layer that makes it.  The
corrections are rounded to three digits, so that they do not carry a processor's own
rounding into the weights.  Knows onnxruntime's CPU provider.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edged.errors import EngineError
from edged.faces import Floats

PICTURE_STD = 0.37
"""Of a picture whose range is -1..1: 47 grey levels."""


def measure(
    model: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]], names: Sequence[str]
) -> dict[str, Floats]:
    """The named values, each (1, c, h, w), of one pass.

    Raises:
        EngineError: onnxruntime is absent.
    """
    try:
        import onnxruntime as ort  # noqa: PLC0415 - a GPU box may have none for the CPU
    except ImportError as error:
        msg = "synthetic networks are calibrated on onnxruntime; run: pip install 'edged[cpu]'"
        raise EngineError(msg) from error
    kept = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    try:
        raw = model.SerializeToString()
    finally:
        del model.graph.output[:]
        model.graph.output.extend(kept)
    session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
    del raw
    values = session.run(list(names), dict(feeds))
    return dict(zip(names, values, strict=True))


def retune(
    model: onnx.ModelProto, layer: str, std: float | NDArray[np.float64], seen: Floats
) -> None:
    """Scale a layer's weights and set its bias, so that each channel has mean 0 and `std`.

    Args:
        model: changed in place.
        layer: stem of `.weight` (channels first, or second after an extent of 1) and `.bias`.
        std: wanted, one for all channels or one for each.
        seen: (1, c, h, w), what the layer gives now.
    """
    gain = _rounded(std / seen.std((0, 2, 3), np.float64))
    shift = _rounded(-gain * seen.mean((0, 2, 3), np.float64))
    for tensor in model.graph.initializer:
        if tensor.name == f"{layer}.weight":
            array = numpy_helper.to_array(tensor)
            axis = 0 if array.shape[0] == gain.size else 1
            shape = [1] * array.ndim
            shape[axis] = gain.size
            _write(tensor, array * gain.reshape(shape))
        elif tensor.name == f"{layer}.bias":
            array = numpy_helper.to_array(tensor)
            _write(tensor, array.reshape(-1) * gain + shift)


def expose(
    model: onnx.ModelProto,
    feeds: Mapping[str, NDArray[Any]],
    shares: Mapping[str, float],
    *,
    std: float = PICTURE_STD,
) -> None:
    """Give a picture that is a sum over levels its mean and spread: each level, then all.

    Args:
        model: changed in place.
        feeds: one crop.
        shares: standard deviation that each level's layer adds, coarsest first; each level
            has twice the extent of the one before.
        std: of the picture.
    """
    seen = measure(model, feeds, list(shares))
    picture = np.zeros((3, 1, 1), np.float32)
    for name, share in shares.items():
        value = seen[name][0] - seen[name][0].mean((1, 2), keepdims=True)
        value *= share / value.std((1, 2), keepdims=True)
        picture = value + (_doubled(picture) if picture.any() else 0)
    whole = std / picture.std((1, 2), dtype=np.float64)
    for name, share in shares.items():
        retune(model, name, share * whole, seen[name])


def _doubled(picture: Floats) -> Floats:
    """(3, h, w) to (3, 2 h, 2 w), bilinear."""
    planes = cv2.resize(picture.transpose(1, 2, 0), None, fx=2, fy=2)
    return np.asarray(planes, np.float32).transpose(2, 0, 1)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """To three digits."""
    return np.array([float(f"{value:.3g}") for value in values])


def _write(tensor: onnx.TensorProto, values: NDArray[Any]) -> None:
    """Other values under the same name and extents."""
    like: Floats = np.asarray(values, np.float32).reshape(tuple(tensor.dims))
    tensor.CopyFrom(numpy_helper.from_array(like, tensor.name))
