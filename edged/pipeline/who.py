"""Who is in front of a camera: faces found, told apart, remembered, and given their roles.

A :class:`Memory` is what is kept of one camera from frame to frame: places that are held,
people by their vectors, roles.  It is in memory only, bounded in number and time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edged.faces import Embedding, Face, Floats
from edged.pipeline.lookout import Lookout
from edged.pipeline.parts import Job, Watch
from edged.pipeline.roles import Roles, cast_shot
from edged.pipeline.studio import Studio, fits
from edged.privacy.guard import Region
from edged.stages.easel import Picture
from edged.stages.glance import glances
from edged.stages.hold import Held
from edged.stages.select import select
from edged.stages.track import Track, Tracks
from edged.stages.views import Effort

SAME_UNMEASURED = 1.0
"""Where the guard has no bound nobody is known again; nothing leaves then either."""


@dataclass(repr=False, eq=False)
class Memory:
    """What is kept of one camera.

    Attributes:
        held: places that stay filled.
        tracks: people.
        roles: what they play, by scene.
        selected: track that the scene was about in the last frame, by scene.
    """

    held: Held
    tracks: Tracks
    roles: dict[str, Roles] = field(default_factory=dict)
    selected: dict[str, int] = field(default_factory=dict)


@dataclass(repr=False, eq=False)
class Seen:
    """The faces of one frame.

    Attributes:
        regions: one a face, with its crop and embedding where it could be aligned.
        cast: the identity of each, or "".
        lost: (4,) boxes of places that are held.
        effort: that the search took.
        embedded: on how many of them the guard's recogniser ran.
    """

    regions: list[Region]
    cast: list[str]
    lost: list[Floats]
    effort: Effort
    embedded: int


class Who:
    """Finds the faces of frames and says who they are, for all cameras.

    Args:
        studio: tools.
        wearers: unit vectors of people whom an identity is reserved for, by its name.
    """

    def __init__(self, studio: Studio, wearers: Mapping[str, Embedding]) -> None:
        self._studio = studio
        self._wearers = wearers
        self._lookout = Lookout(studio)
        self._cameras: dict[str, Memory] = {}

    def __call__(self, picture: Picture, job: Job, shape: tuple[int, ...], watch: Watch) -> Seen:
        """Search a frame, tell its faces apart and give them their roles."""
        faces, lost, effort = self._find(picture, job, watch)
        if not faces:
            if job.tracked:
                self._join(job, [], [])
            return Seen([], [], lost, effort, 0)
        if not job.tracked:
            regions = self._studio.regions(picture, faces, watch)
            chosen = self._chosen(job, regions, shape, None)
            cast = cast_shot(
                faces, chosen, job.scene, wearers=self._wearers, same=self._same(job)
            )  # fmt: skip
            return Seen(regions, cast, lost, effort, sum(r.before is not None for r in regions))
        regions, tracks, embedded = self._meet(picture, job, faces, watch)
        memory = self._cameras[job.camera]
        before = memory.selected.get(job.scene_name)
        current = next((i for i, t in enumerate(tracks) if t.track_id == before), None)
        chosen = self._chosen(job, regions, shape, current)
        if job.scene.select in {"largest", "centre"} and any(chosen):
            memory.selected[job.scene_name] = tracks[chosen.index(True)].track_id
        cast = memory.roles.setdefault(job.scene_name, Roles()).cast(
            tracks,
            chosen,
            job.scene,
            reserved=frozenset(self._wearers),
            remembered=frozenset(t.track_id for t in memory.tracks.all),
        )
        return Seen(regions, cast, lost, effort, embedded)

    def deal_again(self, scene_name: str) -> None:
        """Forget what everybody plays in a scene, at all cameras."""
        for memory in self._cameras.values():
            memory.roles.pop(scene_name, None)

    def _find(
        self, picture: Picture, job: Job, watch: Watch
    ) -> tuple[list[Face], list[Floats], Effort]:
        """Faces of a frame, lost places that are still held, and the effort that it took.

        A stream frame that is published keeps the tracks: who is lost in it stays filled
        like in any other.
        """
        memory = self._memory(job.camera) if job.tracked else None
        changed = None if memory is None else memory.held.changed
        faces, effort = self._lookout.find(picture, job, watch, changed)
        lost = [] if memory is None else memory.held.update(faces, job.now_ms)
        return faces, lost, effort

    def _meet(
        self, picture: Picture, job: Job, faces: list[Face], watch: Watch
    ) -> tuple[list[Region], list[Track], int]:
        """Regions and tracks of a stream frame; only faces that need it are embedded."""
        memory = self._cameras[job.camera]
        regions = self._studio.cut(picture, faces, watch)
        with watch("track"):
            seen = iter(glances([r.before for r in regions if r.before is not None]))
            looks = [None if r.before is None else next(seen) for r in regions]
            due = [number for number, look in enumerate(looks) if look is not None]
            if not job.whole:
                due = memory.tracks.plan(faces, looks, job.now_ms, memory.held.window_ms)
        if due:
            self._studio.embed([regions[number] for number in due], watch)
        with watch("track"):
            tracks = self._join(job, faces, looks)
        bare = [r for r in regions if r.before is not None and r.face.embedding is None]
        if bare:  # nobody's vector stands for it after all
            self._studio.embed(bare, watch)
        with watch("track"):
            if job.scene.smoothing:
                for face, track in zip(faces, tracks, strict=True):
                    face.steadied = track.steady(face.landmarks, face.box, job.now_ms)
        return regions, tracks, len(due) + len(bare)

    def _join(self, job: Job, faces: list[Face], looks: Sequence[Floats | None]) -> list[Track]:
        memory = self._cameras[job.camera]
        return memory.tracks.join(
            faces,
            looks,
            job.now_ms,
            window_ms=memory.held.window_ms,
            same=self._same(job),
            remember_ms=round(job.scene.remember_s * 1000),
        )

    def _chosen(
        self, job: Job, regions: Sequence[Region], shape: tuple[int, ...], current: int | None
    ) -> list[bool]:
        """Whether a scene is about each face, and it can be swapped at all."""
        scene = job.scene
        rule = "all" if scene.select == "matched" else scene.select
        able = [
            number
            for number, region in enumerate(regions)
            if region.before is not None and fits(region.face, scene)
        ]
        now = able.index(current) if current in able else None
        picked = select(rule, [regions[number].face.box for number in able], shape, now)
        chosen = {able[place] for place in picked}
        return [number in chosen for number in range(len(regions))]

    def _same(self, job: Job) -> float:
        """Cosine from which two vectors are one person's."""
        bounds = self._studio.guard.bounds
        measured = SAME_UNMEASURED if bounds is None else bounds.identity_max
        return job.scene.min_similarity or measured

    def _memory(self, camera: str) -> Memory:
        if camera not in self._cameras:
            settings = self._studio.settings
            self._cameras[camera] = Memory(Held(settings.hold_ms), Tracks(self._wearers))
        return self._cameras[camera]
