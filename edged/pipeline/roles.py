"""Who plays whom: which identity each face of a frame gets, and which faces get none.

One identity belongs to one person for as long as that person is remembered, unless the
scene shares identities.  An identity with `worn_by` belongs to that person alone.
Knows scenes and persons by number; knows no pictures and no vectors but to compare them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edged.faces import Embedding, Face
from edged.scene import Scene
from edged.stages.assign import FORBIDDEN, assign
from edged.stages.track import Track

NOBODY = ""
"""A face that becomes no character, and so is filled."""


class Roles:
    """What each person of one stream plays in one scene."""

    def __init__(self) -> None:
        self._plays: dict[int, str] = {}

    def cast(
        self,
        tracks: Sequence[Track],
        selected: Sequence[bool],
        scene: Scene,
        *,
        reserved: frozenset[str],
        remembered: frozenset[int],
    ) -> list[str]:
        """The identity of each face, or `NOBODY`.

        Args:
            tracks: of the frame's faces.
            selected: whether the scene is about the face.
            scene: identities and rules.
            reserved: identities that have a person.
            remembered: ids of all tracks that the camera remembers.
        """
        self._plays = {
            track: name
            for track, name in self._plays.items()
            if track in remembered and name in scene.identities
        }
        for track, chosen in sorted(
            zip(tracks, selected, strict=True), key=lambda pair: pair[0].track_id
        ):
            if chosen and track.known and track.track_id not in self._plays:
                name = self._role(track.worn, scene, reserved)
                if name:
                    self._plays[track.track_id] = name
        return [
            self._plays.get(track.track_id, NOBODY) if chosen and track.known else NOBODY
            for track, chosen in zip(tracks, selected, strict=True)
        ]

    def _role(self, worn: str, scene: Scene, reserved: frozenset[str]) -> str:
        if worn in scene.identities:
            return worn
        return next_role(scene, reserved, list(self._plays.values()))


def next_role(scene: Scene, reserved: frozenset[str], taken: Sequence[str]) -> str:
    """The identity that a face gets which matches nobody, or `NOBODY`.

    Args:
        scene: identities and rules.
        reserved: identities that have a person.
        taken: identities that somebody plays, each as often as it is played.
    """
    free = [name for name in scene.identities if name not in reserved]
    if scene.on_stranger == "fill" or scene.select == "matched" or not free:
        return NOBODY
    name = min(free, key=taken.count)  # the first of those that are played least
    return name if scene.share_identities or name not in taken else NOBODY


def cast_shot(
    faces: Sequence[Face],
    selected: Sequence[bool],
    scene: Scene,
    *,
    wearers: Mapping[str, Embedding],
    same: float,
) -> list[str]:
    """The identities of a single picture: people who match first, the others left to right.

    Args:
        faces: with embeddings, where they could be aligned.
        selected: whether the scene is about the face.
        scene: identities and rules.
        wearers: unit vectors of people whom an identity is reserved for, by its name.
        same: cosine from which two vectors are one person's.
    """
    names = [name for name in scene.identities if name in wearers]
    scores = np.full((len(faces), len(names)), FORBIDDEN)
    for row, face in enumerate(faces):
        for column, name in enumerate(names):
            if face.embedding is not None and selected[row]:
                likeness = float(face.embedding @ wearers[name])
                scores[row, column] = likeness if likeness >= same else FORBIDDEN
    cast = [names[column] if column >= 0 else NOBODY for column in assign(scores)]
    taken = [name for name in cast if name]
    reserved = frozenset(wearers)
    for number in np.argsort([float(f.box[0]) for f in faces], kind="stable"):
        if selected[number] and not cast[number]:
            cast[number] = next_role(scene, reserved, taken)
            taken += [cast[number]] if cast[number] else []
    return cast
