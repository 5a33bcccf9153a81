"""Search: scaling, turning, and the union of what several detectors saw."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edged.errors import EngineError
from edged.faces import Detections
from edged.geometry import iou
from edged.stages.search import TURNED_MIN_SCORE, fit, search
from edged.stages.union import FIRST_FAMILY_BONUS, SAME_CENTRE, SAME_FACE_IOU, union
from edged.stages.views import Effort

RED = (0, 0, 255)


def detections(family, *found):
    """Findings of (box, score), landmarks spread inside the box."""
    boxes = np.array([box for box, _ in found], np.float32).reshape(-1, 4)
    spread = np.linspace(0.2, 0.8, 5, dtype=np.float32)[:, None]
    return Detections(
        boxes,
        np.array([score for _, score in found], np.float32),
        np.stack([b[:2] + spread * (b[2:] - b[:2]) for b in boxes])
        if len(boxes) else np.zeros((0, 5, 2), np.float32),
        family,
    )  # fmt: skip


class Spots:
    """A detector that finds the red rectangle, and writes down how it was asked."""

    def __init__(self, family="scrfd", score=0.9):
        self.family, self.score, self.asked = family, score, []

    def __call__(self, picture, side):
        assert max(picture.shape[:2]) <= side
        assert picture.flags.c_contiguous
        self.asked.append((picture.shape[:2], side))
        ys, xs = np.nonzero((picture[..., 2] > 128) & (picture[..., 0] < 128))
        if not len(ys):
            return Detections.none(self.family)
        box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        return detections(self.family, (box, self.score))


def scene(height=480, width=640, box=(100, 60, 200, 180)):
    image = np.zeros((height, width, 3), np.uint8)
    cv2.rectangle(image, box[:2], (box[2] - 1, box[3] - 1), RED, -1)
    return image, np.array(box, np.float32)


# -- scaling ----------------------------------------------------------------------------


@given(
    st.integers(0, 66).map(lambda n: 2 * n + 1),
    st.integers(1, 24),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_the_short_cut_gives_opencv_s_bytes(factor, short, upright, seed):
    """Shrinking by an odd whole factor equals bilinear resizing, byte for byte."""
    shape = (32, short) if upright else (short, 32)
    block = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    image = np.repeat(np.repeat(block, factor, 0), factor, 1)
    image[:: factor + 1] ^= 90
    image[:, :: factor + 2] ^= 37
    scaled, scale = fit(image, 32)
    height, width = scaled.shape[:2]
    assert max(height, width) == 32
    assert np.array_equal(scaled, cv2.resize(image, (width, height)))
    assert scale == height / image.shape[0]


@given(st.integers(1, 700), st.integers(1, 700), st.sampled_from([32, 128, 256]))
@settings(max_examples=60, deadline=None)
def test_a_fitted_picture_fits(height, width, side):
    """The longer side takes all of the square, the shorter at least a pixel."""
    scaled, scale = fit(np.zeros((height, width, 3), np.uint8), side)
    assert max(scaled.shape[:2]) == side
    assert min(scaled.shape[:2]) >= 1
    assert scale == pytest.approx(scaled.shape[0] / height)


def test_fitting_leaves_the_picture_alone():
    """The frame is only read, also when nothing has to be scaled."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    before = image.copy()
    scaled, _ = fit(image, 64)
    assert not np.shares_memory(scaled, image)
    assert np.array_equal(image, before)


# -- looks ------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
@pytest.mark.parametrize("side", [640, 256])
def test_a_finding_comes_back_to_its_place(turn, side):
    """Size and turn of the look do not show in the answer."""
    image, box = scene()
    (face,) = search(image, [Spots()], Effort((side,), turns=(turn,)))
    assert np.abs(face.box - box).max() <= 640 / side
    assert (face.landmarks >= box[:2] - 3).all()
    assert (face.landmarks <= box[2:] + 3).all()


def test_every_family_looks_at_every_size_and_turn():
    """The effort counts its own looks."""
    image, _ = scene()
    families = [Spots("scrfd"), Spots("yunet")]
    effort = Effort((640, 256, 128), (0, 1, 2, 3))
    (face,) = search(image, families, effort)
    assert sum(len(d.asked) for d in families) == effort.looks(2) == 24
    assert face.families == {"scrfd", "yunet"}


def test_a_small_effort_leaves_later_families_out():
    """One family means the first one."""
    image, _ = scene()
    families = [Spots("scrfd"), Spots("yunet")]
    effort = Effort((640,), families=1)
    search(image, families, effort)
    assert [len(d.asked) for d in families] == [1, 0]
    assert effort.looks(2) == 1
    assert Effort((640,), families=5).looks(2) == 2


def test_a_weak_finding_counts_upright_only():
    """Creases of turned people answer weakly; faces do not."""
    image, _ = scene()
    weak = Spots(score=TURNED_MIN_SCORE - 0.05)
    assert search(image, [weak], Effort((640,), (1, 2, 3))) == []
    assert len(search(image, [weak], Effort((640,), (0, 1)))) == 1


def test_a_picture_without_faces_has_none():
    """No finding, no face."""
    assert search(np.zeros((48, 64, 3), np.uint8), [Spots()], Effort((64,))) == []


# -- union ------------------------------------------------------------------------------


def test_the_first_family_s_landmarks_are_taken_when_scores_are_close():
    """Recognisers are aligned to them; a clearly better finding still wins."""
    first = detections("scrfd", ((0, 0, 100, 100), 0.7))
    close = detections("yunet", ((4, 4, 98, 98), 0.7 + FIRST_FAMILY_BONUS - 0.01))
    better = detections("yunet", ((4, 4, 98, 98), 0.7 + FIRST_FAMILY_BONUS + 0.01))
    assert union([close, first], prefer="scrfd")[0].box.tolist() == [0, 0, 100, 100]
    assert union([better, first], prefer="scrfd")[0].box.tolist() == [4, 4, 98, 98]


def test_a_tight_box_inside_a_loose_one_is_one_face():
    """Families draw their boxes differently."""
    tight = detections("haar", ((25, 25, 88, 92), 0.6))
    (face,) = union([detections("scrfd", ((0, 0, 100, 110), 0.9)), tight], prefer="scrfd")
    assert face.families == {"scrfd", "haar"}


def test_two_people_cheek_to_cheek_are_two():
    """Their boxes overlap as those of one face do, but they have two noses."""
    pair = detections("scrfd", ((0, 0, 100, 100), 0.9), ((40, 0, 140, 100), 0.8))
    assert iou(pair.boxes, pair.boxes)[0, 1] > SAME_FACE_IOU
    assert len(union([pair], prefer="scrfd")) == 2


def test_landmarks_that_lie_elsewhere_are_kept_beside_the_best():
    """The guard looks at both crops."""
    found = [
        detections("scrfd", ((0, 0, 100, 100), 0.9)),
        detections("yunet", ((16, 0, 116, 100), 0.6)),
    ]
    (face,) = union(found, prefer="scrfd")
    assert face.landmarks.tolist() == found[0].landmarks[0].tolist()
    assert [points.tolist() for points in face.others] == [found[1].landmarks[0].tolist()]


def test_a_large_picture_is_searched_in_tiles_too():
    """A face that is too small for the whole look is found in a tile, at its place."""

    class Near(Spots):
        def __call__(self, picture, side):
            found = super().__call__(picture, side)
            wide = found.boxes[:, 2:] - found.boxes[:, :2]
            return found if len(found) and wide.min() >= 12 else Detections.none(self.family)

    image, box = scene(1080, 1920, (1500, 700, 1530, 734))
    assert search(image, [Near()], Effort((640,))) == []
    (face,) = search(image, [Near()], Effort((640,), tiles=True))
    assert np.abs(face.box - box).max() <= 2


def test_a_small_face_before_a_large_one_stays_a_face():
    """A child in somebody's arms is not swallowed: its box is too small to be the same."""
    small = detections("scrfd", ((40, 60, 75, 100), 0.6))
    assert len(union([detections("scrfd", ((0, 0, 100, 110), 0.9)), small], prefer="scrfd")) == 2


def test_largest_face_first():
    """Whatever the scores are."""
    found = union([detections("s", ((0, 0, 9, 9), 0.9), ((50, 50, 99, 99), 0.5))])
    assert [f.score < 0.6 for f in found] == [True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        ((np.nan, 0, 9, 9), 0.9),
        ((0, 0, np.inf, 9), 0.9),
        ((0, 0, 1e20, 9), 0.9),
        ((0, 0, 9, 9), np.nan),
    ],
)
def test_a_finding_that_is_no_place_is_an_error(wrong):
    """Such a face could neither be swapped nor filled, so the frame must not pass."""
    with pytest.raises(EngineError, match="no places"):
        union([detections("scrfd", ((0, 0, 9, 9), 0.9)), detections("yunet", wrong)])


@st.composite
def findings(draw):
    found = []
    for family in ("scrfd", "yunet"):
        count = draw(st.integers(0, 8))
        corner = draw(arrays(np.float32, (count, 2), elements=st.floats(0, 100, width=32)))
        size = draw(arrays(np.float32, (count, 2), elements=st.floats(2, 90, width=32)))
        seed = draw(st.integers(0, 2**32 - 1))
        scores = np.random.default_rng(seed).uniform(0.5, 1, count)
        boxes = np.concatenate([corner, corner + size], axis=1)
        found.append(detections(family, *zip(boxes.tolist(), scores, strict=True)))
    return found


@given(findings())
def test_nothing_that_was_found_is_lost(found):
    """Every finding is a face, or overlaps one that scored no worse."""
    faces = union(found, prefer="scrfd")
    for one in found:
        bonus = FIRST_FAMILY_BONUS if one.family == "scrfd" else 0
        for box, score in zip(one.boxes, one.scores, strict=True):
            standing = [
                f for f in faces
                if min(f.box[2], box[2]) >= max(f.box[0], box[0])
                and min(f.box[3], box[3]) >= max(f.box[1], box[1])
                and f.score + FIRST_FAMILY_BONUS * ("scrfd" in f.families) >= score + bonus - 1e-6
            ]  # fmt: skip
            assert standing
            assert any(one.family in f.families for f in standing)


@given(findings())
def test_no_two_faces_are_one(found):
    """What overlaps has become one face, unless the noses lie apart; none is made up."""
    faces = union(found, prefer="scrfd")
    boxes = [tuple(b) for d in found for b in d.boxes.tolist()]
    assert all(tuple(f.box.tolist()) in boxes for f in faces)
    for n, face in enumerate(faces):
        for other in faces[n + 1 :]:
            apart = np.linalg.norm(face.landmarks.mean(axis=0) - other.landmarks.mean(axis=0))
            side = min(np.sqrt(np.prod(f.box[2:] - f.box[:2])) for f in (face, other))
            overlap = iou(face.box[None], other.box[None])[0, 0]
            assert overlap <= SAME_FACE_IOU or apart > SAME_CENTRE * side * (1 - 1e-5)
    areas = [float(np.prod(f.box[2:] - f.box[:2])) for f in faces]
    assert areas == sorted(areas, reverse=True)


@given(findings())
def test_the_order_of_looks_does_not_matter(found):
    """The same findings in another order are the same faces."""

    def shown(faces):
        return sorted((f.score, tuple(f.box.tolist()), tuple(sorted(f.families))) for f in faces)

    assert shown(union(found, prefer="scrfd")) == shown(union(found[::-1], prefer="scrfd"))
