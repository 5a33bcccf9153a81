"""From a model file to the graph that a builder reads, and to what it is called.

    file -> prepared FP32 graph -> (its plan applied) -> the builder's graph

Runs in a worker process: the whole model is in memory here.  Knows recipes and plans; the
steps are :mod:`edged.runtime.graph`'s and :mod:`edged.runtime.precision`'s.
"""

from __future__ import annotations

from collections.abc import Callable

import onnx

from edged.errors import EngineError, ModelError
from edged.runtime.build.profile import profile_of
from edged.runtime.build.subject import Model, Subject, read_model
from edged.runtime.graph.prepare import prepare_owned
from edged.runtime.graph.proof import draw_feeds, is_batched, prove_batch
from edged.runtime.graph.tools import structure_digest
from edged.runtime.onnx import OnnxSession
from edged.runtime.precision.convert import to_mixed
from edged.runtime.precision.plan import PrecisionPlan, read_plan

Tell = Callable[[str, float], None]
"""Progress: phase, and share of it."""

_PROOF_FACES = 2


def prepared_graph(model: Model, batched: bool, tell: Tell) -> onnx.ModelProto:
    """The prepared FP32 graph of a model file.

    Args:
        model: which.
        batched: whether it may take several faces in a run.
        tell: progress.

    Raises:
        ModelError: the file is no ONNX, or not of its family.
        EngineError: the file was replaced meanwhile.
    """
    tell("read the model", 0.0)
    raw = read_model(model)
    try:
        proto = onnx.load_from_string(raw)
    except Exception as error:
        raise ModelError(
            f"model {model.id}: {model.path.name} is no ONNX file; run `edged models verify`"
        ) from error
    del raw
    tell("prepare the graph", 0.0)
    recipe = model.recipe
    return prepare_owned(
        proto,
        model_id=model.id,
        family=recipe.family,
        contract=recipe.contract,
        batched=batched,
    ).model


def describe(model: Model, tell: Tell) -> Subject:
    """What there is to build.

    A graph that mixes faces up in a batch is taken for one face a run.
    """
    if model.recipe.batch.max > 1:
        prepared = prepared_graph(model, True, tell)
        if _keeps_faces_apart(prepared, model, tell):
            return _finished(model, prepared, True, tell)[0]
        tell("faces mix: prepare for one", 0.0)
        return final_graph(model, False, tell)[0]
    return final_graph(model, True, tell)[0]


def final_graph(model: Model, batched: bool, tell: Tell) -> tuple[Subject, onnx.ModelProto]:
    """The graph for the builder, and what is known of it."""
    return _finished(model, prepared_graph(model, batched, tell), batched, tell)


def _keeps_faces_apart(prepared: onnx.ModelProto, model: Model, tell: Tell) -> bool:
    if model.recipe.kind == "detector":  # one picture a run
        return True
    tell("prove the batch", 0.0)
    with OnnxSession(prepared.SerializeToString(), model_id=model.id) as session:
        return not is_batched(session) or prove_batch(session, draw_feeds(session, _PROOF_FACES)).ok


def _finished(
    model: Model, prepared: onnx.ModelProto, batched: bool, tell: Tell
) -> tuple[Subject, onnx.ModelProto]:
    graph = structure_digest(prepared)
    plan, note = _plan(model, graph)
    profile = profile_of(prepared, model.recipe.batch)
    one_face = next(iter(profile.inputs.values())).max[0] == 1
    if one_face and model.recipe.kind != "detector" and model.recipe.batch.max > 1:
        note = f"{note}; one face a run, because the graph does not keep several apart"
    source = prepared
    if plan is not None:
        tell("convert to half precision", 0.0)
        source = to_mixed(prepared, plan)
    subject = Subject(
        graph=graph,
        batched=batched,
        plan=plan.digest if plan else "",
        source=structure_digest(source) if plan else graph,
        precision="fp16" if plan else "fp32",
        note=note,
        profile=profile,
    )
    return subject, source


def _plan(model: Model, graph: str) -> tuple[PrecisionPlan | None, str]:
    """The plan that applies, and why it or none does."""
    path = model.plan_file
    if path is None:
        return None, model.without_half
    plan = read_plan(path, model.id)
    try:
        plan.require(model_sha256=model.sha256, structure_digest=graph)
    except EngineError as error:
        return None, str(error)
    made = f"by the plan of {plan.figures.date}" if plan.figures else "by its plan"
    share = f", {plan.figures.fp16_macs_share:.0%} of the multiply-adds" if plan.figures else ""
    return plan, f"{made}{share}; {len(plan.fp32_nodes)} nodes stay FP32"
