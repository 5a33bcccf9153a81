"""The proof on networks of the real architectures: plain FP16 breaks, the plan found does not.

Reduced width, places of overflow drawn by seed; error on crops that the search did not see.
Figures of the full-size networks are in tests/bench/RESULTS.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edged.commands import calibrating
from edged.recipe import list_recipes
from edged.runtime.precision.cpu import CpuRun
from edged.runtime.precision.hunt import Budget
from edged.runtime.precision.search import find_plan
from edged.store import ModelStore

SEEDS = range(20)
WIDTH = 1 / 16
BUDGET = Budget(trials=16, threads=1)
STORE = ModelStore(Path("/nonexistent"), list_recipes())
"""Without files: the built-in recogniser judges."""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("recipe_id", ["inswapper_128", "gfpgan_1.4"])
def test_plain_fp16_breaks_and_the_plan_does_not(recipe_id: str, seed: int) -> None:
    """45 dB and cosine 0.9995 against FP32 on unseen crops, 80 % of multiply-adds in FP16."""
    recipe = STORE.recipes[recipe_id]
    subject = calibrating.made(recipe, seed, WIDTH)
    search = calibrating.generated(subject, 1, 1)
    test = calibrating.generated(subject, 1000 + seed, 2)
    picture = next(
        value for value in CpuRun(subject.graph, threads=1)(test[0]).values() if value.ndim > 1
    )
    assert np.std(picture) >= 30
    assert np.mean((picture == 0) | (picture == 255)) < 0.05
    judge = calibrating.judge(recipe, STORE, 1)
    assert judge is not None
    report = find_plan(
        subject.graph, search, test, bound=subject.bound, budget=BUDGET, embed=judge[1]
    )
    assert not report.plain.finite or report.plain.psnr_db < 25
    assert report.planned.finite
    assert report.planned.psnr_db >= 45
    assert report.planned.cosine >= 0.9995
    assert report.fp16_macs_share >= 0.8
    assert report.met
