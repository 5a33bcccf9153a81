"""Occluder and parser stages: shapes, soft edges, names of regions, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest
from graph_kit import running
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.bench.standins import masks
from edged.errors import EngineError
from edged.scene import Part
from edged.stages.segment import REGIONS, SOFT_PX, Occluder, Parser, regions_mask, soften


class Session:
    """A mask network by script; it writes down how many faces each run had."""

    model_id = "net"

    def __init__(self, output, answer, checks=None):
        self.inputs = (SimpleNamespace(name="crops", shape=(None, 8, 8, 3)),)
        self.outputs = (SimpleNamespace(name=output), SimpleNamespace(name="checks"))
        self.answer, self.checks, self.runs = answer, checks, []

    def run(self, feeds):
        count = len(feeds["crops"])
        self.runs.append(count)
        checks = np.zeros(count, np.float32) if self.checks is None else self.checks
        return [self.answer(count), checks]


CROPS = np.zeros((5, 256, 256, 3), np.uint8)


def blurred(mask, sigma=2.5, reach=12):
    """A Gaussian blur by numpy, borders repeated."""
    x = np.arange(-reach, reach + 1)
    taps = np.exp(-(x**2) / (2 * sigma**2))
    taps /= taps.sum()
    made = np.pad(mask.astype(np.float64), reach, mode="edge")
    for axis in (0, 1):
        made = np.apply_along_axis(lambda row: np.convolve(row, taps, "same"), axis, made)
    return made[reach:-reach, reach:-reach]


def test_edges_are_those_of_the_peers_within_three_steps():
    """A blur as wide as 5 px of 256, the lower half cut off: (clip(x, .5, 1) - .5) * 2."""
    mask = np.zeros((SOFT_PX, SOFT_PX), np.uint8)
    mask[30:100, 20:90] = 255
    expected = (np.clip(blurred(mask) / 255, 0.5, 1) - 0.5) * 2 * 255
    assert np.abs(soften(mask).astype(float) - expected).max() <= 3


@given(st.integers(0, 255), st.sampled_from([64, 256, 512]))
@settings(max_examples=20, deadline=None)
def test_a_mask_of_one_level_stays_one(level, side):
    """Everything and nothing stay what they are."""
    made = soften(np.full((side, side), level, np.uint8))
    assert made.shape == (SOFT_PX, SOFT_PX)
    assert np.ptp(made) == 0
    assert made[0, 0] == (0 if level < 128 else round((level - 127.5) * 2))


def test_soft_edges_lie_inside():
    """A pixel that is occluded by more than its surroundings is not let through."""
    mask = np.zeros((SOFT_PX, SOFT_PX), np.uint8)
    mask[30:100, 20:90] = 255
    assert (soften(mask)[mask == 0] < 12).all()


def test_several_faces_go_through_in_one_run():
    """As many at a time as the recipe allows."""
    session = Session("visible", lambda n: np.full((n, 256, 256), 255, np.uint8))
    assert Occluder(session, most=4)(CROPS).shape == (5, SOFT_PX, SOFT_PX)
    assert session.runs == [4, 1]


def test_an_occluder_s_stand_in_sees_what_is_before_a_face():
    """Something blue over skin is closed, skin is open."""
    crop = np.full((1, 256, 256, 3), (120, 150, 210), np.uint8)
    crop[:, 120:, 100:160] = (220, 60, 30)
    with running(masks.xseg(), "xseg_1") as session:
        made = Occluder(session)(crop)[0]
    assert (made[70:120, 55:75] == 0).all()
    assert (made[10:45, 10:115] > 240).all()


def test_a_parser_s_regions_are_named():
    """The stand-in's face: skin, eyes, nose and lips where an aligned face has them."""
    with running(masks.bisenet(), "bisenet_resnet_34") as session:
        labels = Parser(session)(np.full((1, 512, 512, 3), (120, 150, 210), np.uint8))
    nose = regions_mask(labels, ["nose"])[0]
    assert nose[75, 64] > 240
    assert nose[15, 15] == 0
    inner = regions_mask(labels, ["skin", "brows", "eyes", "nose", "mouth", "lips"])[0]
    assert inner[75, 64] > 240
    assert inner[1, 1] == 0
    assert not regions_mask(labels, ["hat"]).any()


def test_a_scene_can_name_every_region_and_no_other():
    """Configuration and stage know the same names."""
    assert set(get_args(Part)) == set(REGIONS)


def test_every_class_but_background_and_cloth_belongs_to_one_region():
    """No class twice, none forgotten."""
    named = sorted(label for labels in REGIONS.values() for label in labels)
    assert named == [label for label in range(1, 19) if label != 16]


@pytest.mark.parametrize(
    "session",
    [
        Session("visible", lambda n: np.zeros((n, 128, 128), np.uint8)),
        Session("visible", lambda n: np.zeros((n, 256, 256), np.float32)),
        Session("visible", lambda _n: np.zeros((1, 256, 256), np.uint8)),
        Session("visible", lambda n: np.zeros((n, 256, 256), np.uint8), np.full(5, np.nan)),
    ],
)
def test_what_is_no_mask_of_every_face_is_refused(session):
    """Another size, another type, fewer faces, numbers that are not finite."""
    with pytest.raises(EngineError, match="net"):
        Occluder(session)(CROPS)
