"""Dense landmarks as the unmodified insightface package gives them, on the same files."""

from __future__ import annotations

import numpy as np
import pytest
from graph_kit import of_file

from edged.faces import Face
from edged.stages.landmarks import LAYOUTS, Landmarker

insightface = pytest.importorskip("insightface")

BOXES = [(612.5, 190.25, 760.75, 372.5), (30, 50, 131, 140.5), (-20, 300, 200, 560), (5, 5, 40, 51)]


@pytest.mark.parametrize(
    ("name", "family", "key"),
    [
        ("2d106det", "landmarks_106", "landmark_2d_106"),
        ("1k3d68", "landmarks_68", "landmark_3d_68"),
    ],
)
def test_points_are_those_of_insightface(standins, name, family, key):
    """On its own picture, for boxes large and small, turned to the edge: within 0.01 px."""
    from insightface.app.common import Face as Theirs
    from insightface.model_zoo.landmark import Landmark

    image = insightface.data.get_image("t1")
    path = standins.landmarks(name)
    theirs = Landmark(str(path))
    theirs.prepare(-1)
    faces = [
        Face(np.array(box, np.float32), 1.0, np.zeros((5, 2), np.float32), frozenset())
        for box in BOXES
    ]
    with of_file(path, name) as session:
        ours = Landmarker(session, LAYOUTS[family])(image, faces)
    for face, points in zip(faces, ours, strict=True):
        other = Theirs(bbox=face.box)
        theirs.get(image, other)
        assert np.abs(points - other[key][:, :2]).max() < 0.01
