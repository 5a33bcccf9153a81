"""Dense landmarks: the contracts on stand-ins, and what they are read for."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.odd_session import OddSession
from graph_kit import running

from edged.bench.standins import landmarks
from edged.errors import EngineError
from edged.faces import Face
from edged.stages.face_parts import PARTS, eye_opening, parts_of
from edged.stages.landmarks import LAYOUTS, Landmarker, box_crop


def face(*box):
    return Face(np.array(box, np.float32), 1.0, np.zeros((5, 2), np.float32), frozenset())


def picture():
    return np.random.default_rng(4).integers(0, 256, (480, 640, 3), np.uint8)


FACES = [face(100, 80, 220, 240), face(400.5, 200.25, 480, 300), face(-40, -30, 90, 120)]


@pytest.mark.parametrize(
    ("name", "build", "family"),
    [
        ("2d106det", lambda: landmarks.build("2d106det"), "landmarks_106"),
        ("1k3d68", lambda: landmarks.build("1k3d68"), "landmarks_68"),
        ("2dfan4", landmarks.fan, "landmarks_fan"),
    ],
)
def test_faces_together_have_the_points_of_each_alone(name, build, family):
    """Batched, and round each face's own box, also one that hangs over the edge."""
    with running(build(), name) as session:
        assert session.inputs[0].shape[0] != 1
        landmarker = Landmarker(session, LAYOUTS[family], most=2)
        image = picture()
        together = landmarker(image, FACES)
        for one, points in zip(FACES, together, strict=True):
            alone = landmarker(image, [one])[0]
            assert np.abs(points - alone).max() < 1e-3
            assert points.shape == (LAYOUTS[family].points, 2)
            middle = (one.box[:2] + one.box[2:]) / 2
            assert np.abs(points.mean(axis=0) - middle).max() < 20


def test_nobody_costs_no_run():
    """No faces, no session."""
    assert Landmarker(None, LAYOUTS["landmarks_106"])(picture(), []) == []


def test_fan_gives_the_published_places():
    """Place in the crop = value / 64 * 256, in a crop of 195 px for the longer side."""
    with running(landmarks.fan(), "2dfan4") as session:
        image = np.zeros((300, 300, 3), np.uint8)
        (points,) = Landmarker(session, LAYOUTS["landmarks_fan"])(image, [face(50, 60, 150, 260)])
        first = np.array([(32 + 20) * 4, 32 * 4])
        expected = (first - 128) / (195 / 200) + [100, 160]
        assert np.abs(points[0] - expected).max() < 1e-3


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 212)), np.zeros((1, 100)), np.zeros((1, 213)), np.full((1, 212), np.nan)],
    ids=["other count", "too few", "odd", "not finite"],
)
def test_what_is_no_set_of_points_is_an_error(values):
    """Shape and finiteness are looked at before anything is computed from it."""
    landmarker = Landmarker(OddSession(values), LAYOUTS["landmarks_106"])
    with pytest.raises(EngineError, match="odd gave"):
        landmarker.points(values.astype(np.float32), [box_crop(FACES[0].box, 192, 128.0)])


@pytest.mark.parametrize("count", [68, 106])
def test_the_rings_are_of_this_many_points(count):
    """Every index is one of the mark-up, corners lie on their ring, none twice in a ring."""
    parts = parts_of(np.zeros((count, 2), np.float32))
    for ring in (*parts.eyes, parts.mouth, parts.outline, parts.brows):
        assert len(set(ring)) == len(ring)
        assert max(ring) < count
    for ring, ends in zip(parts.eyes, parts.corners, strict=True):
        assert set(ends) <= set(ring)


@pytest.mark.parametrize("count", [68, 106])
@pytest.mark.parametrize("turn_deg", [0, 30, 90, -45])
def test_an_eye_is_as_open_as_it_is_high_whatever_the_heads_tilt(count, turn_deg):
    """An ellipse of height 0.3 of its width measures 0.3; a line 0."""
    turn = np.deg2rad(turn_deg)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    for height in (0.3, 0.1, 0.0):
        points = np.zeros((count, 2), np.float32)
        for ring, middle in zip(PARTS[count].eyes, ((100, 100), (160, 100)), strict=True):
            angle = np.linspace(np.pi, 3 * np.pi, len(ring), endpoint=False)
            oval = np.stack([20 * np.cos(angle), 20 * height * np.sin(angle)], 1)
            points[list(ring)] = (oval + middle) @ rotation.T
        # A ring of six has no point at the very top: its height is sin 60 of the oval's.
        full = 1.0 if count == 106 else np.sin(np.pi / 3)
        assert eye_opening(points) == pytest.approx(height * full, abs=1e-4)
