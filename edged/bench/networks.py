"""Times networks of the real size, one after the other, on one runtime.

Knows sessions and clocks; what the networks are is :mod:`edged.bench.synthetic`'s.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from edged.bench.openings import Opening
from edged.bench.size_report import BatchDoc, NetworkDoc
from edged.bench.synthetic.subjects import Subject, feeds, multiply_adds, subject
from edged.faces import Tensor
from edged.recipe import Batch
from edged.runtime.session import Meter, Session

WARM_ROUNDS = 3
"""First runs that are not counted: buffers, kernels' choice, captured graphs."""

PLANNED = "fp16-planned"
"""FP16 but for what a precision plan keeps in FP32."""

Progress = Callable[[str, int, int], None]
"""(what, steps done, steps in all)."""


@dataclass(frozen=True)
class Wish:
    """What to measure.

    Attributes:
        recipes: ids.
        seed, width: of the networks.
        runs: counted runs of each.
        batches: faces in one run.
        plans: folder of precision plans; None: FP32 alone.
    """

    recipes: tuple[str, ...]
    seed: int
    width: float
    runs: int
    batches: tuple[int, ...]
    plans: Path | None


def measure(wish: Wish, runtime: Opening, progress: Progress) -> list[NetworkDoc]:
    """All networks, in the wish's order, FP32 before FP16.

    Raises:
        ConfigError, EngineError, ModelError: a network cannot be made or run.
    """
    found: list[NetworkDoc] = []
    for recipe_id in wish.recipes:
        progress(recipe_id, 0, 1)
        made = subject(
            recipe_id,
            seed=wish.seed,
            width=wish.width,
            plans=wish.plans if runtime.half else None,
        )
        graphs: dict[str, onnx.ModelProto] = {"fp32": made.fp32.model}
        if made.planned is not None:
            graphs[PLANNED] = made.planned
        # A note that FP32 alone was asked for says nothing to who asked for no more.
        note = made.note if runtime.half and wish.plans else ""
        for precision, graph in graphs.items():
            found.append(_network(made, graph, wish, runtime, progress, precision, note))
            note = ""
        gc.collect()
    return found


def _network(  # noqa: PLR0917 - one call, one place
    made: Subject,
    graph: onnx.ModelProto,
    wish: Wish,
    runtime: Opening,
    progress: Progress,
    precision: str,
    note: str,
) -> NetworkDoc:
    """One network in one precision."""
    cost = multiply_adds(made.recipe.id, wish.width)
    batches = wish.batches if made.fp32.batched else (1,)
    label = f"{made.recipe.id} {precision}"
    document = NetworkDoc(
        recipe=made.recipe.id,
        precision=precision,
        gmac=round(cost / 1e9, 3),
        batched=made.fp32.batched,
        note=note,
    )
    limits = Batch(min=1, opt=max(batches), max=max(batches))
    total = len(batches) * wish.runs
    with runtime.open(graph, made.recipe.id, limits, Meter()) as session:
        for position, faces in enumerate(batches):
            inputs = feeds(graph, made.recipe, faces)

            def told(done: int, before: int = position * wish.runs) -> None:
                progress(label, before + done, total)

            host, resident = _timed(session, inputs, wish.runs, told, apart=runtime.half)
            document.batches.append(_batch(faces, cost, host, resident))
    return document


def _timed(
    session: Session,
    inputs: Mapping[str, Tensor],
    runs: int,
    told: Callable[[int], None],
    *,
    apart: bool,
) -> tuple[list[int], list[int]]:
    """Nanoseconds of runs from host to host, and of runs on the device where it is apart."""
    host: list[int] = []
    for number in range(WARM_ROUNDS + runs):
        start = time.perf_counter_ns()
        session.run(inputs)
        host.append(time.perf_counter_ns() - start)
        told(max(0, number + 1 - WARM_ROUNDS))
    resident: list[int] = []
    if apart:
        lying = {name: session.upload(array) for name, array in inputs.items()}
        for _ in range(WARM_ROUNDS + runs):
            start = time.perf_counter_ns()
            outputs = session.run_resident(lying)
            session.download(outputs[-1])  # the smallest; waits until all is done
            resident.append(time.perf_counter_ns() - start)
    return host[WARM_ROUNDS:], resident[WARM_ROUNDS:]


def _batch(faces: int, cost: int, host: Sequence[int], resident: Sequence[int]) -> BatchDoc:
    """Figures of one batch size."""
    middle = statistics.median(host)
    return BatchDoc(
        faces=faces,
        p50_ms=milliseconds(middle),
        p95_ms=milliseconds(percentile_95(host)),
        gmac_per_s=round(cost * faces / middle, 1),
        resident_p50_ms=milliseconds(statistics.median(resident)) if resident else None,
    )


def milliseconds(nanoseconds: float) -> float:
    """To the microsecond."""
    return round(nanoseconds / 1e6, 3)


def percentile_95(values: Sequence[int]) -> int:
    """Nearest rank; of a few values the largest."""
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]
