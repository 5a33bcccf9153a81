"""Bounds that photos support, and bounds that nothing supports."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from functools import lru_cache

import cv2
import numpy as np
import pytest
from measure_kit import find, group_folder, people_folder

from edged.config import loads
from edged.config.starter import starter
from edged.daemon.assemble import open_stages
from edged.measure.identity import measure_identity
from edged.measure.likeness import measure_likeness
from edged.measure.people import Gathered, gather
from edged.measure.variations import Variations, variation
from edged.privacy.pixels import coarse_correlation, untouched_share
from edged.stages.swap import Swapped

FEW = Variations(4, 1)


def told(*_):
    """Nobody listens."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    state = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("STATE_DIRECTORY", str(state))
        yield open_stages(loads(starter("booth-1"), state / "edged.toml"), stack).stages


@pytest.fixture(scope="module")
def group(tmp_path_factory):
    return gather(group_folder(tmp_path_factory.mktemp("g") / "p"), find, "auto", told)


@lru_cache(maxsize=1)
def _codes():
    return np.random.default_rng(3)


def random_recogniser(crops):
    """Knows nobody: every crop is somewhere else."""
    vectors = _codes().standard_normal((len(crops), 64)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_single_photos_are_varied_and_said_to_be(group, stages):
    """Seven people, one photo each: 21 pairs of strangers, 28 generated ones, and a bound."""
    found = measure_identity(group, stages.recogniser, FEW, told)
    assert (len(found.impostor), len(found.genuine)) == (21, 28)
    assert found.generated
    assert found.problem == ""
    assert found.impostor.max() < found.parted.bound < found.genuine.min()


def test_second_photos_are_compared_with_the_first(tmp_path, stages):
    """Two photos of each of seven people: seven genuine pairs, 84 of strangers, nothing made."""
    gathered = gather(people_folder(tmp_path, nested=True), find, "auto", told)
    found = measure_identity(gathered, stages.recogniser, FEW, told)
    assert (len(found.genuine), len(found.impostor)) == (7, 84)
    assert not found.generated
    assert np.median(found.genuine) > found.impostor.max()


def test_too_few_people_get_no_bound(group, stages):
    """Six are not seven; the message says how many are needed."""
    few = Gathered("faces", [one for one in group.shown if one.person < 6])
    assert "7 are needed" in measure_identity(few, stages.recogniser, FEW, told).problem
    assert "7 are needed" in measure_likeness(few, stages, 1, told).problem


def test_a_recogniser_that_knows_nobody_gets_no_bound(group):
    """Strangers and one person's pictures overlap: the rates are said, and the photos named."""
    found = measure_identity(group, random_recogniser, FEW, told)
    assert "are not apart" in found.problem
    assert ".png" in found.problem


def test_swaps_and_attacks_are_told_apart(group, stages):
    """Every attack on every person fails one of the bounds, and most swaps pass both."""
    found = measure_likeness(group, stages, 3, told)
    assert found.problem == ""
    assert len(found.swaps) == 7 * 3 * 2  # with and without the restorer
    assert found.passed == []
    assert found.filled <= 0.05


def test_a_swapper_that_does_nothing_gets_no_bounds(group, stages):
    """Its swaps are the input, so no bound parts them from an attack."""
    lazy = dataclasses.replace(stages, swapper=_Lazy(stages.swapper), restorer=None)
    assert "are not apart" in measure_likeness(group, lazy, 2, told).problem


class _Lazy:
    """Gives back what it got."""

    picture, takes_raw = None, False

    def __init__(self, real):
        self.template_name, self.size_px, self.latent = (
            real.template_name, real.size_px, real.latent,
        )  # fmt: skip

    def run(self, targets, _sources):
        return Swapped(targets)


def test_a_variation_is_the_same_face_in_another_picture(group):
    """Drawn from a seed; never the photo itself, and never another person."""
    one = group.shown[0]
    made, points = variation(one.image, one.landmarks, np.random.default_rng(7))
    again, _ = variation(one.image, one.landmarks, np.random.default_rng(7))
    assert np.array_equal(made, again)
    assert made.shape == one.image.shape
    eyes = np.linalg.norm(one.landmarks[1] - one.landmarks[0])
    assert 0 < np.abs(points - one.landmarks).max() < 0.2 * eyes
    before, after = cv2.resize(one.image, (112, 112)), cv2.resize(made, (112, 112))
    assert coarse_correlation(before, after) > 0.8
    assert untouched_share(before, after) < 1
