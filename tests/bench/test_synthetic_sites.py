"""FP16 breaks where the synthetic networks say that it does, seen in FP32's own values."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from edged.bench.synthetic import build, crops, sites
from edged.bench.synthetic.inswapper import latent

LARGEST = 65504
"""Of FP16's numbers."""

NARROW = 0.125


def _values(recipe_id, seed, names):
    model = build(recipe_id, seed=seed, width=NARROW)
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    size = 128 if recipe_id == "inswapper_128" else 512
    (crop,) = crops(size, 1, 77)
    planes = np.ascontiguousarray(crop[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
    if recipe_id == "inswapper_128":
        feeds = {"target": planes / 255, "source": latent(77)}
    else:
        feeds = {"input": planes / 127.5 - 1}
    return dict(zip(names, session.run(list(names), feeds), strict=True))


def _swapper_tensor(site):
    return f"{site.layer}.squares" if site.kind == "squares" else site.layer


def _restorer_tensor(site):
    if site.kind == "latent":
        return "final_linear"
    return f"{site.layer}.power" if site.kind in ("style", "faint") else site.layer


def _spread(value):
    return value.mean((2, 3)), value.std((2, 3))


@pytest.mark.parametrize("seed", [0, 3, 6, 15])
def test_the_swapper_breaks_where_it_says(seed):
    """Outputs or squares beyond FP16, means far above the spread, channels without any."""
    placed = sites("inswapper_128", seed=seed)
    seen = _values("inswapper_128", seed, [_swapper_tensor(site) for site in placed])
    for site in placed:
        value = seen[_swapper_tensor(site)]
        if site.kind in ("conv", "squares"):
            assert np.abs(value).max() > LARGEST, site
        elif site.kind == "offset":
            mean, spread = _spread(value)
            assert np.median(np.abs(mean) / spread) > 50, site
        else:
            assert site.kind == "dead"
            assert (_spread(value)[1] < 1e-5).any(), site


@pytest.mark.parametrize("seed", [0, 1, 10, 21])
def test_the_restorer_breaks_where_it_says(seed):
    """Sums of squared weights, values and latents beyond FP16, or lost below it."""
    placed = sites("gfpgan_1.4", seed=seed)
    seen = _values("gfpgan_1.4", seed, [_restorer_tensor(site) for site in placed])
    for site in placed:
        value = np.abs(seen[_restorer_tensor(site)])
        if site.kind == "faint":
            assert value.max() < 2**-14, site  # FP16's smallest number of full precision
        else:
            assert value.max() > LARGEST, site


@pytest.mark.parametrize("recipe_id", ["inswapper_128", "gfpgan_1.4"])
def test_all_kinds_occur(recipe_id):
    """Over thirty seeds there is overflow and there is loss of precision alone."""
    kinds = {site.kind for seed in range(30) for site in sites(recipe_id, seed=seed)}
    wanted = {
        "inswapper_128": {"conv", "squares", "offset", "dead"},
        "gfpgan_1.4": {"style", "faint", "activation", "latent"},
    }
    assert kinds == wanted[recipe_id]
