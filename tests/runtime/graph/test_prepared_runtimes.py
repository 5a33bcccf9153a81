"""Prepared graphs on the runtimes of a GPU, as far as those go without one."""

from __future__ import annotations

import pytest
from graph_kit import prepared
from paper_gpu import ask, environment

from edged.bench import synthetic
from edged.bench.standins import detector, masks
from edged.runtime.graph.load import serialised

STANDINS = {
    "yunet": detector.yunet,
    "xseg_1": masks.xseg,
    "bisenet_resnet_34": masks.bisenet,
}

ON_CUDA = """
import json, sys
from pathlib import Path
from edged.errors import EdgedError
from edged.runtime.cuda import CudaSession

said = {}
for path in sorted(Path(sys.argv[1]).glob("*.onnx")):
    try:
        with CudaSession(path, model_id=path.stem) as session:
            said[path.stem] = session._session.get_providers()[0]
    except EdgedError as error:
        said[path.stem] = str(error)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every public architecture at reduced width, and stand-ins of others, prepared."""
    place = tmp_path_factory.mktemp("prepared")
    files = {recipe: synthetic.build(recipe, width=0.06) for recipe in synthetic.RECIPES}
    for recipe, file in (files | {name: build() for name, build in STANDINS.items()}).items():
        (place / f"{recipe}.onnx").write_bytes(serialised(prepared(file, recipe).model))
    return place


def test_every_node_of_them_is_the_cuda_provider_s(folder, gpu_packages, paper_gpu):
    """No node falls to the CPU: decoding, shapes and what opens the batch included."""
    said = ask(ON_CUDA, environment(paper_gpu, [gpu_packages]), str(folder))
    assert said == dict.fromkeys((*synthetic.RECIPES, *STANDINS), "CUDAExecutionProvider")
