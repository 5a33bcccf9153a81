"""The precision plan of one model: what stays in FP32, what is rescaled, what was measured.

One TOML file a model, `calibration/precision/<recipe>.toml`, written by
`edged calibrate precision`.  A plan names the model file and the prepared graph that it
was measured on and is refused for any other.  Knows the file; knows no graphs.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edged import tables
from edged.errors import ConfigError, EngineError, OperatorError
from edged.fresh_file import write_fresh
from edged.recipe import ModelId, Sha256
from edged.resources import data_folder

OPERATOR = Path("/etc/edged/calibration")
"""Plans of the operator, in its sub-folder `precision`; they win over every other."""

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0, description="a number from 0 to 1")]
Exponent = Annotated[int, msgspec.Meta(ge=-24, le=24, description="a whole number from -24 to 24")]
NodeKey = Annotated[str, msgspec.Meta(min_length=1, description="the name of a node")]


class Rescale(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rewrite that keeps values small instead of keeping a node in FP32.

    Attributes:
        kind: "style" divides a StyleGAN2 style vector by its largest entry (demodulation
            cancels it); "power" keeps a node's output at 2**-exponent of its value until a
            later node undoes it.
        node: key of the node (see :func:`edged.runtime.precision.nodes.keys`): for
            "style" the one that makes the style vector, for "power" the convolution.
        exponent: of two, for "power".
    """

    kind: Literal["style", "power"]
    node: NodeKey
    exponent: Exponent = 0


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the plan measured on crops that its search did not see, with per-op rounding.

    Attributes:
        fp16_macs_share: multiply-adds in FP16 / all of them.
        psnr_db: of the uint8 picture against FP32's; left out for models without one.
        cosine: smallest cosine of an embedding with FP32's.
        score_error: largest difference of a detector's scores.
        box_error_px: largest difference of a detector's boxes and landmarks.
        plain_finite: whether FP16 everywhere gave finite numbers.
        plain_psnr_db: of FP16 everywhere, where that has one.
        measured_on: which crops.
        versions: of what measured.
        date: ISO 8601 day, UTC.
    """

    fp16_macs_share: Share
    plain_finite: bool
    measured_on: str
    date: str
    psnr_db: float | None = None
    cosine: float | None = None
    score_error: float | None = None
    box_error_px: float | None = None
    plain_psnr_db: float | None = None
    versions: dict[str, str] = {}


class PrecisionPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file.

    Attributes:
        recipe: id of the model's recipe.
        model_sha256: of the model file.
        structure_digest: of the prepared graph (:mod:`edged.runtime.graph`).
        fp32_nodes: keys of nodes that stay in FP32, in the rescaled graph.
        rescale: rewrites, applied in this order before the conversion.
        figures: what was measured; None for a plan that is made up in a test.
    """

    recipe: ModelId
    model_sha256: Sha256
    structure_digest: Sha256
    fp32_nodes: tuple[NodeKey, ...] = ()
    rescale: tuple[Rescale, ...] = ()
    figures: Figures | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what shapes the engine: all but the figures."""
        shaping = msgspec.structs.replace(self, figures=None)
        return hashlib.sha256(msgspec.json.encode(shaping)).hexdigest()

    def require(self, *, model_sha256: str = "", structure_digest: str = "") -> None:
        """Refuse another model or graph; an empty string is not compared.

        Raises:
            EngineError: the plan was measured on another one.
        """
        for what, mine, yours in (
            ("model file", self.model_sha256, model_sha256),
            ("graph", self.structure_digest, structure_digest),
        ):
            if yours and mine != yours:
                raise EngineError(
                    f"model {self.recipe}: its precision plan was measured on another {what} "
                    f"(SHA-256 {mine[:12]}..., this one {yours[:12]}...); measure again: "
                    f"edged calibrate precision {self.recipe}"
                )


def find_plan_file(recipe_id: str, site: Path | None = None) -> Path | None:
    """The file that counts: the operator's, else the site's, else the shipped one.

    Args:
        recipe_id: of the model.
        site: `calibration` folder of the state folder.
    """
    folders = [OPERATOR, *([site] if site else []), data_folder("calibration")]
    for folder in folders:
        path = folder / "precision" / f"{recipe_id}.toml"
        if os.access(path, os.F_OK):
            return path
    return None


def load_plan(recipe_id: str, site: Path | None = None) -> PrecisionPlan | None:
    """The plan of a model, or None where nobody has measured one.

    Raises:
        ConfigError: the file that counts is not valid.
    """
    path = find_plan_file(recipe_id, site)
    return read_plan(path, recipe_id) if path else None


def read_plan(path: Path, recipe_id: str = "") -> PrecisionPlan:
    """The plan in one file.

    Args:
        path: of the file.
        recipe_id: that it must be for; empty for any.

    Raises:
        ConfigError: with every problem of the file.
    """
    walk = tables.Walk(base=path.parent, root=PrecisionPlan)
    plan = tables.build(PrecisionPlan, tables.read(path), walk)
    if not walk.problems and recipe_id and plan.recipe != recipe_id:
        walk.bad("recipe", f'must be "{recipe_id}", as the file is called', plan.recipe)
    if not walk.problems:
        for i, one in enumerate(plan.rescale):
            if (one.kind == "power") != bool(one.exponent):
                walk.bad(f"rescale[{i}].exponent", 'goes with kind "power", and is not 0 there')
    if walk.problems:
        cure = "correct it, or measure again: edged calibrate precision"
        raise ConfigError(*(f"{path}: {problem}; {cure}" for problem in walk.problems))
    return plan


def write_plan(plan: PrecisionPlan, path: Path) -> None:
    """Write the file whole or not at all.

    Raises:
        OperatorError: the folder cannot be written.
    """
    try:
        write_fresh(path, as_toml(plan).encode())
    except OSError as error:
        raise OperatorError(
            f"{path}: the precision plan cannot be written: {error.strerror}; "
            "correct the folder's owner and space, or say --out"
        ) from error


def as_toml(plan: PrecisionPlan) -> str:
    """The text of the file."""
    lines = [
        "# A precision plan: measured by `edged calibrate precision`; measure again rather",
        "# than edit it.",
        "",
    ]
    data: dict[str, Any] = msgspec.to_builtins(plan)
    lines += [f"{key} = {_value(data[key])}" for key in ("recipe", "model_sha256")]
    lines += [f"structure_digest = {_value(plan.structure_digest)}", "fp32_nodes = ["]
    lines += [f"    {_value(node)}," for node in plan.fp32_nodes] + ["]"]
    for one in data["rescale"]:
        lines += ["", "[[rescale]]"]
        lines += [f"{key} = {_value(value)}" for key, value in one.items() if value != 0]
    if plan.figures:
        figures = data["figures"]
        versions = figures.pop("versions")
        lines += ["", "[figures]"]
        lines += [f"{key} = {_value(value)}" for key, value in figures.items() if value is not None]
        lines += ["", "[figures.versions]"]
        lines += [f"{_value(key)} = {_value(value)}" for key, value in versions.items()]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """A TOML value; JSON's strings, numbers and booleans are TOML's but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
