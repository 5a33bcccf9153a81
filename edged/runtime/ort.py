"""What the sessions on onnxruntime share: importing it, a model's source, its tensors.

Knows onnxruntime; knows no provider, no faces and no recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Tensor
from edged.runtime.session import Meter, TensorSpec

_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
"""onnxruntime's type names and numpy's."""

QUIET = 4
"""Only fatal lines of onnxruntime's own log: what matters is raised and worded by us, and
its text can hold shapes of a frame or this machine's name."""


def import_ort(extra: str) -> ModuleType:
    """The package `onnxruntime`.

    Args:
        extra: of edged that brings it, for the message.

    Raises:
        EngineError: it is absent.
    """
    try:
        import onnxruntime as ort  # noqa: PLC0415 - a box with TensorRT may have none
    except ImportError as error:
        msg = f"onnxruntime is not installed; run: pip install 'edged[{extra}]'"
        raise EngineError(msg) from error
    module: ModuleType = ort
    return module


class OrtModel:
    """The part of a session that is the same on every provider.

    Args:
        model: the ONNX file, or its bytes, which are let go once they are loaded.
        model_id: for messages.
        meter: counts the time inside `run`.
    """

    def __init__(self, model: Path | bytes, *, model_id: str, meter: Meter | None) -> None:
        self.model_id = model_id
        self.inputs: Sequence[TensorSpec] = ()
        self.outputs: Sequence[TensorSpec] = ()
        self._model: Path | bytes | None = model
        self._meter = meter or Meter()
        self._session: Any = None

    def _source(self) -> tuple[str | bytes, str]:
        """What onnxruntime is given, and what messages call it.

        Raises:
            ModelError: the file is absent.
            EngineError: the bytes were given before.
        """
        model = self._model
        if model is None:
            msg = f"model {self.model_id}: its bytes were let go; make a new session"
            raise EngineError(msg)
        if isinstance(model, bytes):
            return model, "its graph"
        if not model.is_file():
            msg = (
                f"model {self.model_id}: {model.name} is not in the model folder; "
                f"run: edged models pull {self.model_id}"
            )
            raise ModelError(msg)
        return str(model), model.name

    def _loaded(self, session: Any) -> None:
        """Take a session that came up; bytes are let go.

        Raises:
            ModelError: a tensor has a type that no stage feeds.
        """
        self.inputs = tuple(spec_of(node) for node in session.get_inputs())
        self.outputs = tuple(spec_of(node) for node in session.get_outputs())
        self._session = session
        if isinstance(self._model, bytes):
            self._model = None

    def _ready(self) -> Any:
        """The session.

        Raises:
            EngineError: it is not entered.
        """
        if self._session is None:
            msg = f"model {self.model_id} is not loaded; enter its session first"
            raise EngineError(msg)
        return self._session


def spec_of(node: Any) -> TensorSpec:
    """Makes ours of onnxruntime's description of a tensor.

    Raises:
        ModelError: no stage feeds its type.
    """
    kind = _DTYPES.get(node.type)
    if kind is None:
        msg = f"tensor {node.name} has type {node.type}, which no stage feeds"
        raise ModelError(msg)
    shape = tuple(d if isinstance(d, int) and d > 0 else None for d in node.shape)
    return TensorSpec(node.name, shape, np.dtype(kind))


def plain_run(session: Any, specs: Sequence[TensorSpec], feeds: Any) -> Sequence[Tensor]:
    """One run with feeds and outputs in host memory."""
    out: Sequence[Tensor] = session.run([spec.name for spec in specs], dict(feeds))
    return out
