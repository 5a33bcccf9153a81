"""What keeps a picture, or a face of it, out before any work is done on it.

Two questions, both asked of the frame as the camera gave it and only where the
configuration asks them: does the picture show what it must not, and is each face live or
a picture of one.  What is remembered of a camera is scores and eye openings, in memory,
bounded in number and time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from edged.faces import Face, Image, Life
from edged.pipeline.parts import Job, Stages, Watch
from edged.scene import Scene
from edged.stages.blink import Blinks
from edged.stages.face_parts import eye_opening

CONTENT_EVERY_MS = 1000
"""A stream's picture is looked at once in so long; every shot is."""

SCORE_EVERY_MS = 200
SCORES = 5
"""A stream's face is scored so often, and judged by the median of the last ones: one frame
with a blur or a glare neither takes its character away nor gives one to a print."""

BLINK_WITHIN_MS = 15_000
"""People blink every 3 to 6 s; who looks at a screen, down to every 10 to 15 s."""

AWAY_MS, AWAY_FRAMES = 1000, 2
"""Whoever is not seen for longer, and in more frames, has to show again that they are live:
somebody else may come back with a picture of them, and likeness alone tells tracks."""


@dataclass(repr=False, eq=False)
class _Track:
    """What was seen of one face of a stream."""

    seen_ms: int = 0
    seen_frame: int = 0
    scored_ms: int | None = None
    scores: deque[float | None] = field(default_factory=lambda: deque(maxlen=SCORES))
    blinks: Blinks = field(default_factory=Blinks)

    def score(self) -> float | None:
        """Median of the known scores; None where half of them or more are not known."""
        known = [score for score in self.scores if score is not None]
        return median(known) if 2 * len(known) > len(self.scores) else None


class Vetting:
    """The two questions, for all cameras.

    Args:
        stages: loaded networks; those that are None ask nothing.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._content: dict[str, tuple[int, bool]] = {}
        self._tracks: dict[str, dict[int, _Track]] = {}
        self._frames: dict[str, int] = {}

    def unfit(self, frame: Image, job: Job, watch: Watch) -> bool:
        """Whether the picture must not be shown at all; asked of every frame, and first.

        Raises:
            EngineError: a network failed; what could not be checked is not shown.
        """
        self._frames[job.camera] = self._frames.get(job.camera, 0) + 1
        check = self._stages.content
        if check is None:
            return False
        last_ms, found = self._content.get(job.camera, (0, False))
        known = job.camera in self._content and 0 <= job.now_ms - last_ms < CONTENT_EVERY_MS
        if job.stream and not job.whole and known:
            return found
        with watch("content"):
            found = check(frame)
        if job.stream:
            self._content[job.camera] = job.now_ms, found
        return found

    def look(self, frame: Image, faces: Sequence[Face], job: Job, watch: Watch) -> None:
        """Set the `life` of each face, where the scene asks for it.

        Args:
            frame: (h, w, 3) uint8 BGR, untouched.
            faces: with boxes, landmarks and, in a stream, tracks.
            job: says which scene.
            watch: times it as "liveness".
        """
        if job.scene.liveness == "off" or self._stages.liveness is None or not faces:
            return
        with watch("liveness"):
            if job.tracked:
                self._stream(frame, faces, job)
            else:
                self._shot(frame, faces)

    def _shot(self, frame: Image, faces: Sequence[Face]) -> None:
        """One look is all there is: no eye blinks in it."""
        for face, score in zip(faces, self._scores(frame, faces), strict=True):
            face.life = Life(score, None, live=self._passes(score))

    def _stream(self, frame: Image, faces: Sequence[Face], job: Job) -> None:
        now_ms, frame_no = job.now_ms, self._frames.get(job.camera, 0)
        tracks = self._tracks.setdefault(job.camera, {})
        away = [
            key
            for key, track in tracks.items()
            if now_ms - track.seen_ms > AWAY_MS and frame_no - track.seen_frame > AWAY_FRAMES
        ]
        for key in away:
            del tracks[key]
        mine = [tracks.setdefault(face.track_id, _Track()) for face in faces]
        due = [
            (face, track)
            for face, track in zip(faces, mine, strict=True)
            if track.scored_ms is None or now_ms - track.scored_ms >= SCORE_EVERY_MS
        ]
        for (_, track), score in zip(due, self._scores(frame, [f for f, _ in due]), strict=True):
            track.scores.append(score)
            track.scored_ms = now_ms
        if job.scene.blink and self._stages.landmarker is not None:
            dense = self._stages.landmarker(frame, faces)
            for face, track, points in zip(faces, mine, dense, strict=True):
                face.dense = points
                track.blinks.see(eye_opening(points), now_ms)
        for face, track in zip(faces, mine, strict=True):
            track.seen_ms, track.seen_frame = now_ms, frame_no
            score = track.score()
            blinked = track.blinks.within(BLINK_WITHIN_MS, now_ms) if job.scene.blink else None
            face.life = Life(score, blinked, live=self._passes(score) and blinked is not False)

    def _scores(self, frame: Image, faces: Sequence[Face]) -> list[float | None]:
        if self._stages.liveness is None or not faces:
            return []
        return self._stages.liveness(frame, faces)

    def _passes(self, score: float | None) -> bool:
        """Whether a score counts as live; what cannot be told does not."""
        liveness = self._stages.liveness
        return liveness is not None and score is not None and score >= liveness.live_from


def barred(face: Face, scene: Scene) -> bool:
    """Whether a scene must not use a face: it asks for a live one and this is none."""
    return scene.liveness == "require" and (face.life is None or not face.life.live)


def life_note(face: Face) -> dict[str, Any]:
    """What a result says of it: fields of a :class:`~edged.transport.wire.FaceNote`."""
    if face.life is None:
        return {}
    score = face.life.score
    return {"liveness": None if score is None else round(score, 3), "live": face.life.live}
