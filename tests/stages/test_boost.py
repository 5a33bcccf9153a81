"""Pixel boost: parts that show the whole face, one run for all of them, put back in place."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.sessions import FakeSession
from hypothesis import given
from hypothesis import strategies as st

from edged.errors import ModelError
from edged.stages.boost import join, split
from edged.stages.identity import PictureSource, VectorSource
from edged.stages.swap import Swapper

SIDE = 8
EYE = np.eye(4, dtype=np.float32)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from([2, 5, 8]))
def test_every_pixel_comes_back(count, times, side):
    """Of crops and of masks, whatever the factor."""
    crops, masks = (noise(count, side * times, side * times, *rest) for rest in ((3,), ()))
    assert np.array_equal(join(split(crops, times), times), crops)
    assert np.array_equal(join(split(np.stack([masks] * 3, -1), times), times)[..., 0], masks)


def test_a_part_shows_the_whole_face_more_coarsely():
    """Part (i, j) has every k-th row from i and every k-th column from j."""
    crops = noise(2, 3 * SIDE, 3 * SIDE, 3)
    parts = split(crops, 3)
    assert np.array_equal(parts[0], crops[0, ::3, ::3])
    assert np.array_equal(parts[5], crops[0, 1::3, 2::3])
    assert np.array_equal(parts[9 + 7], crops[1, 2::3, 1::3])


def swapper(most=0, masks=False):
    """Adds to each crop ten times its source's first number; the mask is its green."""

    def answer(feeds):
        made = feeds["crops"] + (feeds["latents"][:, :1, None, None] * 10).astype(np.uint8)
        out = [made, np.zeros(len(made), np.float32)]
        return [*out, np.ascontiguousarray(made[..., 1])] if masks else out

    crop = ((None, SIDE, SIDE, 3), np.uint8)
    outputs = {"swapped": crop, "checks": (None,)}
    if masks:
        outputs["masks"] = ((None, SIDE, SIDE), np.uint8)
    session = FakeSession({"crops": crop, "latents": (None, 4)}, outputs, answer)
    return Swapper(session, VectorSource("fake", 4, EYE), size_px=SIDE, most=most)


SOURCES = np.array([[1, 0, 0, 0], [2, 0, 0, 0]], np.float32)


def test_all_parts_of_all_faces_go_through_together():
    """One run, each part with its own face's source."""
    boosted = swapper().boosted(3 * SIDE)
    crops = noise(2, 3 * SIDE, 3 * SIDE, 3)
    made = boosted(crops, SOURCES)
    assert [len(run["crops"]) for run in boosted.session.runs] == [18]
    assert np.array_equal(made, crops + np.array([10, 20], np.uint8)[:, None, None, None])


def test_a_run_takes_no_more_than_the_recipe_says():
    """As few runs as that allows."""
    boosted = swapper(most=8).boosted(4 * SIDE)
    made = boosted(noise(2, 4 * SIDE, 4 * SIDE, 3), SOURCES)
    assert [len(run["crops"]) for run in boosted.session.runs] == [8] * 4
    assert made.shape == (2, 4 * SIDE, 4 * SIDE, 3)


def test_its_own_mask_is_put_together_as_the_crop_is():
    """Pixel by pixel."""
    crops = noise(2, 2 * SIDE, 2 * SIDE, 3)
    swapped = swapper(masks=True).boosted(2 * SIDE).run(crops, SOURCES)
    assert np.array_equal(swapped.masks, swapped.crops[..., 1])


def test_a_source_picture_is_fed_to_every_part():
    """As bytes."""
    seen = []

    def answer(feeds):
        seen.append(feeds["sources"])
        return [feeds["crops"], np.zeros(len(feeds["crops"]), np.float32)]

    crop, photo = ((None, SIDE, SIDE, 3), np.uint8), ((None, 6, 6, 3), np.uint8)
    session = FakeSession(
        {"crops": crop, "sources": photo}, {"swapped": crop, "checks": (None,)}, answer
    )
    whole = Swapper(session, PictureSource("arcface_112", 6), size_px=SIDE).boosted(2 * SIDE)
    sources = noise(2, 6, 6, 3)
    whole(noise(2, 2 * SIDE, 2 * SIDE, 3), sources)
    assert np.array_equal(seen[0], sources.repeat(4, axis=0))


def test_only_whole_multiples_can_be_boosted():
    """Others have no parts of the network's side: the peers fail in the middle of a frame."""
    plain = swapper()
    assert plain.boosted(0) is plain
    assert plain.boosted(2 * SIDE).boosted(3 * SIDE).boost == 3
    with pytest.raises(ModelError, match="cannot be boosted to 12 px"):
        plain.boosted(12)
