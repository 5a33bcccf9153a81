"""The other side of a trial: loads one plan, runs it once on zeros, prints a report."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from edged.errors import EdgedError
from edged.runtime.trt.engine import Engine
from edged.runtime.trt.session import TrtSession
from edged.runtime.trt.trial import Report

_HALF: Final = re.compile(r"\b(half|fp16|float16)\b", re.IGNORECASE)
"""How TensorRT's versions write the type in an engine's description."""


def answer(plan: str, model_id: str) -> None:
    """Print one report; a crash before that is the asker's to see."""
    report = _try(Path(plan), model_id)
    sys.stdout.write("\n" + msgspec.json.encode(report).decode() + "\n")
    sys.stdout.flush()


def _try(plan: Path, model_id: str) -> Report:
    size_bytes = plan.stat().st_size
    try:
        with TrtSession(plan, model_id=model_id, vouched=True) as session:
            engine = session.engine
            feeds = {
                entry.spec.name: np.zeros(entry.usual, entry.spec.dtype) for entry in engine.inputs
            }
            for _ in range(2):  # by itself, then as a CUDA graph
                session.run(feeds)
            layers, half_layers = count_layers(describe(engine))
    except EdgedError as error:
        problem = str(error).removeprefix(f"model {model_id}: ")
        return Report(plan_bytes=size_bytes, problem=problem)
    return Report(plan_bytes=size_bytes, layers=layers, half_layers=half_layers)


def describe(engine: Engine) -> str:
    """TensorRT's description of the engine's layers, JSON; "" when it gives none."""
    trt: Any = engine.trt
    inspector = engine.handle.create_engine_inspector()
    if inspector is None:
        return ""
    return str(inspector.get_engine_information(trt.LayerInformationFormat.JSON))


def count_layers(description: str) -> tuple[int, int]:
    """Layers, and those whose outputs are in half precision, of a description.

    A layer is a table with its outputs' formats where the plan was built with detailed
    verbosity, else only a name, which says nothing of types.
    """
    try:
        layers = json.loads(description)["Layers"]
    except (ValueError, KeyError, TypeError):
        return 0, 0
    tables = [entry for entry in layers if isinstance(entry, dict)]
    half = [table for table in tables if _HALF.search(json.dumps(table.get("Outputs", "")))]
    return len(layers), len(half)
