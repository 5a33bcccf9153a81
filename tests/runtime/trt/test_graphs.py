"""Every graph that edged runs is parsed, type-checked and built by NVIDIA's own code.

By TensorRT-RTX's, which needs no GPU, driven by our builder: in full precision, in half but
for what must not be, and with every third node in full, which puts a cast on most edges.
It is a lint: no proof that TensorRT 8, 10 or 11 builds the graph, and nothing ran.
"""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import native_kit
import onnx
import pytest

from edged.bench import synthetic
from edged.bench.standins import detector, masks, recogniser, restorers, swapper
from edged.recipe import load_recipe
from edged.runtime.backend import Profile
from edged.runtime.build.profile import profile_of
from edged.runtime.graph import tools
from edged.runtime.graph.picture import all_graphs
from edged.runtime.graph.prepare import prepare
from edged.runtime.pictures import profile_of_picture
from edged.runtime.precision.convert import to_mixed
from edged.runtime.precision.lift import lifted
from edged.runtime.precision.nodes import keys
from edged.runtime.precision.plan import PrecisionPlan

VEHICLE = Path(__file__).parent / "vehicle.py"
RESTORERS = ("gfpgan_1.4", "codeformer", "restoreformer_plus_plus", "gpen_bfr_512")
STAND_INS = {
    "det_10g": detector.scrfd,
    "yunet": detector.yunet,
    "w600k_r50": recogniser.build,
    "inswapper_128": swapper.build,
    "xseg_1": masks.xseg,
    "bisenet_resnet_34": masks.bisenet,
} | {name: lambda name=name: restorers.build(name) for name in RESTORERS}

WIDTH = 0.125
"""Share of the synthetic networks' channels: all of their nodes, a 64th of their weights."""


def prepared(model, recipe):
    """The canonical graph of a model file."""
    return prepare(model, model_id=recipe.id, family=recipe.family, contract=recipe.contract).model


def mixed(graph, recipe, every):
    """The graph with every n-th node in full precision, 0: none, and the rest in half."""
    names = sorted(keys(lifted(graph).graph.node))
    plan = PrecisionPlan(
        recipe=recipe.id,
        model_sha256="0" * 64,
        structure_digest=tools.structure_digest(graph),
        fp32_nodes=tuple(names[::every]) if every else (),
    )
    return to_mixed(graph, plan)


@pytest.fixture
def build(native_tree, tmp_path):
    """`build(graph, recipe)`, or with a profile instead of a recipe: what came of it."""
    root = native_tree("11.4", rtx=True)

    def run(graph, recipe):
        file = tmp_path / "graph.onnx"
        onnx.save(graph, file)
        wanted = recipe if isinstance(recipe, Profile) else profile_of(graph, recipe.batch)
        profile = msgspec.json.encode(wanted).decode()
        done = subprocess.run(
            [sys.executable, str(VEHICLE), str(file), profile],
            env=native_kit.environment(root),
            capture_output=True, text=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-500:]
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("name", STAND_INS)
def test_a_stand_in_builds_in_full_half_and_mixed_precision(build, name):
    """In half precision are none, most, and fewer of its tensors, as the file has them."""
    recipe = load_recipe(name)
    graph = prepared(STAND_INS[name](), recipe)
    profile = profile_of(graph, recipe.batch)
    full = build(graph, profile)
    assert "error" not in full, full
    half = build(mixed(graph, recipe, 0), profile)
    assert "error" not in half, half
    third = build(mixed(graph, recipe, 3), profile)
    assert "error" not in third, third
    assert 0 == full["half_tensors"] < third["half_tensors"] < half["half_tensors"]


@pytest.mark.timeout(300)  # a thousand nodes and more; 7 s on two cores that are idle
@pytest.mark.parametrize("name", synthetic.RECIPES)
def test_a_network_of_the_real_architecture_builds_in_mixed_precision(build, name):
    """All nodes of the real thing, with casts on most edges."""
    recipe = load_recipe(name)
    graph = prepared(synthetic.build(name, width=WIDTH), recipe)
    said = build(mixed(graph, recipe, 3), profile_of(graph, recipe.batch))
    assert "error" not in said, said
    assert said["half_tensors"] > 30


@pytest.mark.parametrize("name", all_graphs())
def test_a_picture_graph_builds_for_frames_of_every_size(build, name):
    """Letterbox, crops and paste of a frame that stays on the device."""
    graph = all_graphs()[name]
    said = build(graph, profile_of_picture(graph))
    assert "error" not in said, said


@pytest.mark.parametrize("name", all_graphs())
def test_a_picture_graph_builds(build, name):
    """For frames up to the largest, in the types that it has: pixels in half precision."""
    graph = all_graphs()[name]
    said = build(graph, profile_of_picture(graph))
    assert "error" not in said, said
    assert said["half_tensors"] > 0
