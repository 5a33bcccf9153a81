"""What of an engine's outputs is refused, and with which words."""

from __future__ import annotations

import numpy as np
import pytest

from edged.recipe import Precision
from edged.runtime.build.compare import Comparison, bounds_of
from edged.runtime.build.samples import crops

BOUNDS = bounds_of(Precision())


def swapped(seed=1):
    """Outputs of a swapper for two faces."""
    return {"swapped": crops(2, 64, seed), "checks": np.zeros(2, np.float32)}


def places():
    """Outputs of a detector: one face, then padding."""
    scores = np.array([0.9, 0.5, -1, -1], np.float32)
    boxes = np.zeros((4, 4), np.float32)
    boxes[0], boxes[1] = (10, 10, 50, 60), (100, 20, 150, 90)
    return {"scores": scores, "boxes": boxes, "landmarks": np.zeros((4, 5, 2), np.float32)}


def verdict(ours, fp32):
    """Reason for a refusal, empty when accepted."""
    found = Comparison()
    found.add(ours, fp32, "batch 2")
    return found.reason(BOUNDS)


def test_equal_outputs_are_accepted():
    """Nothing apart, nothing to refuse."""
    assert verdict(swapped(), swapped()) == ""
    assert verdict(places(), places()) == ""


def test_one_bad_face_among_good_ones_is_found():
    """The worst face is the figure."""
    bad = swapped()
    bad["swapped"][1] = 255 - bad["swapped"][1]
    assert "psnr_db" in verdict(bad, swapped())


def test_faces_in_each_other_s_place_are_found():
    """An engine that mixes rows up is no good, however right the pictures are."""
    mixed = swapped()
    mixed["swapped"] = mixed["swapped"][::-1].copy()
    assert "psnr_db" in verdict(mixed, swapped())


def test_a_black_picture_is_called_flat():
    """The field's most reported failure gets its own word."""
    black = swapped()
    black["swapped"][0] = 0
    assert verdict(black, swapped()) == "swapped is flat (batch 2)"


def test_what_bytes_would_hide_is_found():
    """A check that is not finite refuses, whatever the picture looks like."""
    hidden = swapped()
    hidden["checks"][1] = np.nan
    assert verdict(hidden, swapped()) == "checks is not finite (batch 2)"


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_another_shape_or_type_is_found(kind):
    """The engine must answer in the graph's own form."""
    other = swapped()
    other["swapped"] = other["swapped"][:1].astype(kind)
    assert "swapped is float" in verdict(other, swapped())


def test_an_output_that_is_absent_is_found():
    """Less than the graph gives is not enough."""
    less = swapped()
    del less["checks"]
    assert verdict(less, swapped()) == "output checks is absent"


def test_places_may_change_ranks_but_not_where_they_are():
    """Two near scores may come in the other order; a moved box may not."""
    turned = {name: values[[1, 0, 2, 3]].copy() for name, values in places().items()}
    turned["scores"] = places()["scores"][[1, 0, 2, 3]].copy()
    assert verdict(turned, places()) == ""
    moved = places()
    moved["boxes"][1, 0] += 3
    assert "box_error_px 3 is over 1" in verdict(moved, places())


def test_faces_that_only_the_engine_sees_are_found():
    """A detector that finds faces where FP32 finds none is wrong, too."""
    blind = places()
    blind["scores"][:] = -1
    assert "score_error" in verdict(places(), blind)


def test_comparing_nothing_is_no_acceptance():
    """No figure, no acceptance."""
    assert Comparison().reason(BOUNDS) == "nothing could be compared"
