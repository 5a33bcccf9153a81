"""The alignment equals scikit-image's, which insightface uses, to the last bit.

The bit matters: OpenCV's warp rounds sampling points to 1/32 px, so that a matrix that is
off in its seventh digit moves some of them and changes a crop by several grey levels.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edged.geometry import apply, invert, similarity, template

skimage_transform = pytest.importorskip("skimage.transform")

TEMPLATES = [("arcface_112", 112), ("arcface_128", 128), ("ffhq_512", 512)]

OFFSETS = arrays(np.float32, (5, 2), elements=st.floats(-4, 4, width=32))


@given(
    OFFSETS,
    st.sampled_from(TEMPLATES),
    st.floats(0.05, 12),
    st.floats(-3.2, 3.2),
    st.tuples(st.floats(-200, 4000), st.floats(-200, 2400)),
)
def test_matrix_of_a_face_is_scikit_image_s(offsets, crop, scale, turn, shift):
    """Any face: a template turned, scaled, shifted and bent a little."""
    target = template(*crop)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = ((target + offsets) @ rotation * scale + shift).astype(np.float32)
    ours = similarity(points, target)
    assert ours is not None
    assert np.array_equal(ours, _scikit_image(points, target))


@given(arrays(np.float32, (5, 2), elements=st.floats(-4000, 4000, width=32)))
def test_points_that_are_no_face_give_a_matrix_or_none(points):
    """Any five points: never an exception, never a number that is not finite."""
    matrix = similarity(points, template("arcface_112", 112))
    assert matrix is None or np.isfinite(matrix).all()


@pytest.mark.parametrize(
    "points",
    [np.zeros((5, 2)), np.full((5, 2), np.nan), np.full((5, 2), np.inf)],
    ids=["one", "nan", "inf"],
)
def test_degenerate_points_have_no_matrix(points):
    """Five times one point, and values that are not finite, are no face."""
    with np.errstate(invalid="ignore"):
        assert similarity(points.astype(np.float32), template("arcface_112", 112)) is None


@given(OFFSETS, st.sampled_from(TEMPLATES), st.floats(0.1, 8))
def test_inverse_leads_back(offsets, crop, scale):
    """Through a matrix and its inverse a point comes back to a hundredth of a pixel."""
    target = template(*crop)
    points = ((target + offsets) * np.float32(scale) + np.float32(500)).astype(np.float32)
    matrix = similarity(points, target)
    assert np.abs(apply(invert(matrix), apply(matrix, points)) - points).max() < 0.01


def _scikit_image(points, target):
    transform = skimage_transform.SimilarityTransform()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        transform.estimate(points, target)
    return transform.params[:2]
