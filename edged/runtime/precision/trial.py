"""Tries sets of FP32 nodes: error against FP32 with per-op rounding, on given feeds.

Knows how a trial is run and what it costs; decides nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edged.runtime.graph.tools import clone
from edged.runtime.precision.convert import mixed
from edged.runtime.precision.cpu import CpuRun, Feeds
from edged.runtime.precision.halves import Typing
from edged.runtime.precision.metrics import Embed, Error, compare
from edged.runtime.precision.nodes import element_types, fresh, keys, names, put_behind
from edged.runtime.precision.rounding import rounded

_SAMPLES = 2048
"""Entries of a tensor that stand for it when errors along the network are compared."""

Outputs = Mapping[str, NDArray[Any]]


@dataclass
class Bench:
    """Feeds with their FP32 answers, and what compares with these.

    Attributes:
        feeds: one run each.
        exact: FP32's outputs, run by run.
        embed: recogniser for pictures, or None.
        threads: of onnxruntime.
        runs: trials so far.
    """

    feeds: Sequence[Feeds]
    exact: Sequence[Outputs]
    embed: Embed | None = None
    threads: int = 0
    runs: int = field(default=0)

    @staticmethod
    def of(
        model: onnx.ModelProto, feeds: Sequence[Feeds], embed: Embed | None, threads: int
    ) -> Bench:
        """Run the FP32 graph once on every feed."""
        run = CpuRun(model, threads=threads)
        return Bench(feeds, [run(one) for one in feeds], embed, threads)

    def same(self, model: onnx.ModelProto) -> bool:
        """Whether another FP32 graph computes the same: no picture off by more than rounding.

        Numbers may differ by 1e-3 of their size, pictures by one level in few places.
        """
        run = CpuRun(model, threads=self.threads)
        return all(
            _alike(exact, run(one)) for exact, one in zip(self.exact, self.feeds, strict=True)
        )

    def error(self, model: onnx.ModelProto, fp32_nodes: Collection[str]) -> Error:
        """The worst error over the feeds, of a lifted graph with these nodes in FP32."""
        self.runs += 1
        run = CpuRun(rounded(mixed(model, fp32_nodes)), threads=self.threads)
        worst: Error | None = None
        for exact, one in zip(self.exact, self.feeds, strict=True):
            error = compare(exact, run(one), self.embed)
            worst = error if worst is None else worst.worse(error)
        assert worst is not None, "a bench has feeds"
        return worst


def fp16_share(
    model: onnx.ModelProto, macs: Mapping[str, int], fp32_nodes: Collection[str]
) -> float:
    """Share of the multiply-adds that are in FP16."""
    typing = Typing.of(model, fp32_nodes)
    half = sum(
        macs.get(key, 0)
        for key, is_half in zip(keys(model.graph.node), typing.half, strict=True)
        if is_half
    )
    return half / max(1, sum(macs.values()))


def losses(
    model: onnx.ModelProto, fp32_nodes: Collection[str], feeds: Feeds, threads: int
) -> dict[str, float]:
    """Tensor -> relative error (of the root mean square) there, of the mixed graph.

    Not finite values give infinity.  Both graphs run once, and each gives a sample of every
    tensor, so that memory stays flat.
    """
    types = element_types(model)
    floats = [
        name
        for node in model.graph.node
        for name in node.output
        if types.get(name) == TensorProto.FLOAT
    ]
    other = rounded(mixed(model, fp32_nodes))
    made = {name for node in other.graph.node for name in node.output}
    floats = [name for name in floats if name in made]
    exact = CpuRun(_sampled(model, floats), threads=threads)(feeds)
    given = CpuRun(_sampled(other, floats), threads=threads)(feeds)
    found: dict[str, float] = {}
    for name, a, b in zip(floats, exact.values(), given.values(), strict=True):
        size = float(np.sqrt(np.mean(np.square(a, dtype=np.float64)))) if a.size else 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.square(a.astype(np.float64) - b.astype(np.float64))
        error = float(np.sqrt(np.mean(off))) if a.size else 0.0
        found[name] = error / size if size and np.isfinite(error) else (np.inf if error else 0.0)
    return found


def _sampled(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """A copy whose outputs are evenly spread entries of these tensors."""
    out = clone(model)
    taken = names(out)
    graph = out.graph
    del graph.output[:]

    def constant(values: Sequence[int]) -> str:
        name = fresh("sample_constant", taken)
        graph.initializer.append(numpy_helper.from_array(np.asarray(values, np.int64), name))
        return name

    added: dict[str, list[onnx.NodeProto]] = {}
    flat, zero, samples, one = (constant([i]) for i in (-1, 0, _SAMPLES, 1))
    for tensor in tensors:
        line, size, over, step, some = (fresh(f"{tensor}__{part}", taken) for part in "lsoed")
        added[tensor] = [
            helper.make_node("Reshape", [tensor, flat], [line]),
            helper.make_node("Shape", [line], [size]),
            helper.make_node("Div", [size, samples], [over]),
            helper.make_node("Add", [over, one], [step]),
            helper.make_node("Slice", [line, zero, size, zero, step], [some]),
        ]
        graph.output.append(helper.make_tensor_value_info(some, TensorProto.FLOAT, [None]))
    put_behind(out, added)
    return out


def _alike(exact: Outputs, other: Outputs) -> bool:
    for name, value in exact.items():
        if value.dtype == np.uint8:
            off = np.abs(value.astype(np.int16) - other[name])
            if off.max(initial=0) > 1 or np.mean(off) > 0.02:
                return False
        elif not np.allclose(value, other[name], rtol=1e-3, atol=1e-3):
            return False
    return True
