"""edged's own pipeline on the stand-in networks, as the engine runs it, timed.

The stages, the guard and the pool are the product's; only the models, their bounds and
the one character are the bench's.  Knows how a pipeline is put together.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np

from edged.bench.standins.pack import StandIns
from edged.calibration import Bounds
from edged.cast import make_character
from edged.faces import Image
from edged.geometry import Matrix
from edged.pipeline.parts import Job, Outcome, Stages
from edged.pipeline.pipeline import Pipeline
from edged.privacy.guard import Guard, Passed
from edged.recipe import Recipe, load_recipe
from edged.runtime.cpu import open_on_cpu
from edged.runtime.emap import read_emap
from edged.runtime.session import Meter, Session
from edged.scene import GuardSettings, MaskSettings, Scene
from edged.stages.align import crops, matrices
from edged.stages.easel import Easel, HostPicture
from edged.stages.embed import SIZE_PX, Embedder
from edged.stages.identity import VectorSource
from edged.stages.paste import oval_mask
from edged.stages.resident import easel_on
from edged.stages.resident_trial import open_bench
from edged.stages.restore import Restorer
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.segment import Occluder
from edged.stages.swap import Swapper
from edged.stages.views import Effort
from edged.stages.yunet import YuNet

Kind = Literal["stream", "shot"]
"""A live frame between two full looks of the guard, or a shot, searched with everything."""

SEARCH, CHECK = "search", "guard"
"""Stages of the pipeline that are the guard's: its looks at the input, and at the output."""

STAND_IN_BOUNDS = Bounds(identity_max=0.9, coarse_max=0.9, untouched_max=0.9)
"""Wide: patterns of green squares are no faces, and it is time that is measured here."""

_CHARACTER = "stand-in"


@dataclass(frozen=True)
class OurTimes:
    """One frame.

    Attributes:
        total_ns: the whole pipeline call.
        session_ns: of it inside sessions.
        guard_host_ns: of the rest, the guard's.
        paste_ns: host time of the paste stage.
        stages_ns: host time by stage.
        looks: detector runs of the guard on input and output; the look that any swap needs
            is not one of them.
        faces: how many were swapped.
    """

    total_ns: int
    session_ns: int
    guard_host_ns: int
    paste_ns: int
    stages_ns: dict[str, int]
    looks: int
    faces: int

    @property
    def host_ns(self) -> int:
        """Everything but sessions and guard."""
        return self.total_ns - self.session_ns - self.guard_host_ns


OpenModel = Callable[[Path, Recipe, Meter], AbstractContextManager[Session]]
"""Opens a public model file: path, recipe, meter."""


OpenPicture = Callable[[str, bytes, Meter], AbstractContextManager[Session]]
"""Opens a picture graph: name, ONNX file's bytes, meter."""


class Ours:
    """The pipeline, loaded; a context manager that owns the sessions.

    Args:
        standins: the model files.
        source: picture of the character, one face.
        kind: which promise the frames get.
        open_model: opens a model; by default on one thread of the CPU.
        restorer: recipe and file of the restorer that swapped faces go through.
        occlusion: what is before a face is kept, by the stand-in of XSeg.
        open_picture: opens a picture graph, so that frames stay where the models run; None
            keeps them in host memory.
    """

    def __init__(
        self,
        standins: StandIns,
        source: Image,
        kind: Kind = "stream",
        *,
        open_model: OpenModel | None = None,
        restorer: tuple[str, Path] | None = None,
        occlusion: bool = False,
        open_picture: OpenPicture | None = None,
    ) -> None:
        self._standins = standins
        self._source = source
        self._kind = kind
        self._open_model = open_model or _on_one_thread
        self._restorer = restorer
        self._occlusion = occlusion
        self._open_picture = open_picture
        restore = restorer is not None
        self._scene = Scene(
            mode="disguise",
            identities=(_CHARACTER,),
            share_identities=True,
            restore=restore,
            mask=MaskSettings(occlusion=occlusion),
        )
        self._meter = Meter()
        self._open = ExitStack()
        self._now_ms = 0

    def __enter__(self) -> Ours:  # noqa: PYI034 - typing.Self needs Python 3.11
        """Load every model on one thread and make the character."""
        with self._open as stack:
            stages = self._load(stack)
            guard = Guard(
                align=_align,
                alignment_of=lambda points: matrices([points], "arcface_112", SIZE_PX)[0],
                recognise=stages.recogniser,
                bounds=STAND_IN_BOUNDS,
            )
            look = partial(search, detectors=stages.detectors, effort=Effort((640,), families=1))
            character = make_character(
                _CHARACTER,
                [self._source],
                look,
                embedder=stages.embedder,
                swapper=stages.swapper,
            )
            self._pipeline = Pipeline(
                stages,
                guard,
                GuardSettings(),
                characters={_CHARACTER: character},
                templates={},
                easel=self._easel(stack),
            )
            self._open = stack.pop_all()
        return self

    def _easel(self, stack: ExitStack) -> Easel:
        """Where frames are worked on."""
        opener = self._open_picture
        if opener is None:
            return HostPicture

        def opened(name: str, graph: bytes) -> Session:
            return stack.enter_context(opener(name, graph, self._meter))

        return easel_on(open_bench(opened, lambda _model_id: True))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the sessions."""
        self._open.close()

    def swap_frame(self, frame: Image) -> OurTimes:
        """One frame through the pipeline; its picture is dropped."""
        job = self._job()
        start, inside = time.perf_counter_ns(), self._meter.total_ns
        outcome = self._pipeline.process(frame, job)
        total = time.perf_counter_ns() - start
        if outcome.buffer is not None:
            outcome.buffer.release()
        return self._times(outcome, total, self._meter.total_ns - inside)

    def process(self, frame: Image) -> Outcome:
        """The outcome itself, picture and notes; the caller releases its buffer."""
        return self._pipeline.process(frame, self._job())

    def _job(self) -> Job:
        """The next frame of a ten a second stream, so that no track is lost between two."""
        self._now_ms += 100
        return Job("bench", "bench", self._scene, self._kind == "shot", (), self._now_ms)

    def _load(self, stack: ExitStack) -> Stages:
        files = self._standins

        def session(path: Path, model_id: str) -> Session:
            return stack.enter_context(self._open_model(path, load_recipe(model_id), self._meter))

        embedder = Embedder(session(files.recogniser, "w600k_r50"))
        restorer, restore_mask = None, None
        if self._restorer is not None:
            model_id, path = self._restorer
            contract = load_recipe(model_id).contract
            restorer = Restorer(session(path, model_id), contract.size_px, contract.template)
            restore_mask = oval_mask(contract.template, contract.size_px)
        return Stages(
            detectors=(
                Scrfd(session(files.detector, "det_10g")),
                YuNet(session(files.second_detector, "yunet")),
            ),
            embedder=embedder,
            swapper=Swapper(
                session(files.swapper, "inswapper_128"),
                VectorSource("inswapper_128", 512, read_emap(files.swapper, "stand-in swapper")),
            ),
            swap_mask=oval_mask("arcface_128", 128),
            restorer=restorer,
            restore_mask=restore_mask,
            recogniser=embedder,
            recogniser_id="stand-in",
            meter=self._meter,
            occluder=Occluder(session(files.occluder, "xseg_1")) if self._occlusion else None,
        )

    def _times(self, outcome: Outcome, total_ns: int, session_ns: int) -> OurTimes:
        stages = {
            name: round((spent - outcome.session_ms.get(name, 0.0)) * 1e6)
            for name, spent in outcome.stages_ms.items()
        }
        note = outcome.guard
        looks = note.looks if note else 0
        searching = stages.get(SEARCH, 0)
        if self._kind == "shot" and looks:
            # A shot's input is searched once with everything; one look of that is what any
            # swap needs, the others are the guard's.  (A live frame has that one apart.)
            searching -= round(searching / (looks / 2))
        return OurTimes(
            total_ns=total_ns,
            session_ns=session_ns,
            guard_host_ns=searching + stages.get(CHECK, 0),
            paste_ns=stages.get("paste", 0),
            stages_ns=stages,
            looks=max(looks - 1, 0),
            faces=note.swapped if note and isinstance(outcome.ruling, Passed) else 0,
        )


def _on_one_thread(path: Path, recipe: Recipe, meter: Meter) -> AbstractContextManager[Session]:
    """As the figures of the host's share are measured."""
    return open_on_cpu(path, recipe, threads=1, meter=meter)


def _align(picture: Image, matrix: Matrix) -> Image:
    """The recogniser's crop."""
    return np.asarray(crops(picture, [matrix], SIZE_PX)[0], np.uint8)
