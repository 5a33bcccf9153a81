"""Runs the subjects interleaved in one process and takes medians.

Each round runs edged, the floor and the peer once on the same frame, so that whatever else
the machine does falls on all of them alike; one pixel changes between rounds, as on a live
camera.  Everything runs on one thread.  Knows subjects and statistics.
"""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import cv2

from edged.bench import peer
from edged.bench.floor import SWAP_ONLY, Floor, Work
from edged.bench.frames import ALL_CASES, Case, Scene, make_scene
from edged.bench.machine import describe_machine, describe_versions
from edged.bench.ours import Kind, Ours, OurTimes
from edged.bench.recorded import record
from edged.bench.report import BenchDoc, CaseDoc, PeerDoc
from edged.bench.standins.pack import StandIns, write_standins
from edged.errors import EngineError

WARM_ROUNDS = 3
"""First rounds that are not counted: buffers, caches and lazily built sessions."""

RESTORER = "gfpgan_1.4"
"""Whose stand-in restores."""

Progress = Callable[[str, int, int], None]
"""(case, rounds done, rounds in all)."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        cases: sizes and counts.
        runs: counted rounds a case.
        kind: how edged is asked to treat the frames.
        work: beside the swap; insightface has no such work and is left out where there is some.
    """

    cases: tuple[Case, ...] = ALL_CASES
    runs: int = 30
    kind: Kind = "stream"
    work: Work = SWAP_ONLY


@dataclass
class Samples:
    """One case's measurements, nanoseconds."""

    ours: list[OurTimes] = field(default_factory=list)
    floor: list[int] = field(default_factory=list)
    floor_bytes: list[int] = field(default_factory=list)
    peer: list[peer.PeerTimes] = field(default_factory=list)
    peer_paste: list[int] = field(default_factory=list)


def run(plan: Plan, progress: Progress = lambda _case, _done, _all: None) -> Result:
    """Measure every case of a plan.

    Raises:
        EngineError: onnxruntime is absent, or subjects disagree on the faces.
    """
    if find_spec("onnxruntime") is None:
        msg = "onnxruntime is not installed; run: pip install 'edged[cpu]'"
        raise EngineError(msg)
    with tempfile.TemporaryDirectory(prefix="edged-bench-") as folder, one_thread():
        standins = write_standins(Path(folder))
        documents: list[CaseDoc] = []
        looks: dict[str, int] = {}
        background = ""
        for case in plan.cases:
            scene = make_scene(case)
            background = scene.background
            samples = _measure(scene, standins, plan, progress)
            documents.append(_summary(case, samples))
            looks[f"{case.width}x{case.height}:{case.faces}"] = statistics.median_low(
                t.looks for t in samples.ours
            )
            gc.collect()
    machine = describe_machine() | {
        "threads": 1, "runs": plan.runs, "frames": plan.kind, "background": background,
        "work": plan.work.name,
    }  # fmt: skip
    return Result(BenchDoc(machine=machine, versions=describe_versions(), cases=documents), looks)


@dataclass(frozen=True)
class Result:
    """A report, and the guard's detector runs by "WIDTHxHEIGHT:FACES"."""

    report: BenchDoc
    looks: dict[str, int]


def _measure(scene: Scene, standins: StandIns, plan: Plan, progress: Progress) -> Samples:
    """All rounds of one case."""
    samples = Samples()
    frame = scene.frame.copy()
    work = plan.work
    recorded = record(frame, standins, scene.case.faces)
    floor, bare = Floor(frame, recorded, work), Floor(frame, recorded, work, tensors=False)
    same = work == SWAP_ONLY and peer.available()
    other = peer.Peer(standins, scene.source) if same else None
    total = WARM_ROUNDS + plan.runs
    restorer = (RESTORER, standins.restorer(RESTORER)) if work.restore else None
    with Ours(
        standins, scene.source, plan.kind, restorer=restorer, occlusion=work.occlusion
    ) as ours:
        for number in range(total):
            frame[0, 0] = number % 256
            kept = samples if number >= WARM_ROUNDS else Samples()
            kept.ours.append(ours.swap_frame(frame))
            _agree("edged", kept.ours[-1].faces, scene)
            for one, times in ((floor, kept.floor), (bare, kept.floor_bytes)):
                start = time.perf_counter_ns()
                found = one.run()
                times.append(time.perf_counter_ns() - start)
                _agree("the floor", len(found), scene)
            if other is not None:
                kept.peer.append(other.swap_frame(frame))
                _agree("insightface", kept.peer[-1].faces, scene)
                kept.peer_paste.append(other.paste_ns(frame))
            progress(scene.case.name, number + 1, total)
    return samples


def _agree(subject: str, faces: int, scene: Scene) -> None:
    """A subject that does less work must not win by it."""
    if faces != scene.case.faces:
        msg = (
            f"bench {scene.case.name}: {subject} swapped {faces} of {scene.case.faces} faces, "
            "so its time cannot be compared"
        )
        raise EngineError(msg)


def _summary(case: Case, samples: Samples) -> CaseDoc:
    """Medians in milliseconds."""
    ours = samples.ours
    totals = sorted(t.total_ns for t in ours)
    names = dict.fromkeys(name for t in ours for name in t.stages_ns)
    # A stage that most frames do not have (the guard's full look) has a median of 0 and is
    # left out; the 95th percentile shows it.
    stages = {name: _median_ms(t.stages_ns.get(name, 0) for t in ours) for name in names}
    return CaseDoc(
        width=case.width,
        height=case.height,
        faces=case.faces,
        host_ms=_median_ms(t.host_ns for t in ours),
        session_ms=_median_ms(t.session_ns for t in ours),
        guard_host_ms=_median_ms(t.guard_host_ns for t in ours),
        paste_ms=_median_ms(t.paste_ns for t in ours),
        floor_ms=_median_ms(samples.floor),
        floor_bytes_ms=_median_ms(samples.floor_bytes),
        end_to_end_p50_ms=_median_ms(totals),
        end_to_end_p95_ms=round(totals[min(len(totals) - 1, int(0.95 * len(totals)))] / 1e6, 3),
        insightface=PeerDoc(
            host_ms=_median_ms(t.host_ns for t in samples.peer),
            session_ms=_median_ms(t.session_ns for t in samples.peer),
            paste_ms=_median_ms(samples.peer_paste),
        )
        if samples.peer
        else None,
        stages_ms={name: value for name, value in stages.items() if value > 0},
    )


def _median_ms(values: Iterable[int]) -> float:
    """Median of nanoseconds in milliseconds, to the microsecond."""
    return round(statistics.median(values) / 1e6, 3)


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV on the calling thread alone, as the sessions are made.

    The command does the same to numpy's linear algebra, which takes it before import only.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
