"""Times the whole pipeline with networks of the real size: raw frame to ruling.

Detector, recogniser, swapper and restorer are synthetic and run beside the small stand-ins,
whose answers are taken; YuNet is the stand-in alone (the real one is small, too).  Knows
frames and clocks.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import onnx

from edged.bench.frames import Case, make_scene
from edged.bench.networks import PLANNED, Progress, Wish, milliseconds, percentile_95
from edged.bench.openings import Opening
from edged.bench.ours import OpenModel, OpenPicture, Ours, OurTimes
from edged.bench.paired import Paired
from edged.bench.size_report import FrameDoc
from edged.bench.standins.pack import StandIns, write_standins
from edged.bench.synthetic import RECIPES
from edged.bench.synthetic.subjects import has_plan, subject
from edged.errors import EngineError
from edged.recipe import Batch, Recipe
from edged.runtime.graph.load import load_prepared
from edged.runtime.session import Meter, Session

RESTORER = "gfpgan_1.4"
MOST_FACES = 4
"""Faces in one run that engines are made for."""

WARM_ROUNDS = 2
_USED = ("det_10g", "w600k_r50", "inswapper_128", RESTORER)


def measure(
    cases: Sequence[Case],
    wish: Wish,
    runtime: Opening,
    progress: Progress,
    *,
    resident: bool = False,
) -> list[FrameDoc]:
    """Every case in FP32, and once more by plans where a network has one.

    Args:
        cases: frames.
        wish: networks, runs and plans.
        runtime: that works here.
        progress: told what is done.
        resident: frames stay on the runtime's device.

    Raises:
        EngineError, ModelError: a network cannot be made or run, or a face got lost.
    """
    if not cases:
        return []
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as folder:
        standins = write_standins(Path(folder))
        pictures = _pictures(runtime) if resident else None
        planned = runtime.half and any(has_plan(recipe_id, wish.plans) for recipe_id in _USED)
        found: list[FrameDoc] = []
        for precision in ("fp32", PLANNED) if planned else ("fp32",):
            halved: list[str] = []
            openers = (_opener(wish, runtime, precision, halved), pictures)
            frames = _cases(cases, standins, openers, precision, runs=wish.runs, progress=progress)
            if precision == PLANNED and not halved:
                break  # no plan fits: it was FP32 again
            for frame in frames:
                frame.planned = sorted(set(halved))
            found += frames
    return found


def _pictures(runtime: Opening) -> OpenPicture:
    """Opens picture graphs where the networks run."""

    def opened(name: str, graph: bytes, meter: Meter) -> AbstractContextManager[Session]:
        return runtime.open(onnx.load_from_string(graph), name, Batch(), meter)

    return opened


def _opener(wish: Wish, runtime: Opening, precision: str, halved: list[str]) -> OpenModel:
    """Opens a stand-in's file, and the synthetic network of its recipe beside it.

    Networks whose plan fits are noted in `halved`.
    """

    @contextmanager
    def entered(path: Path, recipe: Recipe, meter: Meter) -> Iterator[Session]:
        if recipe.id not in RECIPES:
            graph = load_prepared(path, recipe).model
            with runtime.open(graph, recipe.id, Batch(), meter) as alone:
                yield alone
            return
        plans = wish.plans if precision == PLANNED else None
        made = subject(
            recipe.id, seed=wish.seed, width=wish.width, plans=plans, batched=runtime.half
        )
        halved.extend([recipe.id] if made.planned is not None else [])
        small = load_prepared(path, recipe, batched=made.fp32.batched).model
        batch = Batch(min=1, opt=1, max=MOST_FACES if made.fp32.batched else 1)
        with (
            runtime.open(made.planned or made.fp32.model, recipe.id, batch, meter) as costly,
            runtime.open(small, recipe.id, batch, meter) as answering,
        ):
            del made, small
            yield Paired(answering, costly)

    return entered


def _cases(
    cases: Sequence[Case],
    standins: StandIns,
    openers: tuple[OpenModel, OpenPicture | None],
    precision: str,
    *,
    runs: int,
    progress: Progress,
) -> list[FrameDoc]:
    """One pipeline, all cases."""
    found = []
    scenes = [make_scene(case) for case in cases]
    restorer = (RESTORER, standins.restorer(RESTORER))
    model, pictures = openers
    with Ours(
        standins, scenes[0].source, open_model=model, restorer=restorer, open_picture=pictures
    ) as ours:
        for scene in scenes:
            frame, label = scene.frame.copy(), f"{scene.case.name} {precision}"
            times: list[OurTimes] = []
            for number in range(WARM_ROUNDS + runs):
                frame[0, 0] = number % 256
                times.append(ours.swap_frame(frame))
                _require_all(times[-1], scene.case)
                progress(label, max(0, number + 1 - WARM_ROUNDS), runs)
            document = _frame(precision, scene.case, times[WARM_ROUNDS:])
            document.resident = pictures is not None
            found.append(document)
    return found


def _require_all(times: OurTimes, case: Case) -> None:
    """A frame that was refused costs less than one that was swapped."""
    if times.faces != case.faces:
        msg = (
            f"bench {case.name}: {times.faces} of {case.faces} faces were swapped, "
            "so its time says nothing"
        )
        raise EngineError(msg)


def _frame(precision: str, case: Case, times: Sequence[OurTimes]) -> FrameDoc:
    """Medians."""
    whole = [one.total_ns for one in times]
    host = statistics.median(one.total_ns - one.session_ns for one in times)
    return FrameDoc(
        precision=precision,
        width=case.width,
        height=case.height,
        faces=case.faces,
        p50_ms=milliseconds(statistics.median(whole)),
        p95_ms=milliseconds(percentile_95(whole)),
        session_ms=milliseconds(statistics.median(one.session_ns for one in times)),
        host_ms=milliseconds(host),
        host_share=round(statistics.median(1 - one.session_ns / one.total_ns for one in times), 4),
    )
