"""How hard each frame is looked at: a shot with everything, a stream within a budget.

A stream frame gets the first detector at the stream's sizes, and a close look at every spot
where a face was a moment ago and is not seen now, or leans.  A full look follows every
`full_look_every_n` frames, when faces came or went, and whenever none is seen: all detectors,
sizes and tiles upright, and the first detector in one further quarter turn and one diagonal;
the turns take turns.  Who is found in one is followed by close looks.  A stream frame that is
published is looked at like a shot, after the quick look, whose landmarks hold where both see a
face.

Knows efforts and where faces were; knows no pixels and no persons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from edged.faces import Face, Image
from edged.pipeline.parts import Job, Watch
from edged.pipeline.studio import Studio
from edged.privacy.regions import Search
from edged.stages.anchor import anchored
from edged.stages.easel import Picture
from edged.stages.search import Detector, search
from edged.stages.spots import Memory
from edged.stages.views import Effort

Changed = Callable[[Sequence[Face], int], bool]
"""Whether faces came or went since the last frame of the camera, at so many ms."""

FOLLOWED_MS = 5000
"""A spot is looked at closely for so long after its face was seen, at least: longer than a
frame takes on a CPU, and than a hand stays before a face."""


@dataclass(repr=False, eq=False)
class _Camera:
    """One stream: frames since its last full look, full looks so far, where faces were."""

    since_full: int
    full_looks: int = 0
    memory: Memory = field(default_factory=Memory)


class Lookout:
    """Decides the effort of each frame and looks.

    Args:
        studio: detectors, and how hard the guard looks.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._cameras: dict[str, _Camera] = {}

    def find(
        self, picture: Picture, job: Job, watch: Watch, changed: Changed | None
    ) -> tuple[list[Face], Effort]:
        """The faces of a frame, and the effort that it took.

        Args:
            picture: the frame.
            job: what it is to become.
            watch: times the looks.
            changed: of the camera; None for a shot, which neither uses nor moves a memory.

        The output has to be looked at with the same effort.
        """
        thorough = self._studio.shot_effort(tiles=True)
        if changed is None:
            return self._studio.look(picture, thorough, watch), thorough
        settings = self._studio.settings
        camera = self._cameras.setdefault(job.camera, _Camera(settings.full_look_every_n))
        hold_ms = max(settings.hold_ms, FOLLOWED_MS)
        expected = camera.memory.expected(job.now_ms, hold_ms)
        effort = Effort(
            settings.stream_sizes_px, families=1, close_px=thorough.close_px, expected=expected
        )
        faces = self._studio.look(picture, effort, watch)
        camera.since_full += 1
        if (
            job.whole
            or camera.since_full >= settings.full_look_every_n
            or not faces
            or changed(faces, job.now_ms)
        ):
            camera.since_full = 0
            effort = replace(thorough, expected=expected)
            if not job.whole:
                effort = self._full(effort, camera)
            with watch("search"):
                quick, faces = faces, picture.search(self._studio.stages.detectors, effort)
            anchored(faces, quick)  # or pastes would jump at every full look
        camera.memory.update(faces, job.now_ms, hold_ms)
        return faces, effort

    def _full(self, thorough: Effort, camera: _Camera) -> Effort:
        """Upright with everything, and the next quarter turn and diagonal."""
        turns = [turn for turn in thorough.turns if turn]
        camera.full_looks += 1
        return replace(
            thorough,
            turns=(0,),
            aside=(turns[camera.full_looks % len(turns)],) if turns else (),
            diagonals=(thorough.diagonals[camera.full_looks % 2],) if turns else (),
            every=False,
        )


def eyes(detectors: Sequence[Detector], effort: Effort, shape: tuple[int, ...]) -> Search:
    """The guard's look at an output, with the effort that its input took.

    Args:
        detectors: families.
        effort: of the input.
        shape: of the input; a cutting of another shape is looked at in every turn, since
            spots of the whole picture mean nothing there.
    """
    inside = replace(effort, expected=(), turns=(0, 1, 2, 3), aside=(), diagonals=())

    def look(picture: Image) -> list[Face]:
        return search(picture, detectors, effort if picture.shape == shape else inside)

    return look
