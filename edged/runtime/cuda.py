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
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edged.errors import EngineError
from edged.faces import Tensor
from edged.runtime.cuda_bound import Bound, CudaArray, bind
from edged.runtime.cuda_open import Maker, OpenGraph, open_graph
from edged.runtime.cuda_options import CudaSettings, option_findings
from edged.runtime.cudart import Cudart, Stream
from edged.runtime.failures import LostError, run_failure
from edged.runtime.libraries.wheels import ort_install
from edged.runtime.ort import OrtModel, import_ort
from edged.runtime.session import DeviceArray, Feeds, Meter

log = logging.getLogger(__name__)

MAX_GRAPHS = 8
"""Sets of extents that are captured as graphs, the first that come up.  They are kept as
long as the session: onnxruntime's CUDA provider cannot let a captured graph go, and under a
number that is used again it would replay the old one, into the old buffers."""
MAX_PASSING = 4
"""Sets of extents beyond those whose buffers are kept; the least recently used one goes."""

MAX_FIXED = 8
"""Sessions of a graph that must have its extents fixed; the least recently used one goes."""
TRIAL_EXTENT = 64
"""Every open extent of the first such session, a multiple of every network's stride."""

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
        model: the ONNX file, or its bytes, which are kept.
        model_id: for messages.
        settings: see there.
        meter: counts the time inside `run`.
        half: whether the model has weights in FP16; see :meth:`CudaSettings.provider_options`.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        model_id: str,
        settings: CudaSettings | None = None,
        meter: Meter | None = None,
        half: bool = False,
    ) -> None:
        super().__init__(model, model_id=model_id, meter=meter)
        self._half = half
        self._settings = settings or CudaSettings()
        self._captured: dict[_Extents, Bound] = {}
        self._passing: OrderedDict[_Extents, Bound] = OrderedDict()
        self._graphs = self._settings.graphs
        self._fixed: OpenGraph | None = None
        self._maker: Maker | None = None
        self._owner = 0
        self._dropped = False

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
        self._maker = Maker(
            self._ort, source, what, self.model_id, self._settings, self._stream.handle, self._half
        )
        try:
            self._loaded(self._make())
        except EngineError as error:
            self._open_fixed(source, error)
        return self

    def _make(self, extents: Mapping[str, int] | None = None) -> Any:
        """A session that captures graphs where it can; see :meth:`Maker.make`."""
        maker = self._maker
        if maker is None:
            raise EngineError(f"model {self.model_id} is not loaded; enter its session first")
        if self._graphs:
            try:
                return maker.make(graphs=True, extents=extents)
            except EngineError as error:
                try:
                    made = maker.make(graphs=False, extents=extents)
                except EngineError:
                    raise error from None
                log.info("model %s: without CUDA graphs", self.model_id)
                self._graphs = False
                return made
        return maker.make(graphs=False, extents=extents)

    def _open_fixed(self, source: str | bytes, why: EngineError) -> None:
        """One session for each set of extents; a first one shows whether that helps.

        Raises:
            EngineError: it does not.
        """
        found = open_graph(source)
        if not found.symbols:
            raise why
        self._session = self._make(dict.fromkeys(found.symbols, TRIAL_EXTENT))
        self._fixed, self.inputs, self.outputs = found, found.inputs, found.outputs

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free everything."""
        self._forget()
        self._session, self._dropped = None, False
        self._maker = None

    def run(self, feeds: Feeds) -> Sequence[Tensor]:
        """See :class:`edged.runtime.session.Session`."""
        start = time.perf_counter_ns()
        bound = self._launch(feeds)
        try:
            outputs = bound.download(self._stream)
        except EngineError:
            self._drop()
            raise
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
        self._check_owner()
        if self._dropped:
            self._session, self._dropped = self._make(), False
        self._ready()
        bound = self._bound_for(feeds)
        bound.feed(feeds, self._stream)
        try:
            bound.session.run_with_iobinding(bound.binding, bound.options)
        except Exception as error:  # noqa: BLE001 - its text may hold shapes of a frame
            kind, first = type(error).__name__, bound.graph_id != _NO_GRAPH and not bound.ran
            failure = run_failure(self.model_id, "on the GPU", error)
            self._drop()
            if first and not isinstance(failure, LostError):
                return self._without_graphs(feeds, kind)
            raise failure from None
        bound.ran = True
        return bound

    def _without_graphs(self, feeds: Feeds, why: str) -> Bound:
        """A graph could not be captured: run again, without."""
        log.warning("model %s: no CUDA graphs, capture failed (%s)", self.model_id, why)
        self._graphs = False
        return self._launch(feeds)

    def _drop(self) -> None:
        """Give back all memory after a failure; the next run makes the session anew.

        An arena that has met its bound once never recovers, and every later run would fail.
        """
        self._forget()
        if self._fixed is None:
            self._session, self._dropped = None, True

    def _bound_for(self, feeds: Feeds) -> Bound:
        """Buffers for the extents of these feeds; see the bounds above."""
        key = tuple(tuple(feeds[spec.name].shape) for spec in self.inputs)
        found = self._captured.get(key)
        if found is not None:
            return found
        found = self._passing.get(key)
        if found is not None:
            self._passing.move_to_end(key)
            return found
        if self._fixed is not None:
            extents = self._fixed.extents(key)
            self._make_room(MAX_FIXED)
            session = self._make(extents)
            made = self._bind(session, key, 0 if self._graphs else _NO_GRAPH)
            self._passing[key] = made
            return made
        if self._graphs and len(self._captured) < MAX_GRAPHS:
            made = self._bind(self._session, key, len(self._captured))
            if not made.open_outputs:  # a graph writes to fixed places
                self._captured[key] = made
                return made
        self._make_room(MAX_PASSING)
        made = self._passing[key] = self._bind(self._session, key, _NO_GRAPH)
        return made

    def _make_room(self, most: int) -> None:
        """Let go of the least recently used buffers that may go."""
        while len(self._passing) >= most:
            self._stream.wait()
            self._passing.popitem(last=False)

    def _bind(self, session: Any, key: _Extents, graph_id: int) -> Bound:
        return bind(self._ort, session, key, graph_id)

    def _forget(self) -> None:
        self._captured.clear()
        self._passing.clear()
