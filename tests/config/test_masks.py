"""What the configuration says of masks and colours, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.config import loads
from edged.errors import ConfigError
from edged.scene import MaskSettings

PATH = Path("/somewhere/edged.toml")
BASE = """
[device]
name = "booth-1"
[cameras.booth]
scene = "hide"
[identities.actor]
photos = ["builtin:character"]
"""
HIDE = '[scenes.hide]\nmode = "disguise"\nidentities = ["actor"]\n'
POSTER = '[scenes.hide]\nmode = "portrait"\ntemplate = "builtin:poster"\n'
BOTH = '[models]\noccluder = "xseg_1"\nparser = "bisenet_resnet_18"\n'


def problems(text):
    with pytest.raises(ConfigError) as error:
        loads(text, PATH)
    return list(error.value.problems)


def test_a_scene_that_says_nothing_changes_all_of_a_face_in_its_own_colours():
    """As before there were masks."""
    scene = loads(BASE + HIDE, PATH).scenes["hide"]
    assert scene.mask == MaskSettings()
    assert not scene.mask.looks
    assert scene.colour == "none"


def test_everything_that_can_be_asked_for_is_taken():
    """With the models that it needs."""
    asks = 'occlusion = true\nkeep_mouth = true\nregions = ["skin", "hair"]\nshape = "box"\n'
    made = loads(f'{BASE}{HIDE}colour = "lab"\n[scenes.hide.mask]\n{asks}{BOTH}', PATH)
    assert made.scenes["hide"].mask.looks
    assert made.models.used[-2:] == ("xseg_1", "bisenet_resnet_18")


@pytest.mark.parametrize(
    ("mode", "asks", "words"),
    [
        (HIDE, "occlusion = true", "needs models.occluder"),
        (HIDE, 'regions = ["skin"]', "needs models.parser"),
        (POSTER, "keep_mouth = true", 'for mode = "disguise" only'),
        (HIDE, 'regions = ["chin"]', "regions"),
        (HIDE, 'shape = "star"', "shape"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_its_cure(mode, asks, words):
    """A model that is absent, a mouth that is nobody's, names that are none."""
    (problem,) = problems(f"{BASE}{mode}[scenes.hide.mask]\n{asks}\n")
    problem = problem.removeprefix(f"{PATH}: ")
    assert problem.startswith("scenes.hide.mask.")
    assert words in problem


@pytest.mark.parametrize(
    ("key", "model", "kind"),
    [("occluder", "bisenet_resnet_18", "occluder"), ("parser", "xseg_1", "parser")],
)
def test_a_model_of_another_kind_is_no_mask_network(key, model, kind):
    """Each does its own job."""
    (problem,) = problems(f'{BASE}{HIDE}[models]\n{key} = "{model}"\n')
    assert f"a {kind} is needed here" in problem or f"an {kind} is needed here" in problem
