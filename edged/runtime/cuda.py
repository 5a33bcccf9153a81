"""Sessions on onnxruntime's CUDA provider: never on the CPU unseen.

Buffers are bound once for each set of extents: inputs and outputs lie on the device, the
host's side is page-locked.  Extents that come up first are captured as CUDA graphs, of
which there are a few at most.  A session belongs to the thread that entered it: a graph
and its buffers in two hands give one person another one's face.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Tensor
from edged.runtime.cuda_bound import Bound, CudaArray, bind
from edged.runtime.cuda_options import CudaSettings, option_findings
from edged.runtime.cudart import Cudart, Stream
from edged.runtime.libraries.wheels import ort_install
from edged.runtime.ort import QUIET, OrtModel, import_ort
from edged.runtime.session import DeviceArray, Feeds, Meter

log = logging.getLogger(__name__)

PROVIDER = "CUDAExecutionProvider"
MAX_GRAPHS = 8
"""Sets of extents that are captured as graphs, the first that come up.  They are kept as
long as the session: onnxruntime's CUDA provider cannot let a captured graph go, and under a
number that is used again it would replay the old one, into the old buffers."""
MAX_PASSING = 4
"""Sets of extents beyond those whose buffers are kept; the least recently used one goes."""

_Extents = tuple[tuple[int, ...], ...]
_NO_GRAPH = -1
_ERRORS_ONLY = 3
_threads = threading.local()


def thread_stream() -> Stream:
    """This thread's stream, made at its first use.

    Raises:
        EngineError: CUDA's runtime library cannot be loaded.
    """
    made: Stream | None = getattr(_threads, "stream", None)
    if made is None:
        ort = import_ort("gpu")
        ort.set_default_logger_severity(_ERRORS_ONLY)
        if hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        made = _threads.stream = Stream(Cudart(ort_install().cuda_major))
    return made


class CudaSession(OrtModel):
    """A model on onnxruntime's CUDA provider.

    Args:
        model: the ONNX file, or its bytes.
        model_id: for messages.
        settings: see there.
        meter: counts the time inside `run`.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        model_id: str,
        settings: CudaSettings | None = None,
        meter: Meter | None = None,
    ) -> None:
        super().__init__(model, model_id=model_id, meter=meter)
        self._settings = settings or CudaSettings()
        self._captured: dict[_Extents, Bound] = {}
        self._passing: OrderedDict[_Extents, Bound] = OrderedDict()
        self._graphs = self._settings.graphs
        self._owner = 0
        self._again: str | bytes = b""

    def __enter__(self) -> CudaSession:  # noqa: PYI034 - Self needs 3.11
        """Load the model onto the GPU; this thread owns it from now on.

        Raises:
            ModelError: the file is absent or no ONNX that onnxruntime takes.
            EngineError: not everything of it would run on the GPU.
        """
        wrong = option_findings(self._settings.options)
        if wrong:
            raise EngineError(". ".join(str(one) for one in wrong))
        self._ort = import_ort("gpu")
        self._owner = threading.get_ident()
        self._stream = thread_stream()
        source, what = self._source()
        if self._graphs:
            try:
                self._loaded(self._make(source, what, graphs=True))
            except EngineError as error:
                log.info("model %s: without CUDA graphs: %s", self.model_id, error)
                self._graphs = False
            else:
                self._again = source
                return self
        self._loaded(self._make(source, what, graphs=False))
        return self

    def _make(self, source: str | bytes, what: str, *, graphs: bool) -> Any:
        """An onnxruntime session that is on the GPU, as seen, not as promised."""
        options = self._ort.SessionOptions()
        options.log_severity_level = QUIET
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        if not self._settings.cpu_nodes:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        told = self._settings.provider_options(self._stream.handle, graphs=graphs)
        try:
            session = self._ort.InferenceSession(
                source, options, providers=[(PROVIDER, told)], enable_fallback=0
            )
        except Exception as error:  # noqa: BLE001 - its text may hold this machine's name
            if type(error).__name__ in {"InvalidProtobuf", "InvalidGraph", "NoSuchFile"}:
                msg = f"model {self.model_id}: {what} is no ONNX; run: edged models verify"
                raise ModelError(msg) from None
            msg = (
                f"model {self.model_id}: onnxruntime's CUDA provider does not take {what} "
                f"({type(error).__name__}); see `edged doctor`"
            )
            raise EngineError(msg) from None
        session.disable_fallback()
        if session.get_providers()[:1] != [PROVIDER]:
            chosen = session.get_providers()
            raise EngineError(f"model {self.model_id}: asked for CUDA, onnxruntime chose {chosen}")
        strays = _strays(session)
        if strays and not self._settings.cpu_nodes:
            msg = f"model {self.model_id}: nodes would run off the GPU: {', '.join(strays)}"
            raise EngineError(msg)
        return session

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free everything."""
        self._forget()
        self._session = None
        self._again = b""

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        bound = self._launch(feeds)
        outputs = bound.download(self._stream)
        self._meter.add(time.perf_counter_ns() - start)
        return outputs

    def run_resident(self, feeds: Feeds) -> Sequence[DeviceArray]:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        outputs = self._launch(feeds).outputs
        self._meter.add(time.perf_counter_ns() - start)
        return outputs

    def upload(self, array: Tensor) -> DeviceArray:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        self._check_owner()
        staged = self._stream.cudart.pinned(array.shape, array.dtype)
        np.copyto(staged, array, casting="no")
        made = CudaArray.empty(self._ort, array.shape, array.dtype)
        self._stream.upload(staged, made.ptr)
        self._stream.wait()  # the staging memory is used again at once
        self._meter.moved(time.perf_counter_ns() - start)
        return made

    def download(self, array: DeviceArray, into: Tensor | None = None) -> Tensor:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        self._check_owner()
        if not isinstance(array, CudaArray):
            raise EngineError(f"model {self.model_id}: an array of another device came in")
        host = self._stream.cudart.pinned(array.shape, array.dtype)
        self._stream.download(array.ptr, host)
        self._stream.wait()
        if into is not None:
            np.copyto(into, host, casting="no")
        self._meter.moved(time.perf_counter_ns() - start)
        return host if into is None else into

    def _check_owner(self) -> None:
        """Raises EngineError on another thread than the one that entered."""
        if threading.get_ident() != self._owner:
            raise EngineError(f"model {self.model_id}: its session belongs to another thread")

    def _launch(self, feeds: Feeds) -> Bound:
        """Feed, run, and leave the outputs on the device."""
        self._ready()
        self._check_owner()
        bound = self._bound_for(feeds)
        bound.feed(feeds, self._stream)
        try:
            self._session.run_with_iobinding(bound.binding, bound.options)
        except Exception as error:  # noqa: BLE001 - its text may hold shapes of a frame
            if bound.graph_id == _NO_GRAPH or bound.ran:
                msg = f"model {self.model_id} failed on the GPU ({type(error).__name__})"
                raise EngineError(msg) from None
            return self._without_graphs(feeds, type(error).__name__)
        bound.ran = True
        return bound

    def _without_graphs(self, feeds: Feeds, why: str) -> Bound:
        """A graph could not be captured: make the session anew, without."""
        log.warning("model %s: no CUDA graphs, capture failed (%s)", self.model_id, why)
        self._forget()
        self._session, self._graphs = None, False
        self._loaded(self._make(self._again, "its graph", graphs=False))
        return self._launch(feeds)

    def _bound_for(self, feeds: Feeds) -> Bound:
        """Buffers for the extents of these feeds; see the two bounds above."""
        key = tuple(tuple(feeds[spec.name].shape) for spec in self.inputs)
        found = self._captured.get(key)
        if found is not None:
            return found
        found = self._passing.get(key)
        if found is not None:
            self._passing.move_to_end(key)
            return found
        if self._graphs and len(self._captured) < MAX_GRAPHS:
            made = self._bind(key, len(self._captured))
            if not made.open_outputs:  # a graph writes to fixed places
                self._captured[key] = made
                return made
        if len(self._passing) >= MAX_PASSING:
            self._stream.wait()
            self._passing.popitem(last=False)
        made = self._passing[key] = self._bind(key, _NO_GRAPH)
        return made

    def _bind(self, key: _Extents, graph_id: int) -> Bound:
        return bind(self._ort, self._session, self._stream, key, graph_id)

    def _forget(self) -> None:
        self._captured.clear()
        self._passing.clear()


def _strays(session: Any) -> list[str]:
    """Kinds of nodes that would run elsewhere; onnxruntime tells from 1.24 on."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return []
    return sorted(
        {
            node.op_type
            for part in session.get_provider_graph_assignment_info()
            if part.ep_name != PROVIDER
            for node in part.get_nodes()
        }
    )
