"""Ways out that were found by attacking, each closed: a face that nobody looked for.

Faces here are patches of smooth noise; detectors are scripted, the guard is real.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from edged.calibration import Bounds
from edged.faces import Detections, Face
from edged.geometry import clip, grow, template
from edged.privacy.guard import Guard, Passed, Region
from edged.stages.align import crops, matrices
from edged.stages.hold import Held
from edged.stages.search import search
from edged.stages.union import union
from edged.stages.views import Effort

GREY = (96, 96, 96)


def matrix_of(points):
    return matrices([points], "arcface_112", 112)[0]


def align(image, matrix):
    return crops(image, [matrix], 112)[0]


def likeness(images):
    """A recogniser by pixels: unit vectors of small grey crops."""
    small = [cv2.resize(cv2.cvtColor(i, cv2.COLOR_BGR2GRAY), (16, 16)).ravel() for i in images]
    flat = np.stack(small).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def noise(seed, side=400):
    """(side, side, 3) uint8, smooth enough to survive warps."""
    rough = np.random.default_rng(seed).normal(0, 1, (side, side, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 5)
    return np.clip(128 + smooth / smooth.std() * 45, 0, 255).astype(np.uint8)


def points_in(box):
    """Landmarks of a face that fills a box."""
    side = box[2] - box[0]
    shift = np.array([box[0], box[1]], np.float32)
    return template("arcface_112", 112) * np.float32(side / 112) + shift


def face(box, points=None, score=0.9, embedding=None):
    box = np.array(box, np.float32)
    points = points_in(box) if points is None else points
    return Face(box, score, points, frozenset({"scrfd"}), embedding=embedding)


def region(frame, seen):
    """A swapped region, as the pipeline makes it."""
    matrix = matrix_of(seen.landmarks)
    before = align(frame, matrix)
    seen.embedding = likeness([before])[0]
    return Region(seen, matrix, before, "swapped", "actor")


def guarded(frame, out, regions, faces):
    """The guard, with eyes that see these faces wherever they are not filled."""

    def look(picture):
        if picture.shape == frame.shape:
            return [
                f for f in faces
                if not (picture[int(f.box[1]) + 40, int(f.box[0]) + 50] == GREY).all()
            ]  # fmt: skip
        found = []
        for f in faces:
            x, y = clip(grow(f.box, 2.0), frame.shape[1], frame.shape[0])[:2]
            found.append(face(f.box - np.tile([x, y], 2), f.landmarks - np.float32([x, y])))
        return found

    guard = Guard(align, matrix_of, likeness, Bounds(0.6, 0.6, 0.15))
    return guard.disguise(out, regions, look, GREY, frame=frame)


def test_a_neighbour_is_not_explained_away_by_overlap():
    """One of two faces cheek to cheek was swapped; the other is as it was."""
    frame = noise(1)
    first, second = face((100, 100, 200, 200)), face((150, 100, 250, 200))
    out = frame.copy()
    out[100:200, 100:172] = noise(2)[100:200, 100:172]
    ruling = guarded(frame, out, [region(frame, face(first.box))], [first, second])
    assert isinstance(ruling, Passed)
    assert (out[110:190, 175:245] == GREY).all()


def test_a_swap_that_landed_beside_its_face_is_noticed():
    """The box was right and the landmarks were not; the same landmarks cannot show it."""
    frame = noise(1)
    box = (100, 100, 200, 200)
    wrong = points_in(box) + np.float32([-60, 0])
    out = frame.copy()
    out[100:200, 30:138] = noise(2)[100:200, 30:138]
    ruling = guarded(frame, out, [region(frame, face(box, wrong))], [face(box)])
    assert isinstance(ruling, Passed)
    assert (out[100:200, 100:200] == GREY).all()


def test_a_face_half_under_a_neighbours_fill_is_filled():
    """A fill explains what it covers and no more."""
    frame = noise(1)
    filled, beside = Region(face((100, 100, 200, 200))), face((165, 100, 265, 200))
    out = frame.copy()
    x1, y1, x2, y2 = filled.rect = (87, 87, 213, 213)
    out[y1:y2, x1:x2] = GREY
    ruling = guarded(frame, out, [filled], [beside])
    assert isinstance(ruling, Passed)
    assert (out[110:190, 215:260] == GREY).all()


def test_a_face_without_usable_landmarks_is_not_explained_away():
    """What cannot be aligned cannot be checked: filled."""
    frame, box = noise(1), (100, 100, 200, 200)
    out = frame.copy()
    out[100:200, 100:200] = noise(2)[100:200, 100:200]
    flat = face((130, 100, 230, 200), np.full((5, 2), 180, np.float32))
    ruling = guarded(frame, out, [region(frame, face(box))], [face(box), flat])
    assert isinstance(ruling, Passed)
    assert (out[110:190, 140:220] == GREY).all()


# -- the search -------------------------------------------------------------------------


def found(*faces):
    return [
        Detections(
            np.array([f[0]], np.float32),
            np.array([f[1]], np.float32),
            f[2] if len(f) > 2 else points_in(np.array(f[0], np.float32))[None],
            "scrfd",
        )
        for f in faces
    ]


def test_two_people_cheek_to_cheek_are_two_faces():
    """Their boxes overlap as those of one face do (0.43); their noses do not."""
    assert len(union(found(((100, 100, 200, 200), 0.9), ((140, 100, 240, 200), 0.8)))) == 2


def test_a_large_false_face_does_not_swallow_a_real_one_in_it():
    """The smaller one lies wholly inside, with more than a third of the area."""
    faces = union(found(((100, 100, 300, 300), 0.9), ((170, 170, 300, 300), 0.75)))
    assert len(faces) == 2


def test_an_unsure_finding_is_merged_and_its_landmarks_are_kept():
    """For the guard to look at."""
    faces = union(found(((100, 100, 200, 200), 0.9), ((140, 100, 240, 200), 0.55)))
    assert len(faces) == 1
    assert len(faces[0].others) == 1


@dataclass
class Squares:
    """Sees white squares of 14 to 200 px in what it is shown, like a detector its faces."""

    family: str = "scrfd"

    def __call__(self, picture, side):
        assert max(picture.shape[:2]) <= side
        mask = (picture.min(axis=2) > 200).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        boxes = [
            (x, y, x + w, y + h) for x, y, w, h, _ in stats[1:]
            if min(w, h) >= 14 and max(w, h) <= 200
        ]  # fmt: skip
        if not boxes:
            return Detections.none(self.family)
        boxes = np.array(boxes, np.float32)
        marks = np.stack([points_in(b) for b in boxes])
        return Detections(boxes, np.full(len(boxes), 0.9, np.float32), marks, self.family)


@pytest.mark.parametrize("size", [(1080, 1920), (2160, 3840), (3000, 4000), (3840, 2160)])
@pytest.mark.parametrize("turns", [(0,), (0, 1, 2, 3)])
def test_a_face_that_is_small_in_a_large_picture_is_found(size, turns):
    """36 px are 6 px of a 4K frame seen at 640, and a recogniser knows them."""
    height, width = size
    picture = np.zeros((*size, 3), np.uint8)
    places = [(4, 4), (width - 44, height - 44), (width // 2 - 7, height // 3), (1262, 600)]
    for x, y in places:
        picture[y : y + 36, x : x + 36] = 255
    faces = search(picture, [Squares()], Effort((640, 256), turns, tiles=True))
    assert len(faces) == len(places)
    for x, y in places:
        assert any(np.abs(f.box - [x, y, x + 36, y + 36]).max() < 4 for f in faces)


@pytest.mark.parametrize("shape", [(250, 3000), (190, 4000), (3000, 250)])
def test_boxes_in_a_strip_lie_where_the_faces_are(shape):
    """Truncated extents moved a face at the far end by a fifth of its width."""
    picture = np.zeros((*shape, 3), np.uint8)
    y, x = shape[0] - 130, shape[1] - 130
    picture[y : y + 120, x : x + 120] = 255
    (seen,) = search(picture, [Squares()], Effort((640,)))
    assert np.abs(seen.box - [x, y, x + 120, y + 120]).max() < 9


# -- places -----------------------------------------------------------------------------


def test_a_slow_stream_holds_a_lost_face_too():
    """Frames 1.5 s apart with 0.7 s of hold: the next frame still fills it, a later one not."""
    held = Held(700)
    for now_ms in (0, 1500, 3000):
        held.update([face((0, 0, 40, 40))], now_ms)
    assert len(held.update([], 4500)) == 1
    assert len(held.update([], 6000)) == 1
    assert held.update([], 7500) == []


def test_a_long_pause_forgets_who_was_there():
    """A minute later it is another scene."""
    held = Held(700)
    held.update([face((0, 0, 40, 40))], 0)
    assert held.update([], 60_000) == []
