"""Synthetic networks as a runtime gets them: prepared, in FP32 and by a precision plan.

Knows recipes, the surgery and plan files; knows no runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edged.bench.synthetic.catalogue import build, outline
from edged.bench.synthetic.crops import crops
from edged.bench.synthetic.inswapper import latent
from edged.errors import EngineError
from edged.faces import Tensor
from edged.recipe import Recipe, load_recipe
from edged.runtime.graph.prepare import Prepared, prepare_owned
from edged.runtime.precision.convert import to_mixed
from edged.runtime.precision.macs import macs
from edged.runtime.precision.plan import read_plan

CANVAS_PX = 640
"""Side of a detector's picture."""

FIDELITY = 0.5


@dataclass(frozen=True)
class Subject:
    """One network.

    Attributes:
        recipe: that it stands for.
        fp32: its prepared graph.
        planned: the same by its precision plan; None where there is none.
        note: why there is none.
    """

    recipe: Recipe
    fp32: Prepared
    planned: onnx.ModelProto | None
    note: str


def has_plan(recipe_id: str, plans: Path | None) -> bool:
    """Whether there is a plan's file for a network, fitting or not."""
    return plans is not None and (plans / f"{recipe_id}.toml").is_file()


def subject(
    recipe_id: str, *, seed: int, width: float, plans: Path | None, batched: bool = True
) -> Subject:
    """Build and prepare one network.

    Args:
        recipe_id: that it stands for.
        seed: of its weights.
        width: share of its channels.
        plans: folder of `<recipe>.toml`, as `edged calibrate precision --models synthetic`
            writes them; None: only FP32 is wanted.
        batched: False leaves the graph at one face a run; no plan fits then.

    Raises:
        ConfigError: there is no such network, or its plan is not valid.
        EngineError, ModelError: onnxruntime is absent, or a graph cannot be made.
    """
    recipe = load_recipe(recipe_id)
    model = build(recipe_id, seed=seed, width=width)
    found = has_plan(recipe_id, plans)
    sha256 = _sha256(model) if found else ""
    prepared = prepare_owned(
        model,
        model_id=recipe_id,
        family=recipe.family,
        contract=recipe.contract,
        batched=batched,
    )
    if plans is None:
        return Subject(recipe, prepared, None, "FP32 alone was asked for")
    if not found:
        cure = f"edged calibrate precision {recipe_id} --models synthetic --width {width:g}"
        return Subject(recipe, prepared, None, f"no precision plan; make one: {cure}")
    try:
        plan = read_plan(plans / f"{recipe_id}.toml", recipe_id)
        plan.require(model_sha256=sha256)
        return Subject(recipe, prepared, to_mixed(prepared.model, plan), "")
    except EngineError as error:
        return Subject(recipe, prepared, None, str(error))


def _sha256(model: onnx.ModelProto) -> str:
    """Of the file that the model would be."""
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def multiply_adds(recipe_id: str, width: float) -> int:
    """Of the public file's graph for one face, or for one 640 px picture."""
    model = outline(recipe_id, width=width)
    feeds = {
        info.name: [
            d.dim_value or (CANVAS_PX if d.dim_param == "?" else 1)
            for d in info.type.tensor_type.shape.dim
        ]
        for info in model.graph.input
    }
    return sum(macs(model, feeds).values())


def feeds(prepared: onnx.ModelProto, recipe: Recipe, faces: int) -> Mapping[str, Tensor]:
    """Inputs of a prepared graph for so many faces, drawn, no two alike."""
    size = recipe.contract.size_px or CANVAS_PX
    made: dict[str, Tensor] = {}
    for info in prepared.graph.input:
        if info.name in ("crops", "picture"):
            made[info.name] = np.stack(crops(size, faces, 1))
        elif info.name == "latents":
            made[info.name] = np.concatenate([latent(number) for number in range(faces)])
        elif info.name == "strength":
            made[info.name] = np.ones(1, np.float32)
        else:
            made[info.name] = np.full(1, FIDELITY, np.float32)
    return made
