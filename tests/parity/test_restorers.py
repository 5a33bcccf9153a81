"""One restore stage feeds every public export: names, dtypes and outputs are the file's."""

from __future__ import annotations

import msgspec
import numpy as np
import onnxruntime
import pytest
from graph_kit import of_file, session_of

from edged.bench.standins.restorers import CONTRACTS
from edged.recipe import load_recipe
from edged.runtime.graph.load import load_prepared
from edged.stages.restore import Restorer


@pytest.mark.parametrize("name", list(CONTRACTS))
def test_restored_crop_is_the_network_s_own_answer(standins, name):
    """The picture output, to within one grey level, whatever it and its neighbours are called."""
    contract = CONTRACTS[name]
    side = contract.size_px
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 256, (1, side, side, 3), np.uint8)
    feeds = {contract.source: _tensor(crop)}
    if contract.fidelity:
        feeds[contract.fidelity] = np.array([0.25], np.float64)
    plain = onnxruntime.InferenceSession(
        str(standins.restorer(name)), providers=["CPUExecutionProvider"]
    )
    answer = plain.run([contract.output], feeds)[0]
    wanted = (np.clip(answer[0], -1, 1) + 1) / 2 * 255
    with session_of(prepared_restorer(standins, name)) as session:
        restorer = Restorer(session, size_px=side, fidelity=0.25)
        (restored,) = restorer(crop, 1.0)
    assert np.abs(restored[..., ::-1].transpose(2, 0, 1) - wanted).max() <= 1


def test_fidelity_reaches_the_network(standins):
    """CodeFormer's float64 weight is fed: fidelity 1 returns the crop, 0 sharpens it."""
    crop = np.random.default_rng(2).integers(0, 256, (1, 512, 512, 3), np.uint8)
    results = {}
    with of_file(standins.restorer("codeformer"), "codeformer") as session:
        for fidelity in (0.0, 1.0):
            results[fidelity] = Restorer(session, fidelity=fidelity)(crop, 1.0)
    assert np.abs(results[1.0].astype(int) - crop).max() <= 1
    assert np.abs(results[0.0].astype(int) - crop).max() > 20


def prepared_restorer(standins, name):
    """The graph by a shipped recipe whose side is the export's."""
    recipe = load_recipe("codeformer" if CONTRACTS[name].fidelity else "gfpgan_1.4")
    contract = msgspec.structs.replace(recipe.contract, size_px=CONTRACTS[name].size_px)
    recipe = msgspec.structs.replace(recipe, contract=contract)
    return load_prepared(standins.restorer(name), recipe).model


def _tensor(crop):
    rgb = crop[0, ..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    return np.ascontiguousarray((rgb / 255 - 0.5) / 0.5)
