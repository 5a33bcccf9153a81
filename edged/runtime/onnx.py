"""Sessions on onnxruntime's CPU provider.

Knows onnxruntime; knows nothing of faces or recipes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from edged.errors import EngineError, ModelError
from edged.faces import Tensor
from edged.runtime.failures import run_failure
from edged.runtime.ort import OrtModel, import_ort, plain_run
from edged.runtime.session import Feeds, Meter, OnHost

_PROVIDERS = ["CPUExecutionProvider"]
_ERRORS_ONLY = 3


class OnnxSession(OrtModel, OnHost):
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
        super().__init__(model, model_id=model_id, meter=meter)
        self._threads = threads

    def __enter__(self) -> OnnxSession:  # noqa: PYI034 - Self needs 3.11
        """Load the file.

        Raises:
            ModelError: the file is absent or no ONNX that onnxruntime takes.
            EngineError: onnxruntime is absent or gave another provider than asked for.
        """
        ort = import_ort("cpu")
        source, what = self._source()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        # Each session has threads of its own.  Those that spin after a run take the cores of the
        # next session's: a booth showed 4 frames a second and not 10 (tests/bench/RESULTS.md).
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _ERRORS_ONLY
        try:
            session = ort.InferenceSession(source, options, providers=_PROVIDERS)
        except Exception as error:
            msg = (
                f"model {self.model_id}: onnxruntime does not load {what} "
                f"({type(error).__name__}); run: edged models verify"
            )
            raise ModelError(msg) from error
        if session.get_providers() != _PROVIDERS:
            msg = f"model {self.model_id}: onnxruntime chose {session.get_providers()}"
            raise EngineError(msg)
        self._loaded(session)
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
        session = self._ready()
        start = time.perf_counter_ns()
        try:
            out = plain_run(session, self.outputs, feeds)
        except Exception as error:  # noqa: BLE001 - the text may hold shapes of a frame
            raise run_failure(self.model_id, "in onnxruntime", error) from None
        self._meter.add(time.perf_counter_ns() - start)
        return out
