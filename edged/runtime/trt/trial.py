"""Loads and runs a plan in a process of its own, before the daemon does.

A plan that does not fit, a damaged one or a driver in a bad state kill the process that
deserialises (a segmentation fault was seen); that must be the trial's.  A build leaves
the trial's report beside the plan, so that a daemon need not repeat it at every start: the
engine's manifest covers both files, and it is void when driver, GPU or TensorRT changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

import msgspec

from edged.errors import EngineError
from edged.runtime.child import ask_child

FILE: Final = "trial.json"
"""The report's name, in the plan's folder."""

TIMEOUT_S: Final = 300.0
"""Half a gigabyte from a slow card, and the first CUDA context of a small board."""

_SCRIPT: Final = """
import json, sys
asked = json.load(sys.stdin)
sys.path[:] = asked["path"]
from edged.runtime.trt.trial_child import answer
answer(asked["plan"], asked["model_id"])
"""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a trial has shown.

    Attributes:
        plan_bytes: size of the plan that was tried.
        problem: why it cannot be used; "" when it loaded and ran.
        layers: of the engine, after TensorRT fused what it could; 0 when not told.
        half_layers: those of them that put out half precision, going by TensorRT's own
            description; a fused block counts by what it puts out.
    """

    plan_bytes: int
    problem: str = ""
    layers: int = 0
    half_layers: int = 0


def run(plan: Path, model_id: str) -> Report:
    """Try a plan; never raises for a bad one."""
    try:
        size_bytes = plan.stat().st_size
    except OSError as error:
        return Report(plan_bytes=0, problem=f"{plan.name} cannot be read ({error.strerror})")
    asked = {"path": sys.path, "plan": str(plan), "model_id": model_id}
    answer = ask_child(_SCRIPT, json.dumps(asked), TIMEOUT_S)
    for line in reversed(answer.said.splitlines()):
        try:
            return msgspec.json.decode(line, type=Report)
        except msgspec.MsgspecError:  # noqa: PERF203 - libraries print what they like
            continue
    problem = (
        f"its engine crashes who loads it ({answer.ended}); build it again: edged engines build "
        f"{model_id} --force, and if it comes back: edged doctor"
    )
    return Report(plan_bytes=size_bytes, problem=problem)


def write(plan: Path, model_id: str) -> Report:
    """Try a plan and leave the report beside it.

    Raises:
        OSError: the report cannot be written.
    """
    report = run(plan, model_id)
    plan.with_name(FILE).write_bytes(msgspec.json.encode(report))
    return report


def require(plan: Path, model_id: str) -> None:
    """See that a plan may be loaded here: by the report beside it, or else by a trial.

    Raises:
        EngineError: it crashed or failed.
    """
    report = _left(plan) or run(plan, model_id)
    if report.problem:
        raise EngineError(f"model {model_id}: {report.problem}")


def _left(plan: Path) -> Report | None:
    """The report beside the plan if it is good news about this very plan."""
    try:
        report = msgspec.json.decode(plan.with_name(FILE).read_bytes(), type=Report)
        fits = report.plan_bytes == plan.stat().st_size
    except (OSError, msgspec.MsgspecError):
        return None
    return report if fits and not report.problem else None
