"""The search: each trap of half precision found, kept small, and measured on unseen crops."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from precision_kit import crops, instance_norm, norm_net, picture_in, picture_out, run

from edged.onnx_writer import Graph
from edged.runtime.precision.convert import to_mixed
from edged.runtime.precision.hunt import Budget
from edged.runtime.precision.metrics import Bound, compare
from edged.runtime.precision.ranges import Ranges, measure
from edged.runtime.precision.rounding import rounded
from edged.runtime.precision.search import Report, find_plan

BUDGET = Budget(trials=24, threads=1)
NORM = {"reducemean", "sub", "mul", "add", "sqrt", "div"}


def search(model: onnx.ModelProto, **more: object) -> Report:
    settings = {"bound": Bound(), "budget": BUDGET, **more}
    feeds = [crops(1), crops(2)], [crops(3), crops(4)]
    return find_plan(model, *feeds, **settings)  # type: ignore[arg-type]


def kinds(report: Report) -> set[str]:
    return {key.rpartition("_")[0] for key in report.fp32_nodes}


def test_plain_networks_need_nothing() -> None:
    """A plan keeps no node without a reason."""
    report = search(norm_net(epsilon=1e-3))
    assert report.met
    assert not report.rescale
    assert set(report.fp32_nodes) == set(report.reasons)
    assert kinds(report) <= {"reducemean"}  # of the check: a mean over all of the picture
    assert report.fp16_macs_share == 1.0


def test_large_squares_keep_the_norm_and_no_convolution_in_fp32() -> None:
    """Values of 1500 have squares of two million."""
    report = search(norm_net(gain=300.0))
    assert not report.plain.finite or report.plain.psnr_db < 25
    assert report.met
    assert report.planned.psnr_db >= 48
    assert kinds(report) <= NORM
    assert report.fp16_macs_share == 1.0


def test_a_convolution_beyond_the_range_is_rescaled_rather_than_kept() -> None:
    """Its output passes 65504 and a norm follows: a power of two in its weights."""
    report = search(norm_net(gain=3e5))
    assert report.met
    assert [(one.kind, one.node) for one in report.rescale] == [("power", "conv_5")]
    assert report.fp16_macs_share == 1.0


def test_small_weights_are_not_rescaled_to_nothing() -> None:
    """Where inputs of 10000 make the output large, the weights have no room to shrink."""
    rng = np.random.default_rng(5)
    graph = Graph()
    wide = graph.constant(rng.standard_normal((16, 3, 3, 3)) * 2000)
    value = graph.op("Relu", graph.op("Conv", picture_in(graph), wide, pads=[1] * 4))
    small = graph.constant(rng.standard_normal((16, 16, 3, 3)) * 2e-4 + 2e-4)
    offset = graph.constant(np.full(16, 6e4))
    value = graph.op("Conv", value, small, offset, to="large", pads=[1] * 4)
    last = graph.constant(rng.standard_normal((3, 16, 1, 1)) / 4)
    value = graph.op("Conv", instance_norm(graph, value), last)
    report = search(picture_out(graph, value), budget=Budget(fp16_macs_share_min=0.1, threads=1))
    assert "conv_7" in report.fp32_nodes
    assert "conv_7" not in {one.node for one in report.rescale}
    assert report.met


def test_an_offset_that_the_norm_takes_away_again_is_found() -> None:
    """A mean of 500 times the spread leaves 2 of 11 bits; the convolution stays in FP32."""
    source = norm_net()
    (conv,) = (node for node in source.graph.node if node.name == "conv_5")
    offset = np.linspace(-3000, 3000, 8).astype(np.float32)
    source.graph.initializer.append(numpy_helper.from_array(offset, "offset"))
    conv.input.append("offset")
    report = search(source, budget=Budget(fp16_macs_share_min=0.5, threads=1))
    assert report.met
    assert "conv_5" in report.fp32_nodes
    assert report.reasons["conv_5"] == "a small difference is taken of its output"


def test_dead_channels_do_not_divide_by_a_lost_epsilon() -> None:
    """Channels without weights: variance 0, and 1e-8 is 0 in FP16."""
    source = norm_net()
    (weight,) = (one for one in source.graph.initializer if list(one.dims) == [8, 3, 3, 3])
    values = numpy_helper.to_array(weight).copy()
    values[:2] = 0
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    assert search(source).met


def fan(depth: int = 5) -> onnx.ModelProto:
    """Convolutions whose results nearly cancel in a sum of many: no range shows it."""
    rng = np.random.default_rng(7)
    graph = Graph()
    value = picture_in(graph)
    total = value
    for i in range(depth):
        kernel = graph.constant(rng.standard_normal((3, 3, 3, 3)) * 40)
        large = graph.op("Conv", value, kernel, to=f"large{i}", pads=[1] * 4)
        twin = graph.op("Mul", large, graph.constant(-0.999))
        total = graph.op("Add", total, graph.op("Add", large, twin))
    return picture_out(graph, graph.op("Tanh", total))


def test_what_ranges_do_not_show_is_found_by_trials() -> None:
    """Errors that grow along the way: more nodes go to FP32 until the bound is met."""
    bound = Bound()
    budget = Budget(trials=24, fp16_macs_share_min=0.0, threads=1)
    report = search(fan(), bound=bound, budget=budget)
    assert report.met
    assert report.plain.psnr_db < 45
    assert set(report.fp32_nodes) - set(report.reasons)
    assert report.trials <= 24


def test_a_search_ends_with_its_trials_and_says_when_it_failed() -> None:
    """A bound that nothing in FP16 meets: the best is reported, and that it is not met."""
    bound, budget = Bound(psnr_db_min=90.0), Budget(trials=3, threads=1)
    report = search(norm_net(gain=300.0), bound=bound, budget=budget)
    assert not report.met
    assert report.trials <= 3
    assert report.planned.psnr_db >= report.plain.psnr_db


def test_the_plan_makes_the_graph_that_was_measured() -> None:
    """Written, converted and rounded again: the same error on the same crops."""
    source = norm_net(gain=3e5)
    report = search(source)
    plan = report.plan("small", "0" * 64, "small crops")
    made = rounded(to_mixed(source, plan))
    error = compare(run(source, crops(3)), run(made, crops(3)))
    again = error.worse(compare(run(source, crops(4)), run(made, crops(4))))
    assert again.psnr_db == pytest.approx(report.planned.psnr_db)
    assert plan.figures.fp16_macs_share == report.fp16_macs_share
    assert set(plan.figures.versions) >= {"edged", "onnx", "onnxruntime"}


def test_ranges_of_other_crops_count_as_well() -> None:
    """A site's own crops may go further than the generated ones: the convolution is rescaled."""
    source = norm_net(gain=20.0)
    usual = measure(source, [crops(1), crops(2)])
    wider = Ranges({name: peak * 1000 for name, peak in usual.peaks.items()}, 1)
    assert not search(source).rescale
    report = search(source, wider=wider)
    assert [one.node for one in report.rescale] == ["conv_5"]
    assert report.met


def test_progress_is_told_phase_by_phase() -> None:
    """Shares from 0 to 1, and names for people."""
    told: list[tuple[str, float]] = []
    search(norm_net(gain=300.0), progress=lambda text, share: told.append((text, share)))
    phases = list(dict.fromkeys(text for text, _ in told))
    assert phases == ["measure ranges", "rescale", "search", "measure the plan"]
    assert all(0 <= share <= 1 for _, share in told)


def test_reasons_are_sentences_for_people() -> None:
    """Every node that ranges forbid has one."""
    reasons = search(norm_net(gain=300.0)).reasons
    squares = next(key for key in reasons if key.startswith("mul"))
    assert reasons[squares] == "its output comes near FP16's largest number"
