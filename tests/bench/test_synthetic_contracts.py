"""Synthetic networks look to a reader of files like the public ones, and cost as much."""

from __future__ import annotations

import math

import numpy as np
import onnx
import pytest

from edged.bench.standins.detector import SCRFD_OUTPUTS
from edged.bench.standins.restorers import CONTRACTS
from edged.bench.synthetic import RECIPES, build, outline, write
from edged.errors import ConfigError
from edged.recipe import load_recipe
from edged.runtime.emap import read_emap
from edged.runtime.graph.prepare import prepare
from edged.runtime.precision.macs import macs

FLOAT, DOUBLE, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.INT64
PICTURE = (1, 3, 512, 512)
NARROW = 0.05

COSTS = {
    "det_10g": (13.3e9, 16_923_827),
    "w600k_r50": (6.3e9, 174_383_860),
    "inswapper_128": (174.6e9, 554_253_681),
    "gfpgan_1.4": (197.8e9, 340_000_000),
    "codeformer": (404.8e9, 377_000_000),
    "restoreformer_plus_plus": (343.8e9, 294_000_000),
    "gpen_bfr_512": (138.1e9, 284_000_000),
}
"""Multiply-adds, and the public file's size in bytes; of the last four about."""


def _tensors(infos):
    return {
        info.name: (
            info.type.tensor_type.elem_type,
            tuple(d.dim_value or d.dim_param for d in info.type.tensor_type.shape.dim),
        )
        for info in infos
    }


@pytest.mark.parametrize("recipe_id", [r for r in RECIPES if r in CONTRACTS])
def test_restorers_have_the_public_names(recipe_id):
    """One picture in and out by the public export's names, CodeFormer's w in float64."""
    contract = CONTRACTS[recipe_id]
    graph = outline(recipe_id).graph
    wanted = {contract.source: (FLOAT, PICTURE)}
    if contract.fidelity:
        wanted[contract.fidelity] = (DOUBLE, (1,))
    assert _tensors(graph.input) == wanted
    outputs = _tensors(graph.output)
    assert list(outputs) == [contract.output, *contract.taps]
    assert outputs[contract.output] == (FLOAT, PICTURE)


def test_the_swapper_has_the_public_names():
    """Target and source in, output out, the map the last constant and read by nobody."""
    graph = outline("inswapper_128").graph
    assert _tensors(graph.input) == {
        "target": (FLOAT, (1, 3, 128, 128)), "source": (FLOAT, (1, 512))
    }  # fmt: skip
    assert _tensors(graph.output) == {"output": (FLOAT, (1, 3, 128, 128))}
    assert graph.initializer[-1].name == "buff2fs"
    assert "buff2fs" not in {name for node in graph.node for name in node.input}


def test_the_recogniser_has_the_public_names():
    """An open batch in, the 512 numbers of one face out, as the public file says."""
    graph = outline("w600k_r50").graph
    assert _tensors(graph.input) == {"input.1": (FLOAT, ("None", 3, 112, 112))}
    assert _tensors(graph.output) == {"683": (FLOAT, (1, 512))}


def test_the_detector_has_the_public_names():
    """Open sides, nine outputs in the public order."""
    graph = outline("det_10g").graph
    assert _tensors(graph.input) == {"input.1": (FLOAT, (1, 3, "?", "?"))}
    assert [o.name for o in graph.output] == list(SCRFD_OUTPUTS["det_10g"])


@pytest.mark.parametrize("recipe_id", RECIPES)
def test_full_width_costs_what_the_real_network_costs(recipe_id):
    """Multiply-adds as counted by hand, and weights of the public file's size within 1 %."""
    model = outline(recipe_id)
    feeds = {
        info.name: [
            d.dim_value or (640 if d.dim_param == "?" else 1)
            for d in info.type.tensor_type.shape.dim
        ]
        for info in model.graph.input
    }
    multiply_adds, size_bytes = COSTS[recipe_id]
    assert sum(macs(model, feeds).values()) == pytest.approx(multiply_adds, rel=0.01)
    weights = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
    assert 4 * weights == pytest.approx(size_bytes, rel=0.01)


@pytest.mark.parametrize("recipe_id", RECIPES)
def test_an_outline_is_the_network_without_its_weights(recipe_id):
    """What is counted on an outline is what is built: the same nodes and constants."""
    full, bare = build(recipe_id, width=NARROW).graph, outline(recipe_id, width=NARROW).graph
    assert [node.op_type for node in full.node] == [node.op_type for node in bare.node]
    assert [(t.name, list(t.dims)) for t in full.initializer] == [
        (t.name, list(t.dims)) for t in bare.initializer
    ]


@pytest.mark.parametrize("recipe_id", RECIPES)
def test_graphs_are_prepared_as_the_recipe_says(recipe_id):
    """Each becomes its family's graph of bytes in, bytes out."""
    recipe = load_recipe(recipe_id)
    prepared = prepare(
        build(recipe_id, width=NARROW),
        model_id=recipe_id, family=recipe.family, contract=recipe.contract,
    )  # fmt: skip
    (first, *_) = prepared.model.graph.input
    assert first.type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_files_are_written_under_the_recipes_names(tmp_path):
    """One file a recipe; the map is found in the swapper's, a turn times 3."""
    paths = write(tmp_path / "models", ("det_10g", "inswapper_128"), width=NARROW)
    assert sorted(p.name for p in (tmp_path / "models").iterdir()) == [
        "det_10g.onnx", "inswapper_128.onnx"
    ]  # fmt: skip
    emap = read_emap(paths["inswapper_128"], "inswapper_128")
    assert np.allclose(emap @ emap.T, 9 * np.eye(512), atol=1e-3)


@pytest.mark.parametrize(("recipe_id", "width"), [("simswap", 1.0), ("det_10g", 0.0)])
def test_what_cannot_be_built_is_said(recipe_id, width):
    """An unknown recipe and a width of nothing are refused before anything is drawn."""
    with pytest.raises(ConfigError, match=r"simswap|width"):
        build(recipe_id, width=width)
