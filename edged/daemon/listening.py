"""Live calibration: how large numbers get in a network that is fed by this booth's camera.

While a model is listened to, one face of a run now and then goes, in memory, from the
thread that runs the sessions to one that runs the model's FP32 graph on the CPU and keeps
the largest value of each tensor.  What is written at the end is those numbers; the crops
are dropped one by one, and no frame waits for any of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from edged.errors import EdgedError
from edged.faces import Tensor
from edged.runtime.build.subject import Model
from edged.runtime.graph.load import load_prepared
from edged.runtime.graph.tools import structure_digest
from edged.runtime.precision.range_file import RangeFile, path_of, write_ranges
from edged.runtime.precision.ranges import LiveRanges
from edged.runtime.session import Feeds, Session
from edged.runtime.switching import Listener

log = logging.getLogger(__name__)

MOST_CROPS = 10_000
NICE = 15
"""Beside the pipeline, on what it leaves of the processor."""

_CROPWISE = frozenset({"crops", "latents", "sources", "picture"})
"""Inputs of which a face has a row; the others are numbers for all faces."""

_TICK_S = 0.2

State = Literal["idle", "loading", "listening", "written", "stopped", "failed"]


class _Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the command `calibrate` takes."""

    action: Literal["start", "stop", "status"]
    model: str = ""
    crops: int = 100


@dataclass(repr=False)
class _Job:
    """One model that is listened to.  `crops` holds one at a time: what comes meanwhile goes."""

    model: Model
    wanted: int
    crops: queue.Queue[Mapping[str, Tensor]]
    stop: threading.Event
    ended: threading.Event = field(default_factory=threading.Event)
    state: State = "loading"
    seen: int = 0
    error: str = ""
    path: str = ""


class Listening:
    """Listens to one model at a time.

    Args:
        models: in use, by id.
        listen: has a model's runs handed to a listener, or to none.
        site: `calibration` folder of the state folder.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        listen: Callable[[str, Listener | None], None],
        site: Path,
    ) -> None:
        self._models = models
        self._listen = listen
        self._site = site
        self._job: _Job | None = None
        self._thread: threading.Thread | None = None

    def order(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Do the command `calibrate`: start, stop, or say how it stands.

        Raises:
            ValueError: it is not of the documented form, or cannot be done now.
        """
        try:
            request = msgspec.convert(dict(data), _Request)
        except msgspec.ValidationError as error:
            form = 'calibrate takes {"action": "start|stop|status", "model": ID, "crops": N}'
            raise ValueError(form) from error
        if request.action == "start":
            self._start(request)
        elif request.action == "stop":
            self.close()
        return self._figures()

    def close(self, timeout_s: float = 30.0) -> None:
        """End what is under way, and keep what it has measured."""
        if self._job is not None and self._thread is not None:
            self._job.stop.set()
            self._thread.join(timeout_s)

    def _start(self, request: _Request) -> None:
        if self._thread is not None and self._thread.is_alive():
            raise ValueError("a model is being listened to; stop that first")
        model = self._models.get(request.model)
        if model is None:
            networks = ", ".join(sorted(self._models))
            raise ValueError(f"this is no network that the engine runs; it runs: {networks}")
        if not 1 <= request.crops <= MOST_CROPS:
            raise ValueError(f"crops must be 1 to {MOST_CROPS}")
        job = _Job(model, request.crops, queue.Queue(1), threading.Event())
        self._job = job
        self._thread = threading.Thread(
            target=self._work, args=(job,), name="calibrate-live", daemon=True
        )
        self._thread.start()

    def _figures(self) -> dict[str, Any]:
        job = self._job
        if job is None:
            return {"state": "idle"}
        said = {"state": job.state, "model": job.model.id, "seen": job.seen, "wanted": job.wanted}
        return said | {k: v for k, v in (("path", job.path), ("error", job.error)) if v}

    def _work(self, job: _Job) -> None:
        """On a thread of its own."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        try:
            graph = load_prepared(job.model.path, job.model.recipe).model
            digest = structure_digest(graph)
            # One thread: the CPU work is then this one's alone, and as nice as it is.
            measured = LiveRanges(graph, threads=1)
            del graph
            job.state = "listening"
            self._listen(job.model.id, lambda feeds, session: _offer(job, feeds, session))
            self._hear(job, measured)
            self._write(job, digest, measured)
        except EdgedError as error:
            job.state, job.error = "failed", str(error)
        except Exception as error:  # noqa: BLE001 - only its kind: its text may hold values
            job.state, job.error = "failed", f"{type(error).__name__}; see the engine's log"
            log.error("live calibration: %s", type(error).__name__)  # noqa: TRY400
        finally:
            job.ended.set()
            self._listen(job.model.id, None)
            _drop(job)  # the last crop, if nobody looked at it, goes too

    def _hear(self, job: _Job, measured: LiveRanges) -> None:
        while job.seen < job.wanted and not job.stop.is_set():
            try:
                feeds = job.crops.get(timeout=_TICK_S)
            except queue.Empty:
                continue
            measured.update(feeds)
            del feeds
            job.seen += 1

    def _write(self, job: _Job, digest: str, measured: LiveRanges) -> None:
        found = measured.snapshot()
        if not found.runs:
            job.state = "stopped"
            return
        path = path_of(job.model.id, self._site)
        file = RangeFile(
            recipe=job.model.id,
            model_sha256=job.model.sha256,
            structure_digest=digest,
            crops=found.runs,
            date=time.strftime("%Y-%m-%d", time.gmtime()),
            peaks=dict(found.peaks),
        )
        write_ranges(file, path)
        job.path, job.state = str(path), "written"
        log.info("live calibration of %s: ranges of %d crops are written", file.recipe, file.crops)


def _offer(job: _Job, feeds: Feeds, session: Session) -> None:
    """Take one face of a run, if the last one is done with; on the sessions' thread."""
    if job.ended.is_set() or job.crops.full():
        return
    one: dict[str, Tensor] = {}
    for name, value in feeds.items():
        array = value if isinstance(value, np.ndarray) else session.download(value)
        one[name] = np.array(array[:1] if name in _CROPWISE else array)
    job.crops.put_nowait(one)
    if job.ended.is_set():  # it ended meanwhile, and may have dropped its crops before
        _drop(job)


def _drop(job: _Job) -> None:
    """Let go of a crop that waits."""
    with contextlib.suppress(queue.Empty):
        job.crops.get_nowait()
