"""Finds the precision plan of a model: rescale, keep what ranges forbid, then search.

1. Ranges in FP32; rewrites that keep heavy convolutions in FP16, each proven in FP32.
2. What the ranges (with a margin) forbid stays in FP32, most of it norms and sums.
3. If per-op rounding still errs too much, more stays in FP32: first nodes without
   multiply-adds, then convolutions, where the error grows most first; by halving, so that
   few nodes are added for few trials.
4. The figures are measured on feeds that the search did not see.

Knows graphs, feeds and bounds; knows no files and no recipes.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import onnx

from edged.runtime.graph.tools import structure_digest
from edged.runtime.precision.cpu import Feeds
from edged.runtime.precision.hunt import Budget, Hunt
from edged.runtime.precision.lift import lifted
from edged.runtime.precision.metrics import Bound, Embed, Error
from edged.runtime.precision.plan import Figures, PrecisionPlan, Rescale
from edged.runtime.precision.ranges import Ranges
from edged.runtime.precision.rewrites import Survey, choose
from edged.runtime.precision.trial import Bench, fp16_share


@dataclass(frozen=True)
class Report:
    """What a search found.

    Attributes:
        structure_digest: of the prepared graph.
        fp32_nodes: keys of the nodes that stay in FP32, in the graph's order.
        rescale: rewrites.
        reasons: why, for the nodes that ranges alone forbid.
        plain: error of FP16 everywhere, on the test feeds.
        planned: error of the plan, on the test feeds.
        fp16_macs_share: of the plan.
        met: whether the plan is within the bound and the share.
        trials: how many were run.
    """

    structure_digest: str
    fp32_nodes: tuple[str, ...]
    rescale: tuple[Rescale, ...]
    reasons: Mapping[str, str]
    plain: Error
    planned: Error
    fp16_macs_share: float
    met: bool
    trials: int

    def as_data(self, recipe: str) -> dict[str, Any]:
        """For JSON: figures of plain FP16 and of the plan, and the plan.

        Figures that a model does not have, and the PSNR of numbers that are not finite,
        are null.
        """
        return {
            "recipe": recipe,
            "plain_fp16": {**_figures(self.plain), "finite": self.plain.finite},
            "planned": {
                **_figures(self.planned),
                "finite": self.planned.finite,
                "fp16_macs_share": round(self.fp16_macs_share, 4),
                "fp32_nodes": list(self.fp32_nodes),
            },
            "rescale": [msgspec.to_builtins(one) for one in self.rescale],
            "reasons": dict(self.reasons),
            "met": self.met,
            "trials": self.trials,
            "versions": versions(),
        }

    def plan(self, recipe: str, model_sha256: str, measured_on: str) -> PrecisionPlan:
        """The plan's file.

        Args:
            recipe: id of the model's recipe.
            model_sha256: of the model file.
            measured_on: which crops, in words.
        """
        return PrecisionPlan(
            recipe=recipe,
            model_sha256=model_sha256,
            structure_digest=self.structure_digest,
            fp32_nodes=self.fp32_nodes,
            rescale=self.rescale,
            figures=Figures(
                fp16_macs_share=round(self.fp16_macs_share, 4),
                plain_finite=self.plain.finite,
                measured_on=measured_on,
                date=dt.datetime.now(dt.timezone.utc).date().isoformat(),
                plain_psnr_db=_figures(self.plain)["psnr_db"],
                **_figures(self.planned),
                versions=versions(),
            ),
        )


Progress = Callable[[str, float], None]
"""Takes what is done now, and which share of it is done."""


def find_plan(
    model: onnx.ModelProto,
    search_feeds: Sequence[Feeds],
    test_feeds: Sequence[Feeds],
    *,
    bound: Bound,
    budget: Budget | None = None,
    embed: Embed | None = None,
    wider: Ranges | None = None,
    progress: Progress = lambda _text, _share: None,
) -> Report:
    """Search a plan.

    Args:
        model: prepared FP32 graph; not changed.
        search_feeds: what the search measures on; one run each, of one shape.
        test_feeds: others, for the figures.
        bound: how far the answers may be from FP32's.
        budget: how much may be tried.
        embed: recogniser for pictures; without one they have no cosine.
        wider: ranges of this graph on other crops: the site's own, or extremes that are no
            faces any more and have no figures.
        progress: told what happens.

    Raises:
        EngineError, ModelError: the graph cannot be run or measured here.
    """
    budget = budget or Budget()
    source = lifted(model)
    done = _Count(progress)
    done("measure ranges", len(search_feeds))
    bench = Bench.of(source, search_feeds, embed, budget.threads)
    survey = Survey.start(source, search_feeds, wider, budget.threads, done)
    first = survey.of(source)
    done("rescale", 2 * len(search_feeds))
    rewrites, subject = choose(first, survey, bench)
    done("search", budget.trials)
    hunt = Hunt(subject, bench, bound, budget, done)
    fp32 = hunt.run()
    done("measure the plan", 2)
    test = Bench.of(source, test_feeds, embed, budget.threads)
    planned = test.error(subject.model, fp32)
    done()
    plain = test.error(source, ())
    share = fp16_share(subject.model, subject.macs, fp32)
    order = [key for key in subject.labels if key in fp32]
    return Report(
        structure_digest(model),
        tuple(order),
        rewrites,
        hunt.reasons,
        plain,
        planned,
        share,
        bound.met_by(planned) and share >= budget.fp16_macs_share_min,
        bench.runs,
    )


@dataclass
class _Count:
    """Counts runs for the progress."""

    progress: Progress
    text: str = ""
    total: int = 1
    runs: int = 0

    def __call__(self, text: str = "", total: int = 1) -> None:
        """Begin something of so many runs, or count one run of it."""
        if text:
            self.text, self.total, self.runs = text, total, 0
        else:
            self.runs += 1
        self.progress(self.text, min(1.0, self.runs / self.total))


def _figures(error: Error) -> dict[str, float | None]:
    """Rounded figures under their names in a plan."""
    return {
        "psnr_db": _digits(error.psnr_db, 2) if error.finite else None,
        "cosine": _digits(error.cosine, 7),
        "score_error": _digits(error.score, 5),
        "box_error_px": _digits(error.box_px, 3),
    }


def _digits(value: float | None, count: int) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, count)


def versions() -> dict[str, str]:
    """Of what measures."""
    import onnxruntime  # noqa: PLC0415 - a GPU box may have none for the CPU

    from edged import __version__  # noqa: PLC0415 - the package itself

    return {
        "edged": __version__,
        "numpy": np.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
    }
