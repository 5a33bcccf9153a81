"""Every graph that edged makes is taken whole by the real CUDA provider, on a GPU of paper.

Nodes of a graph that the provider does not know would be run on the CPU, with copies there
and back at every frame; our sessions refuse that, and so nothing of ours may need it.
"""

from __future__ import annotations

import pytest
from paper_gpu import ask, environment

from edged.bench.synthetic.catalogue import RECIPES, build
from edged.recipe import load_recipe
from edged.runtime.graph import picture
from edged.runtime.graph.prepare import prepare
from edged.runtime.graph.tools import structure_digest
from edged.runtime.precision.convert import to_mixed
from edged.runtime.precision.plan import PrecisionPlan

OPENS = """
import json, sys
from pathlib import Path
from edged.errors import EdgedError
from edged.runtime.cuda import CudaSession
found = {}
for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    try:
        with CudaSession(path, model_id=path.stem) as session:
            found[path.stem] = {"graphs": session._graphs, "fixed": session._fixed is not None}
    except EdgedError as error:
        found[path.stem] = str(error)
print(json.dumps(found))
"""


def prepared(recipe_id):
    recipe = load_recipe(recipe_id)
    return prepare(
        build(recipe_id, width=0.05),
        model_id=recipe_id, family=recipe.family, contract=recipe.contract,
    ).model  # fmt: skip


def half(model, recipe_id):
    """All of it in FP16, which is the hardest."""
    plan = PrecisionPlan(
        recipe=recipe_id, model_sha256="0" * 64, structure_digest=structure_digest(model)
    )
    return to_mixed(model, plan)


@pytest.fixture
def opened(gpu_packages, paper_gpu, tmp_path):
    """What becomes of every ONNX file in the folder."""
    return lambda: ask(OPENS, environment(paper_gpu, [gpu_packages]), str(tmp_path))


def test_every_recipe_s_graph_is_taken_whole_in_fp32_and_in_half_precision(opened, tmp_path):
    """With CUDA graphs, and one session for all sizes of a detector's picture."""
    for recipe_id in RECIPES:
        model = prepared(recipe_id)
        (tmp_path / f"{recipe_id}.fp32.onnx").write_bytes(model.SerializeToString())
        mixed = half(model, recipe_id)
        (tmp_path / f"{recipe_id}.fp16.onnx").write_bytes(mixed.SerializeToString())
    found = opened()
    assert len(found) == 2 * len(RECIPES)
    for name, state in found.items():
        assert state == {"graphs": True, "fixed": False}, name


def test_the_graphs_that_work_on_frames_are_taken_whole(opened, tmp_path):
    """Letterbox, crops and pastes stay where the frame is."""
    for name, model in picture.all_graphs().items():
        (tmp_path / f"{name}.onnx").write_bytes(model.SerializeToString())
    found = opened()
    assert found
    for name, state in found.items():
        assert state == {"graphs": True, "fixed": False}, name
