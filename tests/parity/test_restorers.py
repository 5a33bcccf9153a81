"""One restore stage feeds every public export: names, dtypes and outputs are the file's."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from edged.bench.standins.restorers import CONTRACTS
from edged.runtime.onnx import OnnxSession
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
    with OnnxSession(standins.restorer(name), model_id=name, threads=1) as session:
        restorer = Restorer(session, size_px=side, fidelity=0.25)
        (restored,) = restorer(crop, 1.0)
    assert np.abs(restored[..., ::-1].transpose(2, 0, 1) - wanted).max() <= 1


def test_fidelity_reaches_the_network(standins):
    """CodeFormer's float64 weight is fed: fidelity 1 returns the crop, 0 sharpens it."""
    crop = np.random.default_rng(2).integers(0, 256, (1, 512, 512, 3), np.uint8)
    results = {}
    with OnnxSession(standins.restorer("codeformer"), model_id="codeformer", threads=1) as session:
        for fidelity in (0.0, 1.0):
            results[fidelity] = Restorer(session, fidelity=fidelity)(crop, 1.0)
    assert np.abs(results[1.0].astype(int) - crop).max() <= 1
    assert np.abs(results[0.0].astype(int) - crop).max() > 20


def _tensor(crop):
    rgb = crop[0, ..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
    return np.ascontiguousarray((rgb / 255 - 0.5) / 0.5)
