"""Open a built engine, run it, compare it with FP32: runs in a worker process.

The reference is the prepared FP32 graph on onnxruntime's CPU provider, a face at a time.
The engine gets the same faces in batches of every size of its profile, each time in other
rows, so that an engine that mixes faces up is found as well.  Knows sessions; whether
figures are good enough is :mod:`edged.runtime.build.compare`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edged.errors import EngineError, ModelError
from edged.faces import Tensor
from edged.recipe import Precision
from edged.runtime.backend import Backend, Profile
from edged.runtime.build.compare import Comparison, bounds_of, stacked
from edged.runtime.build.jobs import Timing, Trial
from edged.runtime.build.manifest import Ran, Verdict
from edged.runtime.build.samples import Samples
from edged.runtime.onnx import OnnxSession
from edged.runtime.session import Meter, Session

Tell = Callable[[str, float], None]

_FACES = 4
_WARM_RUNS = 2
_TIMED_RUNS = 10
_TIMED_S = 5.0
_BENCH_S = 120.0


@dataclass(frozen=True)
class Reference:
    """What FP32 says.

    Attributes:
        samples: the feeds.
        outputs: by name, of each sample alone.
    """

    samples: Samples
    outputs: tuple[dict[str, Tensor], ...]


def reference(prepared: bytes, model_id: str, tell: Tell) -> Reference:
    """Run the prepared FP32 graph on the CPU; the session is gone afterwards.

    Args:
        prepared: the graph as a file's bytes.
        model_id: for messages.
        tell: progress.

    Raises:
        EngineError: onnxruntime is absent or failed.
    """
    session = OnnxSession(prepared, model_id=model_id)
    del prepared  # the session lets go of it when it has loaded it
    with session:
        samples = Samples(session.inputs, _FACES)
        names = [spec.name for spec in session.outputs]
        outputs = []
        for i in range(len(samples)):
            tell("FP32 reference", i / len(samples))
            arrays = [np.array(value) for value in session.run(samples.one(i))]
            outputs.append(dict(zip(names, arrays, strict=True)))
    return Reference(samples, tuple(outputs))


def trial(
    backend: Backend,
    folder: Path,
    truth: Reference,
    *,
    model_id: str,
    profile: Profile,
    precision: Precision,
    tell: Tell,
) -> Trial:
    """Open an engine and compare it; an engine that cannot be opened is no exception."""
    tell("trial load", 0.0)
    identity = backend.identity()
    start = time.perf_counter()
    try:
        with backend.open(folder, model_id=model_id, meter=Meter()) as session:
            load_s = time.perf_counter() - start
            found, batches = _compare(session, truth, profile, tell)
            batch = _usual(profile)
            timing = time_runs(session, truth.samples, batch, _TIMED_RUNS, tell, most_s=_TIMED_S)
    except (EngineError, ModelError) as error:
        return Trial(problem=str(error))
    now_ms = time.time_ns() // 1_000_000
    on = identity.get("GPU") or identity.get("processor") or backend.name
    ran = Ran(at_ms=now_ms, on=on, load_s=round(load_s, 3), p50_ms=timing.p50_ms)
    bounds = {name: bound for name, bound in bounds_of(precision).items() if name in found.figures}
    reason = found.reason(bounds)
    verdict = Verdict(
        at_ms=now_ms,
        accepted=not reason,
        figures=found.figures,
        bounds=bounds,
        batches=tuple(batches),
        faces=found.faces,
        reason=reason,
    )
    return Trial(ran=ran, verdict=verdict)


def _compare(
    session: Session, truth: Reference, profile: Profile, tell: Tell
) -> tuple[Comparison, list[int]]:
    """Every sample in every batch size, each time in other rows."""
    found, names = Comparison(), [spec.name for spec in session.outputs]
    sizes = batch_sizes(profile) if truth.samples.batched else [1]
    runs = [(size, rows) for size in sizes for rows in _rows(size, len(truth.samples))]
    for done, (size, rows) in enumerate(runs):
        tell("compare with FP32", done / len(runs))
        outputs = dict(zip(names, session.run(truth.samples.batch(rows)), strict=True))
        where = f"batch {size}" if truth.samples.batched else "one picture"
        found.add(outputs, stacked([truth.outputs[sample] for sample in rows]), where)
    return found, sizes


def _rows(size: int, count: int) -> Iterator[list[int]]:
    """Which sample stands in which row: all samples are seen, and neighbours change."""
    for start in range(0, count, size):
        yield [(start + row) % count for row in range(size)]
    if size > 1:
        yield [(size - row) % count for row in range(size)]


def batch_sizes(profile: Profile) -> list[int]:
    """The smallest, the usual and the largest number of faces, each once."""
    first = next(iter(profile.inputs.values()))
    return sorted({first.min[0], first.opt[0], first.max[0]})


def _usual(profile: Profile) -> int:
    return next(iter(profile.inputs.values())).opt[0]


def time_runs(
    session: Session, samples: Samples, batch: int, runs: int, tell: Tell, *, most_s: float
) -> Timing:
    """Latency of a batch size, host to host, after warm runs.

    Args:
        session: entered.
        samples: what it is fed with.
        batch: faces a run.
        runs: how many count.
        tell: progress.
        most_s: fewer runs when they take longer together, but one counts in any case.
    """
    rows = [row % len(samples) for row in range(batch)] if samples.batched else [len(samples) - 1]
    feeds = samples.batch(rows)
    taken: list[float] = []
    begun = time.monotonic()
    for turn in range(_WARM_RUNS + runs):
        tell(f"measure batch {batch}", turn / (_WARM_RUNS + runs))
        start = time.perf_counter_ns()
        session.run(feeds)
        if turn >= _WARM_RUNS or time.monotonic() - begun > most_s:
            taken.append((time.perf_counter_ns() - start) / 1e6)
        if taken and time.monotonic() - begun > most_s:
            break
    p50, p95 = (round(float(v), 3) for v in np.percentile(taken, (50, 95)))
    return Timing(batch=batch, p50_ms=p50, p95_ms=p95, runs=len(taken))


def bench(
    session: Session, profile: Profile, batches: Sequence[int], runs: int, tell: Tell
) -> list[Timing]:
    """Latency at each batch size that the engine takes."""
    samples = Samples(session.inputs, _FACES)
    low, high = min(batch_sizes(profile)), max(batch_sizes(profile))
    fitting = [size for size in batches if low <= size <= high] if samples.batched else [1]
    return [time_runs(session, samples, one, runs, tell, most_s=_BENCH_S) for one in fitting]
