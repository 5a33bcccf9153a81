"""What ranges alone keep in FP32, on a detector."""

from __future__ import annotations

from edged.commands import calibrating
from edged.recipe import list_recipes
from edged.runtime.precision.hunt import Budget
from edged.runtime.precision.search import find_plan


def test_a_detector_s_places_are_computed_in_fp32() -> None:
    """A box is right to a fraction of a pixel, though FP16 counts in whole ones from 1024 on."""
    subject = calibrating.made(list_recipes()["det_10g"], 0, 1 / 16)
    feeds = calibrating.generated(subject, 1, 1)
    report = find_plan(
        subject.graph, feeds, feeds, bound=subject.bound, budget=Budget(trials=4, threads=1)
    )
    behind = {node.name for node in subject.graph.graph.node if node.name.startswith("post/")}
    floats = {name for name, reason in report.reasons.items() if "pixels" in reason}
    assert floats
    assert floats <= behind
    assert {"post/boxes", "post/landmarks"} & behind <= set(report.fp32_nodes)
    assert report.planned.box_px is not None
    assert report.planned.box_px < 0.3
