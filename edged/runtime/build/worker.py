"""The process in which builders and new engines run: `python -m edged.runtime.build.worker`.

Whatever they do to it (a crash, an endless loop, all of the memory) stays here.  It reads
one job, answers on what was its stdout, and ends with its parent.  Knows the jobs; the
other end is :mod:`edged.runtime.build.process`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import psutil

from edged.errors import EdgedError, EngineError
from edged.runtime.build import accept, jobs
from edged.runtime.build.graphs import Tell, describe, final_graph, prepared_graph
from edged.runtime.build.jobs import Accept, Bench, Build, Describe, Job, Pictures, Trial
from edged.runtime.build.room import disk_error
from edged.runtime.graph.picture import all_graphs
from edged.runtime.graph.tools import structure_digest
from edged.runtime.pictures import profile_of_picture
from edged.runtime.session import Meter

_PR_SET_PDEATHSIG = 1
_NICE = 10
_OOM_FIRST = "1000"
_TELL_EVERY_S = 0.1


def main() -> None:
    """Do one job and end: 0 after a result, 1 after an error that was told."""
    report = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # a library that prints must not write into the answer
    job: Job = jobs.decode(sys.stdin.buffer.read(), Job)  # type: ignore[arg-type]
    _settle(job.parent)
    try:
        report.write(jobs.encode(["result", _do(job, _teller(report.write))]) + b"\n")
    except EdgedError as error:
        _tell_error(report.write, error)
    except MemoryError:
        _tell_error(report.write, EngineError("out of memory; raise engines.memory_mb"))
    except OSError as error:
        _tell_error(report.write, disk_error(error, _place(job)))
    except Exception as error:  # noqa: BLE001 - a library's; its text stays on stderr
        traceback.print_exc()
        _tell_error(report.write, EngineError(f"the worker failed ({type(error).__name__})"))
    else:
        return
    sys.exit(1)


def _settle(parent: int) -> None:
    """Die with the parent, come last for the processor, go first when memory ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above took effect
        sys.exit("the process that asked has ended")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    with contextlib.suppress(psutil.Error, OSError, AttributeError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, 7)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_FIRST)


def _teller(write: Callable[[bytes], Any]) -> Tell:
    """Progress lines, not more of one phase than anybody can read."""
    last: tuple[str, float] = ("", 0.0)

    def tell(phase: str, share: float) -> None:
        nonlocal last
        now = time.monotonic()
        if phase == last[0] and share < 1.0 and now - last[1] < _TELL_EVERY_S:
            return
        last = (phase, now)
        write(jobs.encode(["progress", phase[:60], min(1.0, max(0.0, float(share)))]) + b"\n")

    return tell


def _tell_error(write: Callable[[bytes], Any], error: EdgedError) -> None:
    write(jobs.encode(["error", type(error).__name__, str(error)]) + b"\n")


def _place(job: Job) -> Path:
    """The folder that a job reads or writes."""
    if isinstance(job, Pictures):
        return job.folder
    return job.out.parent if isinstance(job, Build) else job.model.path.parent


def _do(job: Job, tell: Tell) -> object:
    if isinstance(job, Pictures):
        _build_pictures(job, tell)
        return None
    if isinstance(job, Describe):
        return describe(job.model, tell)
    if isinstance(job, Build):
        _build(job, tell)
        return None
    if isinstance(job, Accept):
        return _accept(job, tell)
    return _bench(job, tell)


def _build(job: Build, tell: Tell) -> None:
    backend = jobs.make_backend(job.backend)
    subject, source = final_graph(job.model, job.subject.batched, tell)
    if subject != job.subject:
        raise EngineError(
            f"model {job.model.id}: its plan or edged itself was changed meanwhile; build again"
        )
    tell("write the graph", 0.0)
    onnx.save_model(source, str(job.source))
    del source
    tell("build", 0.0)
    backend.build(job.source, subject.profile, job.out, job.settings, tell)
    if not job.out.is_file():
        raise EngineError(f"the builder of {backend.name} made no {job.out.name}")


def _build_pictures(job: Pictures, tell: Tell) -> None:
    backend = jobs.make_backend(job.backend)
    for name, graph in all_graphs().items():
        home = job.folder / name
        home.mkdir()
        source = job.folder / "source.onnx"
        onnx.save_model(graph, str(source))
        tell(name, 0.0)
        out = home / backend.artifact
        backend.build(source, profile_of_picture(graph), out, job.settings, tell)
        source.unlink()
        if not out.is_file():
            raise EngineError(f"the builder of {backend.name} made no {out.name}")


def _accept(job: Accept, tell: Tell) -> Trial:
    backend = jobs.make_backend(job.backend)
    prepared = prepared_graph(job.model, job.subject.batched, tell)
    if structure_digest(prepared) != job.subject.graph:
        raise EngineError(f"model {job.model.id}: its graph was changed meanwhile; build again")
    raw = [prepared.SerializeToString()]
    del prepared  # a swapper has half a gigabyte: it is held once, not three times
    truth = accept.reference(raw.pop(), job.model.id, tell)
    return accept.trial(
        backend,
        job.folder,
        truth,
        model_id=job.model.id,
        profile=job.subject.profile,
        precision=job.model.recipe.precision,
        tell=tell,
    )


def _bench(job: Bench, tell: Tell) -> list[jobs.Timing]:
    backend = jobs.make_backend(job.backend)
    tell("load", 0.0)
    with backend.open(job.folder, model_id=job.model.id, meter=Meter()) as session:
        return accept.bench(session, job.subject.profile, job.batches, job.runs, tell)


if __name__ == "__main__":
    main()
