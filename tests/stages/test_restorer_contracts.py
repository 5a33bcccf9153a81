"""Every family of restorers by its public contract, on stand-ins, against plain numpy."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from graph_kit import prepared, session_of

from edged.bench.standins.restorers import CONTRACTS, build
from edged.geometry import similarity, template
from edged.recipe import load_recipe
from edged.stages.align import matrices
from edged.stages.restore import Restorer

FFHQ_UNIT = np.array(
    [[0.37691676, 0.46864664], [0.62285697, 0.46912813], [0.50123859, 0.61331904],
     [0.39308822, 0.72541100], [0.61150205, 0.72490465]]
)  # fmt: skip
ARCFACE_128_UNIT = np.array(
    [[0.36167656, 0.40387734], [0.63696719, 0.40235469], [0.50019687, 0.56044219],
     [0.38710391, 0.72160547], [0.61507734, 0.72034453]]
)  # fmt: skip
"""Both as FaceFusion's warp templates have them."""

RECIPES = sorted({contract.recipe for contract in CONTRACTS.values()})


@pytest.mark.parametrize("strength", [1.0, 0.8])
@pytest.mark.parametrize("name", list(CONTRACTS))
def test_restored_crops_are_what_the_file_says(name, strength):
    """Names, types and further outputs of each export lead to the picture within a grey level."""
    side = CONTRACTS[name].size_px
    crops = np.random.default_rng(1).integers(0, 256, (1, side, side, 3), np.uint8)
    wanted = reference(name, crops[0], strength, fidelity=0.25)
    with opened(name, fidelity=0.25) as restore:
        (restored,) = restore(crops, strength)
    assert np.abs(restored.astype(float) - wanted).max() <= 1


@pytest.mark.parametrize("name", ["codeformer", "codeformer_weight", "codeformer_fp16"])
def test_fidelity_reaches_the_network(name):
    """The weight is fed in the file's own type: 1 returns the crop, 0 sharpens it."""
    crop = np.random.default_rng(2).integers(0, 256, (1, 512, 512, 3), np.uint8)
    results = {}
    for fidelity in (0.0, 1.0):
        with opened(name, fidelity=fidelity) as restore:
            results[fidelity] = restore(crop, 1.0)
    assert np.abs(results[1.0].astype(int) - crop).max() <= 1
    assert np.abs(results[0.0].astype(int) - crop).max() > 20


@pytest.mark.parametrize("recipe_id", RECIPES)
def test_crops_lie_as_the_network_was_trained(recipe_id):
    """FFHQ's layout at the network's side, but GPEN-256, which FaceFusion feeds ArcFace's."""
    contract = load_recipe(recipe_id).contract
    unit = ARCFACE_128_UNIT if recipe_id == "gpen_bfr_256" else FFHQ_UNIT
    landmarks = np.array([[300, 200], [380, 215], [335, 260], [290, 290], [360, 305]], np.float32)
    (to_crop,) = matrices([landmarks], contract.template, contract.size_px)
    wanted = similarity(landmarks, (unit * contract.size_px).astype(np.float32))
    corners = np.array([[0, 0, 1], [1920, 0, 1], [0, 1080, 1]]).T
    assert np.abs((to_crop - wanted) @ corners).max() < 0.05 * contract.size_px / 512
    assert template(contract.template, contract.size_px).shape == (5, 2)


def opened(name, fidelity):
    """The stage as the daemon makes it from the shipped recipe, on a stand-in."""
    recipe = load_recipe(CONTRACTS[name].recipe)
    session = session_of(prepared(build(name), recipe.id).model)
    return _Entered(session, recipe, fidelity)


class _Entered:
    def __init__(self, session, recipe, fidelity):
        self.session, self.recipe, self.fidelity = session, recipe, fidelity

    def __enter__(self):
        contract = self.recipe.contract
        return Restorer(
            self.session.__enter__(), contract.size_px, contract.template, self.fidelity,
            self.recipe.batch.max,
        )  # fmt: skip

    def __exit__(self, *error):
        self.session.__exit__(*error)


def reference(name, crop, strength, fidelity):
    """What the published code of the field does with such a file, in float64."""
    contract = CONTRACTS[name]
    numpy_type = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.FLOAT16: np.float16,
                  onnx.TensorProto.DOUBLE: np.float64}  # fmt: skip
    rgb = crop[..., ::-1].transpose(2, 0, 1)[None] / 255
    feeds = {contract.source: ((rgb - 0.5) / 0.5).astype(numpy_type[contract.picture_type])}
    if contract.fidelity:
        feeds[contract.fidelity] = np.array([fidelity], numpy_type[contract.fidelity_type])
    file = build(name).SerializeToString()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    answer = session.run(None, feeds)[0][0].astype(np.float64)
    picture = ((np.clip(answer, -1, 1) + 1) / 2 * 255).transpose(1, 2, 0)[..., ::-1]
    return picture * strength + crop * (1 - strength)
