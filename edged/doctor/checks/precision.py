"""Whether every model that is meant to run in FP16 has a precision plan that fits it.

Without one the model runs in FP32 on a GPU: right, and about half as fast or less.  On a
CPU networks run in FP32 anyway, so nothing is said there.

Data: model, plan, figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from edged.doctor.finding import Check, Finding
from edged.doctor.hardware import GPU_RUNTIMES, has_gpu
from edged.doctor.host import Host
from edged.doctor.setup import Setup
from edged.errors import ConfigError, EngineError
from edged.recipe import list_recipes
from edged.runtime.precision.plan import PrecisionPlan, find_plan_file, read_plan
from edged.store import ModelStore


def look(host: Host, setup: Setup) -> Iterator[Finding]:
    """Absent, unreadable, measured on another file, or good with its figures."""
    if not has_gpu(host) and setup.wish not in GPU_RUNTIMES:
        return
    models = setup.config.models
    recipes = list_recipes(models.recipes)
    store = ModelStore(models.folder, recipes)
    for model_id in models.used:
        if recipes[model_id].precision.half == "plan":
            path = find_plan_file(model_id, setup.state_folder / "calibration")
            yield _judge(model_id, path, store.status(model_id).sha256)


def _judge(model_id: str, path: Path | None, sha256: str) -> Finding:
    data: dict[str, Any] = {"model": model_id, "plan": str(path or "")}
    measure = (f"edged calibrate precision {model_id}",)
    if path is None:
        return Finding(
            "precision.none",
            "warn",
            f"{model_id} has no precision plan, so it runs in FP32 on the GPU",
            advice="Measuring one takes the model file and some minutes; it keeps tensor ranges, "
            "never pictures.",
            cure=measure,
            data=data,
        )
    try:
        plan = read_plan(path, model_id)
        plan.require(model_sha256=sha256)
    except ConfigError as error:
        return Finding(
            "precision.unreadable", "fail", str(error), str(path), cure=measure, data=data
        )
    except EngineError:
        return Finding(
            "precision.other-file",
            "warn",
            f"{model_id}'s precision plan was measured on another model file, so it is not used",
            str(path),
            cure=measure,
            data=data,
        )
    data["figures"] = msgspec.to_builtins(plan.figures)
    return Finding("precision.planned", "ok", f"{model_id}: {describe(plan)}", str(path), data=data)


def describe(plan: PrecisionPlan) -> str:
    """The plan's figures in a few words."""
    figures = plan.figures
    if figures is None:
        return "a plan without figures"
    words = [f"{100 * figures.fp16_macs_share:.0f} % of the work in FP16"]
    if figures.psnr_db is not None:
        words.append(f"{figures.psnr_db:.1f} dB to FP32")
    if figures.cosine is not None:
        words.append(f"cosine {figures.cosine:.5f}")
    if figures.box_error_px is not None:
        words.append(f"boxes within {figures.box_error_px:.2f} px")
    return ", ".join(words)


CHECK = Check("precision", "models", "precision plans (FP16)", look, configured=True)
