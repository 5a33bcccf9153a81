"""Ranges: right, merged, and nothing of the crops stays."""

from __future__ import annotations

import gc
import sys
import weakref

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from precision_kit import crops, model, node, norm_net, run

from edged.errors import EngineError
from edged.runtime.graph.tools import clone
from edged.runtime.precision import ranges as range_module
from edged.runtime.precision.lift import lifted
from edged.runtime.precision.ranges import LiveRanges, Ranges, measure

FLOAT = TensorProto.FLOAT


def test_every_float_tensor_has_its_largest_absolute_value() -> None:
    """Against the values themselves, made outputs of a copy."""
    source = lifted(norm_net())
    found = measure(source, [crops(1)]).peaks
    shown = clone(source)
    del shown.graph.output[:]
    floats = [name for one in source.graph.node for name in one.output if name != "swapped"]
    shown.graph.output.extend([onnx.ValueInfoProto(name=name) for name in floats])
    values = run(shown, crops(1))
    assert set(found) == set(floats)
    for name in floats:
        assert found[name] == pytest.approx(np.max(np.abs(values[name])), rel=1e-6)


def test_several_runs_merge_by_maximum() -> None:
    """In any order, as a live pipeline brings them."""
    source = norm_net()
    one, two = measure(source, [crops(1)]), measure(source, [crops(2)])
    both = measure(source, [crops(2), crops(1)])
    assert both == one.merged(two) == two.merged(one)
    assert both.runs == 2


def test_a_large_graph_is_watched_in_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of outputs of one run is bounded, and nothing is missed."""
    whole = measure(norm_net(), [crops(1)])
    monkeypatch.setattr(range_module, "OUTPUTS_A_PASS", 3)
    assert measure(norm_net(), [crops(1)]) == whole


def test_a_probe_stands_right_behind_what_it_reads() -> None:
    """At the end of the graph it would keep every activation alive until then."""
    source = lifted(norm_net())
    ((watched, _),) = range_module._watched(source, range_module._floats(source)[0])
    made: dict[str, int] = {}
    for i, one in enumerate(watched.graph.node):
        if one.op_type in {"ReduceMin", "ReduceMax"}:
            assert i - made[one.input[0]] <= 3  # ReduceMin, ReduceMax, the sum at an end
        made.update(dict.fromkeys(one.output, i))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_network_that_is_not_finite_in_fp32_is_refused(wrong: float) -> None:
    """A damaged file, found before a plan is made of it."""
    nodes = [node("Mul", ["x", "c"], ["a"]), node("Relu", ["a"], ["b"])]
    source = model(
        [*nodes, node("Add", ["b", "a"], ["y"])],
        {"x": (FLOAT, [1, 4])}, {"y": (FLOAT, [1, 4])},
        {"c": np.array([1, wrong, 1, 1], np.float32)},
    )  # fmt: skip
    with pytest.raises(EngineError, match="edged models verify"):
        measure(source, [{"x": np.ones((1, 4), np.float32)}])


def test_live_ranges_keep_numbers_and_nothing_of_the_crops() -> None:
    """No reference to a crop, no array at all; only scalars by tensor name."""
    live = LiveRanges(norm_net())
    feeds = crops(1)
    crop = feeds["crops"]
    before = sys.getrefcount(crop)
    live.update(feeds)
    assert sys.getrefcount(crop) == before
    gone = weakref.ref(crop)
    del feeds, crop
    gc.collect()
    assert gone() is None
    kept = live.snapshot()
    assert all(type(name) is str and type(peak) is float for name, peak in kept.peaks.items())
    seen, waiting = set(), [vars(live)]
    while waiting:
        for one in gc.get_referents(waiting.pop()):
            if id(one) not in seen and not isinstance(one, type) and type(one).__module__ in {
                "builtins", "numpy", range_module.__name__, "edged.runtime.precision.cpu",
            }:  # fmt: skip
                seen.add(id(one))
                waiting.append(one)
                assert not isinstance(one, np.ndarray)


def test_an_error_of_a_run_shows_nothing_of_the_crops() -> None:
    """Wrong shapes are said without values."""
    live = LiveRanges(norm_net())
    with pytest.raises(EngineError) as caught:
        live.update({"crops": np.full((1, 5, 5, 3), 213, np.uint8)})
    assert "213" not in str(caught.value)


def test_nothing_seen_yet_is_an_empty_range() -> None:
    """A snapshot before the first crop."""
    assert LiveRanges(norm_net()).snapshot() == Ranges({}, 0)
