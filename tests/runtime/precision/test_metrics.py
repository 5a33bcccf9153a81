"""How far two answers are apart: by hand, and never flattered by an average."""

from __future__ import annotations

import numpy as np
import pytest

from edged.errors import EngineError
from edged.runtime.precision.metrics import PSNR_MAX_DB, Bound, Error, compare

CHECK = {"checks": np.zeros(2, np.float32)}


def picture(*levels: int) -> dict[str, np.ndarray]:
    return {"swapped": np.stack([np.full((8, 8, 3), one, np.uint8) for one in levels]), **CHECK}


def mean_colour(crops: np.ndarray) -> np.ndarray:
    """A 20-line recogniser in one: colours as vector."""
    return crops.mean((1, 2)).astype(np.float32)


def test_psnr_is_that_of_the_worst_face() -> None:
    """One face off by 255 among equal ones is 0 dB; equal pictures have the largest figure."""
    assert compare(picture(0, 0), picture(0, 255)).psnr_db == pytest.approx(0.0)
    assert compare(picture(9, 9), picture(9, 9)).psnr_db == PSNR_MAX_DB
    one_level = compare(picture(9, 9), picture(9, 10)).psnr_db
    assert one_level == pytest.approx(48.13, abs=0.01)  # 20 log10(255)


def test_a_check_that_is_not_finite_is_seen_although_bytes_look_well() -> None:
    """NaN becomes some byte; the check tells."""
    other = {**picture(9, 9), "checks": np.array([0, np.nan], np.float32)}
    error = compare(picture(9, 9), other, mean_colour)
    assert (error.finite, error.psnr_db, error.cosine) == (False, 0.0, 0.0)
    assert not Bound(psnr_db_min=0, cosine_min=0).met_by(error)


def test_pictures_are_judged_by_a_recogniser_where_one_is_given() -> None:
    """Cosine of the worst face."""
    exact, other = picture(50, 50), picture(50, 50)
    other["swapped"][1, :, :, 0] = 0
    assert compare(exact, other).cosine is None
    assert compare(exact, other, mean_colour).cosine == pytest.approx(np.sqrt(2 / 3), abs=1e-6)


def test_a_recogniser_is_judged_by_its_own_vectors() -> None:
    """A vector of zeros has cosine 0, not a division by it."""
    exact = {"embeddings": np.array([[1, 0], [3, 4]], np.float32)}
    turned = {"embeddings": np.array([[2, 0], [4, 3]], np.float32)}
    assert compare(exact, turned).cosine == pytest.approx(24 / 25)
    assert compare(exact, {"embeddings": np.zeros((2, 2), np.float32)}).cosine == 0.0


def test_landmarks_and_scores_are_judged_by_their_largest_difference() -> None:
    """In their own units; what is not finite is infinitely far."""
    exact = {"values": np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)}
    other = {"values": np.array([[0.1, 0.2], [0.3, 0.35]], np.float32)}
    assert compare(exact, other).score == pytest.approx(0.05)
    broken = compare(exact, {"values": np.full((2, 2), np.nan, np.float32)})
    assert not broken.finite
    assert broken.score == np.inf


def test_a_parser_is_judged_by_the_pixels_that_it_labels_otherwise() -> None:
    """Their share in the worst face; classes have no distance."""
    exact = {"labels": np.zeros((2, 10, 10), np.uint8), **CHECK}
    other = {"labels": exact["labels"].copy(), **CHECK}
    other["labels"][1, 0, :3] = 17
    assert compare(exact, other).score == pytest.approx(0.03)
    broken = {**other, "checks": np.array([0, np.nan], np.float32)}
    assert compare(exact, broken).score == 1.0


def places(scores: list[float], lefts: list[float]) -> dict[str, np.ndarray]:
    corners = np.array(lefts, np.float32)[:, None] + np.array([[0, 0, 10, 10]], np.float32)
    marks = np.repeat(corners[:, None, :2], 5, axis=1)
    return {"scores": np.array(scores, np.float32), "boxes": corners, "landmarks": marks}


def test_a_detectors_places_are_found_by_their_boxes() -> None:
    """Two places of nearly one score may change rows; that is no error."""
    error = compare(
        places([0.9, 0.89, 0.1], [0, 100, 7]), places([0.9, 0.88, 0.09], [100.5, 0, 50])
    )
    assert error.score == pytest.approx(0.02, abs=1e-5)
    assert error.box_px == pytest.approx(0.5)


def test_a_face_that_only_one_of_both_sees_is_an_error_of_its_score() -> None:
    """Missed and invented faces count alike."""
    seen, missed = places([0.9, 0.8], [0, 100]), places([0.9, 0.1], [0, 100])
    assert compare(seen, missed).score == pytest.approx(0.7)
    assert compare(missed, seen).score == pytest.approx(0.7)


def test_a_picture_without_a_face_is_measured_by_its_best_places() -> None:
    """A detector that sees nothing in FP32 must not see something in FP16, or be unmeasured."""
    exact = places([0.2, 0.1, -1.0], [0, 100, 0])
    assert compare(exact, places([0.2, 0.1, -1.0], [4, 100, 0])).box_px == pytest.approx(4)
    assert compare(exact, places([0.29, 0.1, -1.0], [0, 100, 0])).score == pytest.approx(0.09)


def test_outputs_of_no_prepared_graph_have_no_measure() -> None:
    """Nothing is called right that was not measured."""
    with pytest.raises(EngineError, match="no measure"):
        compare({"z": np.zeros(3, np.float32)}, {"z": np.zeros(3, np.float32)})


def test_a_reserve_asks_for_more_of_every_figure() -> None:
    """6 dB: half the error, a quarter of 1 - cosine."""
    bound = Bound()
    good = Error(finite=True, psnr_db=51.1, cosine=1 - 0.0005 / 4.1, score=0.0099, box_px=0.49)
    assert bound.met_by(good, reserve_db=6.02)
    for worse in (
        Error(finite=True, psnr_db=50.9),
        Error(finite=True, cosine=1 - 0.0005 / 3.9),
        Error(finite=True, score=0.0101),
        Error(finite=True, box_px=0.51),
    ):
        assert bound.met_by(worse)
        assert not bound.met_by(worse, reserve_db=6.02)
