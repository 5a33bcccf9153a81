"""How large the numbers in a network get: the largest absolute value of every float tensor.

Measured in FP32 on onnxruntime's CPU.  The reduction happens inside the graph (ReduceMin
and ReduceMax), so that a run gives two numbers a tensor and memory stays flat; only the
larger absolute value is kept, never a crop or an activation.  Ranges of several runs merge
by maximum, which is what lets a live pipeline stream its crops (:class:`LiveRanges`).

Knows graphs and numbers; knows no precision.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper

from edged.errors import EngineError
from edged.runtime.graph.tools import clone
from edged.runtime.precision.cpu import CpuRun, Feeds
from edged.runtime.precision.lift import lifted
from edged.runtime.precision.nodes import element_types, fresh, names, put_behind

OUTPUTS_A_PASS = 1024
"""Tensors watched in one run: each is read at once and keeps nothing alive but a number."""

_SUM = "__sum_of_all"
"""Ends the names of sums that are looked at for NaN and not kept."""

_SAME = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""The output has the input's numbers, all of them."""


@dataclass(frozen=True)
class Ranges:
    """Largest |x| by tensor, over some runs.

    Attributes:
        peaks: by tensor name, finite.
        runs: how many runs were merged.
    """

    peaks: Mapping[str, float] = field(default_factory=dict)
    runs: int = 0

    def merged(self, other: Ranges) -> Ranges:
        """The larger of both, tensor by tensor."""
        peaks = dict(self.peaks)
        for name, peak in other.peaks.items():
            peaks[name] = max(peak, peaks.get(name, 0.0))
        return Ranges(peaks, self.runs + other.runs)


class LiveRanges:
    """Ranges of crops that a running pipeline hands over, one call after the other.

    A call runs the FP32 graph on the CPU and merges one number a tensor; the arrays that it
    was given are not kept, copied or written anywhere.  May be called from one thread while
    another takes snapshots.

    Args:
        model: prepared FP32 graph, lifted or not; not changed.
        threads: of onnxruntime; 0 for as many as there are cores.

    Raises:
        EngineError, ModelError: it cannot be run here.
    """

    def __init__(self, model: onnx.ModelProto, *, threads: int = 0) -> None:
        source = lifted(model)
        floats, self._same = _floats(source)
        self._passes = [
            (CpuRun(watched, threads=threads), tensors)
            for watched, tensors in _watched(source, floats)
        ]
        self._lock = threading.Lock()
        self._ranges = Ranges()

    def update(self, feeds: Feeds) -> None:
        """Merge the ranges of one run.

        Raises:
            EngineError: the network gives numbers that are not finite in FP32 already.
        """
        peaks: dict[str, float] = {}
        for run, tensors in self._passes:
            for probe, value in run(feeds).items():
                # Extremes may pass a NaN over; a sum of what comes out at the end does not.
                if not np.isfinite(value):
                    raise EngineError(
                        f"the network gives no finite numbers in FP32 (tensor "
                        f"{tensors[probe]}): a damaged model file, or one of another contract; "
                        "run: edged models verify"
                    )
                if not probe.endswith(_SUM):
                    name = tensors[probe]
                    peaks[name] = max(peaks.get(name, 0.0), abs(float(value)))
        for name, source in self._same.items():
            peaks[name] = peaks[source]
        with self._lock:
            self._ranges = self._ranges.merged(Ranges(peaks, 1))

    def snapshot(self) -> Ranges:
        """What was seen so far."""
        with self._lock:
            return self._ranges


def measure(
    model: onnx.ModelProto,
    feeds: Iterable[Feeds],
    *,
    threads: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> Ranges:
    """Ranges over several feeds.

    Args:
        model: prepared FP32 graph, lifted or not.
        feeds: one run each.
        threads: of onnxruntime.
        progress: called after each run.
    """
    live = LiveRanges(model, threads=threads)
    for one in feeds:
        live.update(one)
        progress()
    return live.snapshot()


def _floats(model: onnx.ModelProto) -> tuple[list[str], dict[str, str]]:
    """The float tensors to watch, and those that have the numbers of another one."""
    types = element_types(model)
    watched = [one.name for one in model.graph.input if types.get(one.name) == TensorProto.FLOAT]
    same: dict[str, str] = {}
    known = set(watched)
    for node in model.graph.node:
        for name in node.output:
            if types.get(name) != TensorProto.FLOAT:
                continue
            source = node.input[0] if node.op_type in _SAME and node.input else ""
            if same.get(source, source) in known:
                same[name] = same.get(source, source)
            else:
                watched.append(name)
                known.add(name)
    return watched, same


def _watched(
    model: onnx.ModelProto, tensors: Sequence[str]
) -> Iterable[tuple[onnx.ModelProto, dict[str, str]]]:
    """Copies of the graph whose outputs are the extremes: (graph, output -> tensor)."""
    types = element_types(model)
    ends = [one.name for one in model.graph.output if types[one.name] == TensorProto.FLOAT]
    for start in range(0, len(tensors), OUTPUTS_A_PASS):
        watched = clone(model)
        taken = names(watched)
        del watched.graph.output[:]
        found: dict[str, str] = {}
        added: dict[str, list[onnx.NodeProto]] = {}

        def probe(kind: str, name: str, end: str) -> None:
            node = helper.make_node(kind, [name], [end], keepdims=0)
            added.setdefault(name, []).append(node)  # noqa: B023 - used within the turn
            info = helper.make_tensor_value_info(end, TensorProto.FLOAT, [])
            watched.graph.output.append(info)  # noqa: B023 - likewise
            found[end] = name  # noqa: B023 - likewise

        for name in ends:
            probe("ReduceSum", name, f"{name}{_SUM}")
        for name in tensors[start : start + OUTPUTS_A_PASS]:
            for kind in ("ReduceMin", "ReduceMax"):
                probe(kind, name, fresh(f"{name}__{kind}", taken))
        put_behind(watched, added)
        yield watched, found
