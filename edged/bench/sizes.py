"""`edged bench --models synthetic`: networks of the real size, and a pipeline of them.

Puts the measurements together into one report.  Knows what is measured, not how.
"""

from __future__ import annotations

from collections.abc import Sequence

from edged.bench import networks, whole
from edged.bench.frames import Case
from edged.bench.machine import describe_machine, describe_versions
from edged.bench.networks import Progress, Wish
from edged.bench.openings import Opening
from edged.bench.runner import one_thread
from edged.bench.size_report import WEIGHTS, SizeDoc


def run(
    wish: Wish,
    runtime: Opening,
    cases: Sequence[Case] = (),
    *,
    threads: int = 0,
    settings: dict[str, str] | None = None,
    resident: bool = False,
    progress: Progress = lambda _what, _done, _all: None,
) -> SizeDoc:
    """Measure.

    Args:
        wish: networks, runs and plans.
        runtime: that works here.
        cases: frames for the whole pipeline; none: it is not measured.
        threads: of the CPU's sessions, for the report.
        settings: of the runtime, for the report.
        resident: frames stay on the runtime's device.
        progress: told what is done.

    Raises:
        ConfigError, EngineError, ModelError: a network cannot be made or run.
    """
    models = networks.measure(wish, runtime, progress)
    with one_thread():
        frames = whole.measure(cases, wish, runtime, progress, resident=resident)
    machine = describe_machine() | {"threads": threads, "runs": wish.runs}
    named = {"seed": str(wish.seed), "width": f"{wish.width:g}", **(settings or {})}
    return SizeDoc(
        machine=machine,
        versions=describe_versions(),
        runtime={"name": runtime.name, **runtime.identity},
        weights=WEIGHTS,
        networks=named,
        models=models,
        frames=frames,
    )
