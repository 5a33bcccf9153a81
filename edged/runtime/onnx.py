"""Sessions on onnxruntime: the CPU one, and the rule that nothing falls back unseen.

Knows onnxruntime; knows nothing of faces or recipes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Tensor
from edged.runtime.session import Feeds, Meter, OnHost, RuntimeChoice, TensorSpec

log = logging.getLogger(__name__)

_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}
"""onnxruntime's type names and numpy's."""


class OnnxSession(OnHost):
    """A model on onnxruntime's CPU provider.

    Args:
        model: the ONNX file, or its bytes, which are let go once they are loaded.
        model_id: for messages.
        threads: intra-op threads, 0 leaves it to the runtime.
        meter: counts the time inside `run`.
    """

    def __init__(
        self, model: Path | bytes, *, model_id: str, threads: int = 0, meter: Meter | None = None
    ) -> None:
        self.model_id = model_id
        self.inputs: Sequence[TensorSpec] = ()
        self.outputs: Sequence[TensorSpec] = ()
        self._model: Path | bytes | None = model
        self._threads = threads
        self._meter = meter or Meter()
        self._session: Any = None
        self._names: list[str] = []

    def __enter__(self) -> OnnxSession:  # noqa: PYI034 - Self needs 3.11
        """Load the file.

        Raises:
            ModelError: the file is absent or no ONNX that onnxruntime takes.
            EngineError: onnxruntime is absent or gave another provider than asked for.
        """
        try:
            import onnxruntime as ort  # noqa: PLC0415 - a GPU box may have none for the CPU
        except ImportError as error:
            msg = "onnxruntime is not installed; run: pip install 'edged[cpu]'"
            raise EngineError(msg) from error
        model = self._model
        source: Any = model
        what = "its graph"
        if model is None:
            msg = f"model {self.model_id}: its bytes were let go; make a new session"
            raise EngineError(msg)
        if isinstance(model, Path):
            what = model.name
            if not model.is_file():
                msg = (
                    f"model {self.model_id}: {what} is not in the model folder; "
                    f"run: edged models pull {self.model_id}"
                )
                raise ModelError(msg)
            source = str(model)
        else:
            self._model = None
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            msg = (
                f"model {self.model_id}: onnxruntime does not load {what} "
                f"({type(error).__name__}); run: edged models verify"
            )
            raise ModelError(msg) from error
        if session.get_providers() != ["CPUExecutionProvider"]:
            msg = f"model {self.model_id}: onnxruntime chose {session.get_providers()}"
            raise EngineError(msg)
        self._session = session
        self.inputs = tuple(_spec(node) for node in session.get_inputs())
        self.outputs = tuple(_spec(node) for node in session.get_outputs())
        self._names = [node.name for node in session.get_outputs()]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the session go."""
        self._session = None

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`."""
        if self._session is None:
            msg = f"model {self.model_id} is not loaded; enter its session first"
            raise EngineError(msg)
        start = time.perf_counter_ns()
        try:
            out: Sequence[Tensor] = self._session.run(self._names, dict(feeds))
        except Exception as error:  # noqa: BLE001 - the text may hold shapes of a frame
            msg = f"model {self.model_id} failed in onnxruntime ({type(error).__name__})"
            raise EngineError(msg) from None
        self._meter.add(time.perf_counter_ns() - start)
        return out


def _spec(node: Any) -> TensorSpec:
    """Makes ours of onnxruntime's description of a tensor."""
    kind = _DTYPES.get(node.type)
    if kind is None:
        msg = f"tensor {node.name} has type {node.type}, which no stage feeds"
        raise ModelError(msg)
    shape = tuple(d if isinstance(d, int) and d > 0 else None for d in node.shape)
    return TensorSpec(node.name, shape, np.dtype(kind))


def choose(require: str | None, prefer: str | None) -> RuntimeChoice:
    """Which runtime serves, given the configuration's wish.

    Only `cpu` can be served by this build of edged; anything else that is *required*
    is an error, and anything else that is *preferred* is served by the CPU and marked
    as not wished for, which makes the device `degraded`.

    Raises:
        EngineError: the required runtime is not here.
    """
    wish = require or prefer or "cpu"
    if wish == "cpu":
        asked = "required" if require else "preferred" if prefer else "the default"
        return RuntimeChoice("cpu", "fp32", f"onnxruntime CPU is {asked}", wished=True)
    if require:
        msg = (
            f"runtime {require!r} is required and this version of edged cannot serve it; "
            'set runtime.require = "cpu" or remove it'
        )
        raise EngineError(msg)
    return RuntimeChoice(
        "cpu", "fp32", f"{wish} is preferred but this version serves only cpu", wished=False
    )
