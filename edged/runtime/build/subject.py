"""What an engine is to be made of: a model file, its graph, its precision plan.

The digests of the graphs need the whole model in memory, so a worker process finds them
out (:mod:`edged.runtime.build.worker`) and a memo beside the engines keeps the answer for
as long as nothing that led to it has changed.  Knows recipes, plan files and the memo.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from edged import __version__
from edged.errors import EngineError, OperatorError
from edged.fresh_file import write_fresh
from edged.hashes import file_sha256
from edged.recipe import Recipe
from edged.runtime.backend import Profile
from edged.runtime.precision.plan import find_plan_file

MEMO = "graph.json"

_SHAPING = ("kind", "family", "contract", "batch", "precision", "embedding_dim")
"""The keys of a recipe that shape its graph, its extents or its bounds."""


@dataclass(frozen=True)
class Model:
    """A model file that is here.

    Attributes:
        recipe: what it is.
        path: of the file.
        sha256: of the file, as the model store knows it.
        calibration: the site's folder of plans; None: only the operator's and ours.
    """

    recipe: Recipe
    path: Path
    sha256: str
    calibration: Path | None = None

    @property
    def id(self) -> str:
        """Of the recipe."""
        return self.recipe.id

    @property
    def plan_file(self) -> Path | None:
        """The precision plan that counts; None: there is none, or the recipe wants none."""
        if self.recipe.precision.half == "no":
            return None
        return find_plan_file(self.id, self.calibration)

    @property
    def without_half(self) -> str:
        """Why it is FP32 where there is no plan, with what to do."""
        if self.recipe.precision.half == "no":
            return 'its recipe says precision.half = "no"'
        return f"it has no precision plan; make one: edged calibrate precision {self.id}"


class Subject(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a worker found out of a model.

    Attributes:
        graph: digest of the prepared FP32 graph.
        batched: whether it was prepared for several faces a run.
        plan: digest of the plan that applies; empty: none does.
        source: digest of the graph for the builder.
        precision: "fp16" or "fp32".
        note: why, in one sentence.
        profile: extents that an engine takes.
    """

    graph: str
    batched: bool
    plan: str
    source: str
    precision: str
    note: str
    profile: Profile


class Memo(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A subject, and all that it was found out from."""

    model_sha256: str
    recipe: str
    plan_file: str
    code: str
    subject: Subject


def recipe_digest(recipe: Recipe) -> str:
    """SHA-256 over what shapes an engine or its acceptance; not over titles and terms."""
    plain = msgspec.to_builtins(recipe)
    plain["precision"].pop("note")
    shaping = {key: plain[key] for key in _SHAPING}
    return hashlib.sha256(msgspec.json.encode(shaping, order="sorted")).hexdigest()


@functools.cache
def code_digest() -> str:
    """SHA-256 over edged's code that makes graphs, and the version of the ONNX package.

    Only the memo depends on it, not an engine: a new edged that makes the same graph as
    the old one keeps the engines.
    """
    digest = hashlib.sha256(__version__.encode())
    with contextlib.suppress(PackageNotFoundError):
        digest.update(version("onnx").encode())
    runtime = Path(__file__).resolve().parent.parent
    for folder in (runtime / "graph", runtime / "precision"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.name}:{file_sha256(path)};".encode())
    return digest.hexdigest()


def subject_of(model: Model, folder: Path, find_out: Callable[[Model], Subject]) -> Subject:
    """What there is to build of a model.

    Args:
        model: whose.
        folder: of the model's engines, where the memo is.
        find_out: asks a worker, when the memo does not tell.
    """
    plan = model.plan_file
    wanted = {
        "model_sha256": model.sha256,
        "recipe": recipe_digest(model.recipe),
        "plan_file": file_sha256(plan) if plan else "",
        "code": code_digest(),
    }
    known = _recall(folder / MEMO)
    if known is not None and all(getattr(known, key) == value for key, value in wanted.items()):
        return known.subject
    subject = find_out(model)
    _note(folder / MEMO, Memo(**wanted, subject=subject))
    return subject


def _recall(path: Path) -> Memo | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Memo)
    except (OSError, msgspec.MsgspecError):  # it only saves time
        return None


def _note(path: Path, memo: Memo) -> None:
    with contextlib.suppress(OSError):  # else it only costs some seconds at each start
        write_fresh(path, msgspec.json.encode(memo))


def require_half(model: Model, subject: Subject) -> None:
    """Refuse FP32 where FP16 was asked for.

    Raises:
        EngineError: with the cure.
    """
    if subject.precision != "fp16":
        raise EngineError(f"model {model.id} cannot be built in half precision: {subject.note}")


def read_model(model: Model) -> bytes:
    """The bytes of a model file, which are those that were asked for.

    Raises:
        OperatorError: it cannot be read.
        EngineError: the file was changed since it was looked at.
    """
    try:
        raw = model.path.read_bytes()
    except OSError as error:
        raise OperatorError(
            f"{model.path} cannot be read ({error.strerror}): correct its mode or owner"
        ) from error
    found = hashlib.sha256(raw).hexdigest()
    if found != model.sha256:
        raise EngineError(
            f"model {model.id}: {model.path.name} was replaced (SHA-256 {found[:12]}..., not "
            f"{model.sha256[:12]}...); run `edged models verify {model.id}`, then build again"
        )
    return raw
