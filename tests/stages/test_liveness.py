"""Liveness: the published rules, written a second time here, and the same answers."""

from __future__ import annotations

import cv2
import numpy as np
import onnxruntime
import photos
import pytest
from fakes.odd_session import OddSession
from graph_kit import of_file, running
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.bench.standins import liveness as standins
from edged.errors import EngineError
from edged.faces import Face
from edged.stages.liveness import AlignedLiveness, Liveness, MiniFas, aligned_crop, box_piece

SCALES = {"minifasnet_v2": 2.7, "minifasnet_v1se": 4.0}
FILES = {
    "minifasnet_v2": "2.7_80x80_MiniFASNetV2.onnx",
    "minifasnet_v1se": "4_0_0_80x80_MiniFASNetV1SE.onnx",
}


def face(box, landmarks=None):
    points = np.zeros((5, 2), np.float32) if landmarks is None else np.float32(landmarks)
    return Face(np.array(box, np.float32), 1.0, points, frozenset())


def published_piece(image, box, scale):
    """Silent-Face-Anti-Spoofing's rule: grow, but not beyond the picture; shift; cut; resize.

    The box is left, top, width and height in whole pixels.
    """
    rows, columns = image.shape[0], image.shape[1]
    left, top, wide, high = box
    most = min(scale, (rows - 1) / high, (columns - 1) / wide)
    centre_x, centre_y = left + wide / 2, top + high / 2
    edges = {
        "l": centre_x - most * wide / 2, "r": centre_x + most * wide / 2,
        "t": centre_y - most * high / 2, "b": centre_y + most * high / 2,
    }  # fmt: skip
    for low, high_, end in (("l", "r", columns - 1), ("t", "b", rows - 1)):
        if edges[low] < 0:
            edges[high_] += -edges[low]
            edges[low] = 0
        if edges[high_] > end:
            edges[low] -= edges[high_] - end
            edges[high_] = end
    cut = image[int(edges["t"]) : int(edges["b"]) + 1, int(edges["l"]) : int(edges["r"]) + 1]
    return cv2.resize(cut, (80, 80))


def published_score(sessions, image, box):
    """Sum of the softmaxes; live by class 1 of the sum, which is said as its mean."""
    total = np.zeros(3)
    for scale, session in sessions:
        piece = published_piece(image, box, scale).astype(np.float32).transpose(2, 0, 1)[None]
        logits = session.run(None, {session.get_inputs()[0].name: piece})[0][0].astype(np.float64)
        chances = np.exp(logits - logits.max())
        total += chances / chances.sum()
    return total[1] / len(sessions)


def whole(box):
    """Left, top, width and height as its detector gives them, from two corners."""
    x1, y1, x2, y2 = box
    return int(x1), int(y1), int(x2 - x1 + 1), int(y2 - y1 + 1)


BOXES = [(180.2, 66.9, 280.7, 205.4), (10, 5, 90.5, 130), (400, 380, 511, 511), (0, 0, 511, 511)]


def test_the_pair_equals_its_reference(test_models):
    """The real files through onnxruntime by the published rule, within 1e-5."""
    sessions = [
        (SCALES[name], onnxruntime.InferenceSession(str(test_models / FILES[name])))
        for name in SCALES
    ]
    with (
        of_file(test_models / FILES["minifasnet_v2"], "minifasnet_v2") as v2,
        of_file(test_models / FILES["minifasnet_v1se"], "minifasnet_v1se") as v1se,
    ):
        pair = Liveness((MiniFas(v2, 2.7), MiniFas(v1se, 4.0)), 0.5)
        for image in (photos.astronaut(), photos.t1()):
            ours = pair(image, [face(box) for box in BOXES])
            theirs = [published_score(sessions, image, whole(box)) for box in BOXES]
            assert np.abs(np.array(ours) - theirs).max() < 1e-5


def test_stand_ins_equal_the_published_rule_too(tmp_path):
    """Needs no download: the same code on a file with batch fixed at 1, faces together."""
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    path = tmp_path / "net.onnx"
    path.write_bytes(standins.minifas().SerializeToString())
    session = onnxruntime.InferenceSession(str(path))
    with of_file(path, "minifasnet_v2") as prepared:
        assert prepared.inputs[0].shape[0] != 1
        ours = MiniFas(prepared, 2.7, most=3)(image, [face(box) for box in BOXES])
    theirs = [published_score([(2.7, session)], image, whole(box)) for box in BOXES]
    assert np.abs(np.array(ours) - theirs).max() < 1e-5


@settings(max_examples=150, deadline=None)
@given(
    x=st.floats(0, 318), y=st.floats(0, 238), wide=st.floats(1, 300), high=st.floats(1, 300),
    scale=st.sampled_from([2.7, 4.0]),
)  # fmt: skip
def test_every_box_gives_the_published_piece(x, y, wide, high, scale):
    """Also those that hang over an edge or are larger than the picture."""
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    box = np.array([x, y, x + wide, y + high], np.float32)
    expected = published_piece(image, whole([float(v) for v in box]), scale)
    assert np.array_equal(box_piece(image, box, scale), expected)


@pytest.mark.parametrize("box", [(-500, -500, -400, -400), (5, 5, 5, 5), (-50, -50, 900, 900)])
def test_an_odd_box_still_gives_a_piece(box):
    """Outside, empty, larger than the picture: never an exception, never a wrong shape."""
    image = np.zeros((100, 120, 3), np.uint8)
    assert box_piece(image, np.array(box, np.float32), 2.7).shape == (80, 80, 3)


POINTS = np.array([[32.03, 38.06], [47.89, 37.98], [40.01, 47.08], [33.50, 56.36], [46.63, 56.29]])


def test_the_aligned_contract_equals_insightface(tmp_path):
    """Scores within 1e-5, and the same faces without an answer near the picture's edge."""
    addon = pytest.importorskip("insightface.addons.liveness")
    path = tmp_path / "liveness.onnx"
    path.write_bytes(standins.aligned().SerializeToString())
    theirs = addon.Liveness(path, providers=["CPUExecutionProvider"])
    image = photos.astronaut()
    shifts = [(100, 80), (-30, 10), (-44, 0), (480, 200), (300, 440), (-10, -10)]
    faces = [face((0, 0, 9, 9), POINTS * 1.3 + shift) for shift in shifts]
    turned = (POINTS - 40) @ np.array([[0.8, -0.6], [0.6, 0.8]]) * 3 + 250
    faces.append(face((0, 0, 9, 9), turned))
    with of_file(path, "insightface_liveness") as session:
        ours = AlignedLiveness(session)(image, faces)
    expected = [theirs.predict(image, one.landmarks) for one in faces]
    assert [score is None for score in ours] == [e["live_score"] is None for e in expected]
    assert {True, False} == {score is None for score in ours}
    for score, other in zip(ours, expected, strict=True):
        if score is not None:
            assert score == pytest.approx(other["live_score"], abs=1e-5)


def test_points_without_a_direction_have_no_crop():
    """All in one place, or mirrored."""
    image = np.zeros((100, 100, 3), np.uint8)
    assert aligned_crop(image, np.full((5, 2), 50, np.float32)) is None


def test_a_face_that_one_network_cannot_tell_has_no_score():
    """A mean over whoever answers would let the other network decide alone."""
    pair = Liveness((lambda *_: [0.9, 0.8], lambda *_: [None, 0.6]), 0.5)
    assert pair(None, [1, 2]) == [None, pytest.approx(0.7)]


@pytest.mark.parametrize("values", [np.zeros((2, 3)), np.full((1, 3), np.nan), np.full((1, 3), 2)])
def test_what_is_no_probability_is_an_error(values):
    """Never a score, so never a yes."""
    with pytest.raises(EngineError, match="odd gave"):
        MiniFas(OddSession(values), 2.7)(np.zeros((99, 99, 3), np.uint8), [face((9, 9, 30, 30))])


def test_a_file_that_ends_in_a_softmax_gets_no_second_one():
    """Some exports of MiniFASNet give probabilities already."""
    plain = standins.minifas()
    ended = standins.minifas()
    ended.graph.node[-1].output[0] = "raw"
    node = ended.graph.node.add(op_type="Softmax", name="sm", input=["raw"], output=["logits"])
    attribute = node.attribute.add(name="axis", i=1)
    attribute.type = 2
    crop = np.random.default_rng(1).integers(0, 256, (2, 80, 80, 3), np.uint8)
    with running(plain, "minifasnet_v2") as one, running(ended, "minifasnet_v2") as other:
        (a,), (b,) = one.run({"crops": crop}), other.run({"crops": crop})
    assert np.abs(a - b).max() < 1e-6
    assert np.abs(a.sum(axis=1) - 1).max() < 1e-6
