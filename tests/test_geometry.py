"""Plane geometry: templates, similarity, boxes, suppression, quarter turns, clipping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edged.geometry import (
    FEW_BOXES,
    TEMPLATES,
    apply,
    clip,
    grow,
    invert,
    iou,
    nms,
    scale_of,
    similarity,
    template,
    unturn,
    unturn_boxes,
)

ANGLES = st.floats(-np.pi, np.pi)
SCALES = st.floats(0.05, 20)
SHIFTS = st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000))
BENT = arrays(np.float32, (5, 2), elements=st.floats(-5, 5, width=32))
ANY = st.floats(allow_nan=False, width=32)


def moved(points, angle, scale, shift):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ turn.T * scale + np.array(shift)).astype(np.float32)


@st.composite
def boxes(draw, least=0, most=70):
    count = draw(st.integers(least, most))
    corner = draw(arrays(np.float32, (count, 2), elements=st.floats(0, 200, width=32)))
    size = draw(arrays(np.float32, (count, 2), elements=st.floats(1, 120, width=32)))
    return np.concatenate([corner, corner + size], axis=1)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_grows_with_its_crop(name):
    """Twice the crop is twice every coordinate."""
    assert np.allclose(template(name, 512), 2 * template(name, 256), atol=1e-3)


def test_the_wider_template_is_the_tight_one_with_a_margin():
    """On a 128 px crop the face has the size that it has on 112 px, 8 px further right."""
    assert np.allclose(
        template("arcface_128", 128), template("arcface_112", 112) + np.array([8, 0]), atol=1e-4
    )


def test_a_template_is_not_shared():
    """Writing to a template changes nobody else's."""
    template("arcface_112", 112)[:] = 0
    assert template("arcface_112", 112).all()


def test_an_unknown_template_is_named():
    """The error says which templates there are."""
    with pytest.raises(ValueError, match="arcface_112"):
        template("arcface", 112)


@given(ANGLES, SCALES, SHIFTS)
def test_a_moved_template_is_found_again(angle, scale, shift):
    """What was turned, scaled and shifted is brought back onto the template."""
    target = template("arcface_112", 112)
    source = moved(target, angle, scale, shift)
    matrix = similarity(source, target)
    assert matrix is not None
    assert np.abs(apply(matrix, source) - target).max() < 0.05 + 0.02 / scale
    assert scale_of(matrix) == pytest.approx(1 / scale, rel=1e-3)


@given(BENT, ANGLES, st.floats(0.5, 4))
def test_similarity_turns_with_its_source(bent, angle, scale):
    """A crop does not depend on how the face is turned: both matrices meet in the crop."""
    target = template("ffhq_512", 512)
    source = target + bent
    straight = similarity(source, target)
    turned = similarity(moved(source, angle, scale, (40, -9)), target)
    crop = apply(straight, source)
    crop_of_turned = apply(turned, moved(source, angle, scale, (40, -9)))
    assert np.abs(crop - crop_of_turned).max() < 0.05


@given(BENT)
def test_similarity_never_mirrors(bent):
    """Left stays left: the matrix has a positive determinant."""
    source = (template("arcface_112", 112) + bent)[:, ::-1].copy()  # a mirrored face
    matrix = similarity(source, template("arcface_112", 112))
    assume(matrix is not None)
    assert np.linalg.det(matrix[:, :2]) > 0


@given(ANGLES, SCALES, SHIFTS)
def test_the_inverse_undoes_a_similarity(angle, scale, shift):
    """Matrix and inverse together move no point."""
    target = template("arcface_112", 112)
    matrix = similarity(moved(target, angle, scale, shift), target)
    both = np.vstack([invert(matrix), [0, 0, 1]]) @ np.vstack([matrix, [0, 0, 1]])
    assert np.allclose(both, np.eye(3), atol=1e-6)


@pytest.mark.parametrize(
    "points",
    [
        np.full((5, 2), 7.0),
        np.full((5, 2), np.nan),
        np.array([[0, 0], [1, 0], [np.inf, 0], [0, 1], [1, 1]]),
        template("arcface_112", 112) * 1e-7,
        template("arcface_112", 112) * 1e12,
        template("arcface_112", 112) * 1e30,
    ],
    ids=["one-point", "nan", "inf", "tiny", "vast", "overflow"],
)
def test_degenerate_landmarks_have_no_matrix(points):
    """Points without extent, or without end, are answered with None and no exception."""
    with np.errstate(all="ignore"):
        assert similarity(points.astype(np.float32), template("arcface_112", 112)) is None


@given(arrays(np.float32, (5, 2), elements=st.floats(width=32)))
def test_any_landmarks_give_a_finite_matrix_or_none(points):
    """Whatever a network answers, no NaN gets into a matrix and nothing is raised."""
    with np.errstate(all="ignore"):
        matrix = similarity(points, template("arcface_112", 112))
    assert matrix is None or np.isfinite(matrix).all()


@given(boxes(1, 12), boxes(1, 12))
def test_iou_is_symmetric_and_a_share(one, other):
    """The order of the boxes does not matter, and no overlap exceeds the whole."""
    there, back = iou(one, other), iou(other, one)
    assert np.array_equal(there, back.T)
    assert (there >= 0).all()
    assert (there <= 1 + 1e-5).all()


@given(boxes(1, 12))
def test_a_box_overlaps_itself_wholly(some):
    """The diagonal is 1."""
    assert np.allclose(np.diag(iou(some, some)), 1, atol=1e-4)


def test_iou_of_nothing_is_nothing():
    """An empty box, or a box turned inside out, overlaps nobody."""
    flat = np.array([[5, 5, 5, 9], [9, 9, 2, 2]], np.float32)
    assert not iou(flat, np.array([[0, 0, 10, 10]], np.float32)).any()
    assert iou(flat, np.zeros((0, 4), np.float32)).shape == (2, 0)


def overlap_with_borders(a, b):
    """IoU as insightface counts it, areas with both border pixels."""
    a, b = a.astype(float), b.astype(float)
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    both = max(0, width) * max(0, height)
    areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return both / (sum(areas) - both)


@given(boxes(), st.integers(0, 2**32 - 1), st.sampled_from([0.3, 0.4]))
def test_suppression_keeps_the_best_and_covers_the_rest(some, seed, threshold):
    """Survivors overlap little, come best first, and stand for everything that went."""
    scores = np.random.default_rng(seed).random(len(some)).astype(np.float32)
    keep = nms(some, scores, threshold)
    assert list(scores[keep]) == sorted(scores[keep], reverse=True)
    for i, a in enumerate(keep):
        for b in keep[i + 1 :]:
            assert overlap_with_borders(some[a], some[b]) <= threshold + 1e-5
    for gone in set(range(len(some))) - set(keep.tolist()):
        assert any(
            scores[k] >= scores[gone]
            and overlap_with_borders(some[k], some[gone]) > threshold - 1e-5
            for k in keep
        )
    assert np.array_equal(keep[nms(some[keep], scores[keep], threshold)], keep)


@given(boxes(2, FEW_BOXES - 1), st.integers(0, 2**32 - 1))
def test_few_and_many_boxes_are_suppressed_alike(some, seed):
    """Far-away boxes that push the count over the limit change nothing for the others."""
    assume(all(abs(overlap_with_borders(a, b) - 0.4) > 1e-5 for a in some for b in some))
    scores = np.random.default_rng(seed).random(len(some)).astype(np.float32)
    far = np.arange(FEW_BOXES, dtype=np.float32)[:, None] * 1000 + [9e3, 9e3, 9010, 9010]
    many = nms(np.concatenate([some, far]).astype(np.float32),
               np.concatenate([scores, np.zeros(FEW_BOXES, np.float32)]), 0.4)  # fmt: skip
    assert np.array_equal(many[many < len(some)], nms(some, scores, 0.4))


@pytest.mark.parametrize("count", [2, 2 * FEW_BOXES])
def test_suppression_drops_no_box_without_area(count):
    """Boxes that overlap nothing survive, also when their areas are zero."""
    corner = np.arange(count, dtype=np.float32)[:, None] * 10
    empty = np.concatenate([corner, corner, corner - 1, corner - 1], axis=1)
    assert len(nms(empty, np.ones(count, np.float32), 0.4)) == count


@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(-5, 8), st.integers(0, 399)
)  # fmt: skip
def test_a_point_on_a_turned_picture_is_moved_back(width, height, turns, place):
    """The pixel that is marked before `rot90` is the one that the found point names."""
    picture = np.zeros((height, width), bool)
    y, x = divmod(place % (width * height), width)
    picture[y, x] = True
    found = np.argwhere(np.rot90(picture, turns))[0][::-1].astype(np.float32)
    assert unturn(found, turns, width, height).tolist() == [x, y]


@given(boxes(1, 5), st.integers(0, 3))
def test_turned_boxes_keep_their_size_and_order(some, turns):
    """A box that is moved back has its corners in order and its sides swapped at most."""
    back = unturn_boxes(some, turns, 400, 300)
    assert (back[:, :2] <= back[:, 2:]).all()
    sides, old = back[:, 2:] - back[:, :2], some[:, 2:] - some[:, :2]
    assert np.allclose(sides, old[:, ::-1] if turns % 2 else old, atol=1e-3)


@given(boxes(1, 1), st.floats(0.1, 4))
def test_a_grown_box_keeps_its_centre(some, factor):
    """Only the size changes, by the factor."""
    box = some[0]
    grown = grow(box, factor)
    assert np.allclose(grown[:2] + grown[2:], box[:2] + box[2:], atol=1e-2)
    assert np.allclose(grown[2:] - grown[:2], (box[2:] - box[:2]) * factor, atol=1e-2)


@given(st.tuples(ANY, ANY, ANY, ANY), st.integers(1, 5000), st.integers(1, 5000))
def test_a_clipped_box_lies_inside(box, width, height):
    """Whatever the box, infinite or inside out, slices of the picture are valid."""
    x1, y1, x2, y2 = clip(np.array(box, np.float32), width, height)
    assert 0 <= x1 <= x2 <= width
    assert 0 <= y1 <= y2 <= height


@given(boxes(1, 1))
def test_clipping_loses_no_pixel_of_the_picture(some):
    """The whole-pixel box covers what it was made of."""
    box = some[0]
    x1, y1, x2, y2 = clip(box, 150, 150)
    inside = np.clip(box, 0, 150)
    assert x1 <= inside[0]
    assert y1 <= inside[1]
    assert x2 >= inside[2]
    assert y2 >= inside[3]


def test_an_endless_box_covers_the_picture():
    """Infinity is clipped to the edge, not turned into an empty box."""
    endless = np.array([-np.inf, -1e30, np.inf, 1e30], np.float32)
    assert clip(endless, 64, 48) == (0, 0, 64, 48)


def test_a_box_that_is_no_number_is_an_error():
    """NaN cannot be placed, and must not count as a box that fills nothing."""
    with pytest.raises(ValueError, match="number"):
        clip(np.array([0, np.nan, 9, 9], np.float32), 64, 48)
