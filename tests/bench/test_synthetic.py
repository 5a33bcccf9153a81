"""Synthetic networks: the public contracts, pictures that mean something, FP16 that breaks."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from edged.bench.synthetic import RECIPES, build, crops, sites
from edged.bench.synthetic.inswapper import latent

BREAKING = ("gfpgan_1.4", "inswapper_128")
PICTURES = (*BREAKING, "codeformer", "restoreformer_plus_plus", "gpen_bfr_512")
NARROW = 0.125
"""Of what is run: the same statistics as at full width."""

THIN = 0.05
"""Of what is only looked at."""


def _feeds(recipe_id, seed):
    size = 128 if recipe_id == "inswapper_128" else 512
    (crop,) = crops(size, 1, seed)
    planes = np.ascontiguousarray(crop[:, :, ::-1].transpose(2, 0, 1)[None], np.float32)
    if recipe_id == "inswapper_128":
        return {"target": planes / 255, "source": latent(seed)}
    if recipe_id == "codeformer":
        return {"x": planes / 127.5 - 1, "w": np.array([0.5])}
    return {"input": planes / 127.5 - 1}


def _grey(recipe_id, output):
    levels = output * 255 if recipe_id == "inswapper_128" else (output + 1) * 127.5
    return np.clip(levels, 0, 255)


def _weights(model):
    return [t.raw_data for t in model.graph.initializer if t.name.endswith(".weight")]


def _session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("recipe_id", PICTURES)
@pytest.mark.parametrize("seed", [0, 19])
def test_pictures_have_contrast_and_follow_the_crop(recipe_id, seed):
    """30 grey levels of spread, under 5 % saturated, and another crop is another picture."""
    session = _session(build(recipe_id, seed=seed, width=NARROW))
    first, second = (
        _grey(recipe_id, session.run(None, _feeds(recipe_id, number))[0]) for number in (11, 12)
    )
    assert first.std() >= 30
    assert np.mean((first < 0.5) | (first > 254.5)) < 0.05
    assert np.sqrt(np.mean((first - second) ** 2)) > 4


@pytest.mark.parametrize("recipe_id", RECIPES)
def test_a_seed_gives_one_network(recipe_id):
    """Equal bytes for one seed, other weights for another."""
    one, same, other = (build(recipe_id, seed=seed, width=THIN) for seed in (3, 3, 4))
    assert one.SerializeToString(deterministic=True) == same.SerializeToString(deterministic=True)
    assert _weights(one) != _weights(other)


@pytest.mark.parametrize("recipe_id", BREAKING)
def test_sites_differ_between_seeds(recipe_id):
    """Twenty seeds break FP16 in twenty ways."""
    assert len({sites(recipe_id, seed=seed) for seed in range(20)}) == 20


def test_crops_never_repeat():
    """Another seed is another picture, as is the next of one seed."""
    drawn = [crop.tobytes() for seed in range(8) for crop in crops(64, 3, seed)]
    assert len(set(drawn)) == 24
