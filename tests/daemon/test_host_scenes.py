"""Scenes that ask for what the device path lacks are made in host memory, and it is said."""

from __future__ import annotations

from pipeline_kit import LEFT, Eyes, found, frame, make, shot

from edged.daemon.host_scenes import host_scenes
from edged.privacy.guard import Passed
from edged.recipe import load_recipe
from edged.scene import Scene

PLAIN = Scene(mode="disguise", restore=False)
RICH = Scene(mode="disguise", restore=True)
RECIPES = {"gfpgan_1.4": load_recipe("gfpgan_1.4")}
RULES = (
    lambda scene, _recipes: "it restores" if scene.restore else "",
    lambda scene, recipes: "gfpgan is one" if scene.restore and "gfpgan_1.4" in recipes else "",
)


def test_a_scene_that_asks_for_nothing_more_is_no_host_scene():
    """Every rule is asked, none speaks."""
    assert host_scenes({"plain": PLAIN}, RECIPES, RULES) == {}


def test_every_reason_is_told():
    """One sentence a rule that speaks."""
    found = host_scenes({"plain": PLAIN, "rich": RICH}, RECIPES, RULES)
    assert found == {"rich": "it restores; gfpgan is one"}


def test_the_easel_is_not_asked_for_a_host_scene():
    """The device sees frames of the other scenes only."""
    asked = []

    def easel(image):
        asked.append(image.shape)
        raise RuntimeError("the device")

    pipeline, _ = make(Eyes(found(LEFT)), easel=easel, host_scenes={"scene"})
    assert isinstance(pipeline.process(frame([LEFT]), shot()).ruling, Passed)
    assert not asked
    pipeline, _ = make(Eyes(found(LEFT)), easel=easel, host_scenes={"another"})
    assert not isinstance(pipeline.process(frame([LEFT]), shot()).ruling, Passed)
    assert asked


def test_a_restorer_of_large_crops_works_in_host_memory():
    """The device's graphs hold crops of 512 px; scenes that do not restore are not concerned."""
    recipes = {"gpen_bfr_1024": load_recipe("gpen_bfr_1024")}
    scenes = {"plain": PLAIN, "rich": RICH}
    assert host_scenes(scenes, recipes) == {"rich": "gpen_bfr_1024 takes crops of 1024 px"}
    assert host_scenes(scenes, RECIPES) == {}
