"""Two minutes in front of a camera, made up: people cross, leave, come back; a stranger comes.

Every run has another seed; whoever uses it prints the seed.  What a recogniser and a
detector do to a face is drawn from what was measured with MobileFaceNet and det_500m on
seven people: one person again 0.79 to 0.99 under sensor noise, 0.3 and less when blurred,
strangers 0.04 +- 0.12; boxes and landmarks off by half a percent of the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edged.faces import Face
from edged.geometry import iou, template

WIDTH, HEIGHT = 1920, 1080
FPS = 30
SAME = 0.42
"""Of MobileFaceNet (tests/booth.py)."""

NMS_IOU = 0.4
"""A detector answers once for boxes that overlap more: the face in front."""

STRANGER = 4
"""Number of the one whom nobody expects; 0 to 3 are visitors."""


def unit(vector):
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


@dataclass
class Person:
    """Somebody, with the looks of a face as far as a recogniser and a glance tell."""

    number: int
    vector: np.ndarray
    poses: np.ndarray
    glance: np.ndarray
    turned: np.ndarray
    size: float


@dataclass
class Shown:
    """One face of a frame as it was found, and whose it is."""

    face: Face
    person: int
    vector: np.ndarray
    glance: np.ndarray


class Story:
    """Who is where for two minutes.

    Args:
        seed: of everything.
        seconds: how long.
    """

    def __init__(self, seed, seconds=120):
        self.rng = np.random.default_rng(seed)
        self.frames = seconds * FPS
        everybody = unit(self.rng.normal(size=256))  # what all faces look like
        self.people = [self._person(number, everybody) for number in range(5)]
        self.paths = self._paths(seconds)
        self.blurred = self._blurs()
        self.worst_crossing = 0.0

    def _blurs(self):
        """(5, frames) bool: some looks are blurred, and whoever comes in comes in a hurry."""
        blurred = np.zeros((5, self.frames), bool)
        for person in range(5):
            for first in self.rng.integers(0, self.frames, self.frames // 360):
                blurred[person, first : first + self.rng.integers(3, 15)] = True
            here = np.isfinite(self.paths[person, :, 0])
            for first in np.flatnonzero(here[1:] & ~here[:-1]) + 1:
                blurred[person, first : first + self.rng.integers(0, 8)] = True
        return blurred

    def _person(self, number, everybody):
        rng = self.rng
        own = unit(rng.normal(size=256))
        return Person(
            number,
            unit(rng.normal(size=128)),
            unit(rng.normal(size=128)),
            unit(0.55 * everybody + 0.83 * own),
            unit(rng.normal(size=256)),
            float(rng.uniform(150, 240)),
        )

    def _paths(self, seconds):
        """(frames, 2) centres of each person; NaN where it is not there."""
        rng, count = self.rng, self.frames
        time = np.arange(count) / FPS
        paths = np.full((5, count, 2), np.nan)
        # Two walk to and fro through each other, at one height and at one size.
        height = rng.uniform(400, 600)
        self.people[1].size = self.people[0].size * rng.uniform(0.9, 1.1)
        for number, sign in ((0, 1), (1, -1)):
            period = rng.uniform(9, 14)
            swing = np.sin(2 * np.pi * time / period + rng.uniform(0, 0.3))
            paths[number, :, 0] = 900 + sign * 600 * swing
            paths[number, :, 1] = height + 8 * np.sin(time * rng.uniform(0.5, 2))
        # One stands still, leaves for five seconds and comes back somewhere else.
        leaves = rng.uniform(20, seconds - 30)
        paths[2, :] = (rng.uniform(300, 1600), 180)
        paths[2, (time > leaves) & (time < leaves + 5)] = np.nan
        paths[2, time >= leaves + 5] = (rng.uniform(300, 1600), 180)
        # One sways.
        paths[3, :, 0] = rng.uniform(400, 1500) + 60 * np.sin(time * rng.uniform(0.5, 3))
        paths[3, :, 1] = 900
        # The stranger comes in and goes through the others, in the meantime.
        comes = rng.uniform(5, seconds - 40)
        here = (time > comes) & (time < comes + rng.uniform(15, 30))
        paths[STRANGER, here, 0] = np.linspace(-50, 1970, here.sum())
        paths[STRANGER, here, 1] = height + rng.uniform(-80, 80)
        return paths

    def __iter__(self):
        """For each frame its time in ms and the faces that a detector finds."""
        for frame in range(self.frames):
            yield round(frame * 1000 / FPS), self._found(frame)

    def _found(self, frame):
        rng = self.rng
        here = [p for p in self.people if np.isfinite(self.paths[p.number, frame, 0])]
        boxes = np.stack([self._box(p, frame) for p in here])
        overlap = np.triu(iou(boxes, boxes), 1)
        crossing = iou(boxes[:2], boxes[:2])[0, 1]
        self.worst_crossing = max(self.worst_crossing, float(crossing))
        found = []
        for row, person in enumerate(here):
            hidden = float(overlap[:, row].max())  # behind whoever comes before it
            if rng.random() < 0.01 or hidden > NMS_IOU or (hidden > 0.2 and rng.random() < 0.5):
                continue
            other = here[int(overlap[:, row].argmax())] if hidden > 0.1 else None
            found.append(self._shown(person, frame, boxes[row], other, hidden))
        rng.shuffle(found)
        return found

    def _box(self, person, frame):
        centre, half = self.paths[person.number, frame], person.size / 2
        return np.array([*(centre - half), *(centre + half)], np.float32)

    def _shown(self, person, frame, box, other, hidden):
        rng = self.rng
        # A head that turns, slowly and now and then far; motion blurs.
        turn = 0.9 * abs(np.sin(frame / FPS * 0.37 + person.number)) ** 3
        before = self.paths[person.number, max(frame - 1, 0)]
        speed = np.nan_to_num(np.linalg.norm(self.paths[person.number, frame] - before))
        noise = 0.3 + 0.9 * min(speed * FPS / person.size / 4, 1) + 0.2 * rng.random()
        noise += 1.8 * self.blurred[person.number, frame]
        vector = unit(
            person.vector + turn * person.poses + noise * unit(rng.normal(size=128))
        )  # fmt: skip
        glance = unit(
            person.glance + turn * person.turned + (0.2 + 0.4 * (noise > 2)) * unit(
                rng.normal(size=256)
            )
        )  # fmt: skip
        if other is not None:
            vector = unit(vector + 1.5 * hidden * other.vector)
            glance = unit(glance + 1.5 * hidden * other.glance)
        off = rng.normal(0, 0.005 * person.size, 4).astype(np.float32)
        points = (template("arcface_112", 112) / 112 * person.size + box[:2]).astype(np.float32)
        points += rng.normal(0, 0.005 * person.size, (5, 2)).astype(np.float32)
        face = Face(box + off, 0.9, points, frozenset({"scrfd"}))
        return Shown(face, person.number, vector, glance)


class Count:
    """What went wrong over a sequence, face by face.

    Args:
        stranger_may: whether the stranger may have a character of its own.
    """

    def __init__(self, *, stranger_may):
        self._may = stranger_may
        self._last: dict[int, str] = {}
        self.switches = self.stranger = self.shared = 0
        self.visitors = self.visitors_swapped = 0

    def __call__(self, people, characters):
        """One frame: whose faces they are, and what each becomes ("" is filled)."""
        named = [c for c in characters if c]
        self.shared += len(named) - len(set(named))
        for person, character in zip(people, characters, strict=True):
            before = self._last.get(person)
            if person == STRANGER:
                others = {c for p, c in self._last.items() if p != STRANGER}
                taken = character in others if self._may else bool(character)
                self.stranger += bool(character) and taken
            else:
                self.visitors += 1
                self.visitors_swapped += bool(character)
            if character:
                self.switches += before is not None and before != character
                self._last[person] = character

    @property
    def share(self):
        return self.visitors_swapped / max(self.visitors, 1)

    def row(self, name):
        return f"{name:<34}{self.switches:>9}{self.stranger:>18}{self.shared:>9}{self.share:>10.1%}"


HEAD = f"{'':<34}{'switches':>9}{'stranger swapped':>18}{'shared':>9}{'swapped':>10}"


class Nearest:
    """The peers' rule: each face of each frame takes the nearest reference's character.

    Args:
        least: similarity that is asked for; none, as in a live face map (-1), or a fixed one.
    """

    def __init__(self, least=-1.0):
        self._least, self._known = least, []

    def __call__(self, vectors, *, enrol):
        """Characters of a frame's faces; references are those of the frame that enrols."""
        if enrol:
            self._known += list(vectors)
        known = np.stack(self._known)
        cosines = np.stack(list(vectors)) @ known.T if len(vectors) else np.zeros((0, 1))
        return [f"c{row.argmax()}" if row.max() >= self._least else "" for row in cosines]
