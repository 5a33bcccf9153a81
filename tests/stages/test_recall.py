"""How many faces of known places are found: shots and streams, by size and by turn.

The figures are printed (`pytest -s`); tests/bench/RESULTS.md has those of the whole matrix.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from graph_kit import of_file
from recall_kit import VGA, inter_eye, match, matrix
from shots import say

from edged.pipeline.studio import DIAGONALS_DEG
from edged.stages.scrfd import Scrfd
from edged.stages.search import search
from edged.stages.spots import Memory
from edged.stages.views import Effort
from edged.stages.yunet import YuNet

pytestmark = pytest.mark.timeout(900)

SHOT = Effort(
    (640, 256, 128),
    (0, 1, 2, 3),
    tiles=True,
    diagonals=DIAGONALS_DEG,
    close_px=128,
    every=True,
)
"""A shot with the default settings."""

EVERY = 7
"""One case in so many: 40 of 280, in which each size, frame and turn occurs."""

LEAST = 0.95


@pytest.fixture(scope="module")
def detectors(test_models):
    """The two small real families."""
    with (
        of_file(test_models / "det_500m.onnx", "det_500m") as first,
        of_file(test_models / "yunet_n_640_640.onnx", "yunet") as second,
    ):
        yield [Scrfd(first), YuNet(second)]


@pytest.fixture(scope="module")
def found(detectors):
    """(case, truth, faces, index of each true face's finding or -1) of every case."""
    rows = []
    for case in matrix()[::EVERY]:
        faces = search(case.picture(), detectors, SHOT)
        truth = case.truth()
        boxes = np.array([face.box for face in faces]).reshape(-1, 4)
        rows.append((case, truth, faces, match(boxes, truth.boxes)))
    return rows


def table(title, bins):
    say(f"{title}: " + ", ".join(f"{name} {hit}/{of}" for name, (hit, of) in bins.items()))


def test_a_shot_finds_its_faces(found):
    """95 of 100, from 3 % of the frame's shorter side to 80 % of its area, in every turn."""
    assert len(found) >= 40
    sizes, turns = defaultdict(lambda: [0, 0]), defaultdict(lambda: [0, 0])
    for case, _, _, hits in found:
        for bins, name in ((sizes, case.size), (turns, f"{case.angle_deg} deg")):
            bins[name][0] += int((hits >= 0).sum())
            bins[name][1] += len(hits)
        if (hits < 0).any():
            say(f"missed: {case.name}, {(hits < 0).sum()} of {len(hits)}")
    table("found by size", sizes)
    table("found by turn", turns)
    hit, of = (sum(values) for values in zip(*sizes.values(), strict=True))
    say(f"found in shots: {hit} of {of}, {hit / of:.1%}, in {len(found)} cases")
    assert hit / of >= LEAST


def test_landmarks_are_where_they_should_be(found):
    """Of turned, large and small faces too: good enough to cut and paste by."""
    errors = defaultdict(list)
    for case, truth, faces, hits in found:
        for number, hit in enumerate(hits):
            if hit >= 0:
                off = faces[hit].landmarks - truth.points[number]
                rms = float(np.sqrt((off**2).sum(axis=1).mean()))
                errors[f"{case.angle_deg} deg"].append(rms / inter_eye(truth.points[number]))
    for name, values in errors.items():
        say(f"landmarks {name}: median {np.median(values):.1%}, worst {max(values):.1%}")
    values = np.concatenate(list(errors.values()))
    say(f"landmarks: median {np.median(values):.1%}, 95th percentile "
        f"{np.percentile(values, 95):.1%} of the distance between the eyes")  # fmt: skip
    assert np.median(values) < 0.12
    assert np.percentile(values, 95) < 0.25


def test_few_faces_are_made_up(found):
    """Beside every true face, and those that are cut off, what is swapped is a face."""
    made_up = doubtful = 0
    for case, _, faces, _ in found:
        people = case.everyone()
        for face in faces:
            if not (match(face.box[None], people) >= 0).any():
                made_up += not face.doubtful
                doubtful += face.doubtful
    say(
        f"made up: {made_up} that would be swapped, {doubtful} doubtful ones, in {len(found)} cases"
    )
    assert made_up <= len(found) // 10


@pytest.mark.parametrize("turn", [90, 180, 270, -45])
def test_who_was_found_is_followed_with_quick_looks(detectors, turn):
    """A turned face, once seen, is found in every frame by the first family alone."""
    cases = [c for c in matrix() if c.angle_deg == turn and c.frame == VGA and c.size != "3%"]
    for case in cases[:4]:
        image, memory = case.picture(), Memory()
        memory.update(search(image, detectors, SHOT), 0, 700)
        truth = case.truth().boxes
        for frame in range(1, 4):
            moved = np.roll(image, 4 * frame, axis=1)
            quick = Effort((640,), families=1, close_px=128,
                           expected=memory.expected(100 * frame, 700))  # fmt: skip
            faces = search(moved, detectors, quick)
            memory.update(faces, 100 * frame, 700)
            hits = match(np.array([f.box for f in faces]).reshape(-1, 4),
                         truth + np.float32([4 * frame, 0] * 2))  # fmt: skip
            assert (hits >= 0).mean() >= 0.8, (case.name, frame)
