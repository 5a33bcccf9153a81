"""The values that the pipeline works with, and its stopwatch.

Knows stages by type only; :mod:`edged.pipeline` is where they are called.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from edged.faces import Touch
from edged.privacy.buffers import OutgoingBuffer
from edged.privacy.guard import Passed, Refused
from edged.runtime.session import Meter
from edged.scene import Scene
from edged.stages.content import ContentCheck
from edged.stages.embed import Embedder
from edged.stages.landmarks import Landmarker
from edged.stages.liveness import Liveness
from edged.stages.paste import Mask
from edged.stages.restore import Restorer
from edged.stages.search import Detector
from edged.stages.segment import Occluder, Parser
from edged.stages.swap import Swapper
from edged.transport.wire import ConsentEntry, FaceNote, GuardNote


@dataclass(frozen=True, repr=False, eq=False)
class Stages:
    """Everything that runs a network, and the masks that go with it.

    Attributes:
        detectors: families, best landmarks first.
        embedder: the recogniser that the swapper takes.
        swapper: puts identities on.
        swap_mask: how much of a swapped crop is pasted.
        restorer: or None.
        restore_mask: of its crops, or None.
        recogniser: the guard's own.
        recogniser_id: its model id, for results.
        meter: time inside sessions.
        occluder: says what is before a face, where a scene asks for it.
        parser: says which pixel is what of a face, likewise.
        landmarker: dense landmarks, likewise.
        liveness: says whether a face is live, likewise.
        content: says whether a picture must not be shown, where one is configured.
    """

    detectors: Sequence[Detector]
    embedder: Embedder
    swapper: Swapper
    swap_mask: Mask
    restorer: Restorer | None
    restore_mask: Mask | None
    recogniser: Embedder
    recogniser_id: str
    meter: Meter
    occluder: Occluder | None = None
    parser: Parser | None = None
    landmarker: Landmarker | None = None
    liveness: Liveness | None = None
    content: ContentCheck | None = None


@dataclass(frozen=True, repr=False, eq=False)
class Job:
    """What one frame is to become.

    Attributes:
        camera: configured name.
        scene_name, scene: what it is turned into.
        whole: search with every family, size and turn (shots and published samples).
        consents: of the people in the frame, for portraits.
        now_ms: monotonic time of the frame.
        stream: it is one of a camera's stream, also when it is published.
    """

    camera: str
    scene_name: str
    scene: Scene
    whole: bool
    consents: tuple[ConsentEntry, ...] = ()
    now_ms: int = 0
    stream: bool = False

    @property
    def tracked(self) -> bool:
        """Whether the camera's tracks count, so that lost faces stay filled."""
        return self.stream or not self.whole


@dataclass(repr=False, eq=False)
class Outcome:
    """What became of a frame.

    Attributes:
        ruling: passed picture or the reason why not.
        buffer: leased memory of the picture; the caller releases it.
        faces: notes for the result.
        guard: note for the result.
        bystanders: faces that were not used (portrait).
        usable: faces that could have been used, where a consent rule refused the shot.
        touches: what restoring did to each swapped face.
        stages_ms: wall time of each stage; session_ms: of it inside sessions.
    """

    ruling: Passed | Refused
    buffer: OutgoingBuffer | None = None
    faces: tuple[FaceNote, ...] = ()
    guard: GuardNote | None = None
    bystanders: int = 0
    usable: int = 0
    touches: tuple[Touch, ...] = ()
    stages_ms: dict[str, float] = field(default_factory=dict)
    session_ms: dict[str, float] = field(default_factory=dict)


class Watch:
    """Wall time of stages, and how much of it sessions took; `stage` is the last one.

    On a device a stage may only begin what a later one waits for: the time is the later one's.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.stage = ""
        self.stages_ms: dict[str, float] = {}
        self.session_ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a stage; entering it again adds."""
        self.stage = stage
        start, inside = time.perf_counter_ns(), self._meter.total_ns
        try:
            yield
        finally:
            spent = (time.perf_counter_ns() - start) / 1e6
            session = (self._meter.total_ns - inside) / 1e6
            self.stages_ms[stage] = self.stages_ms.get(stage, 0.0) + spent
            self.session_ms[stage] = self.session_ms.get(stage, 0.0) + session
