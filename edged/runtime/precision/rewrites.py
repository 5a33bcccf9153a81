"""Chooses which rewrites a graph needs, and proves each in FP32.

A convolution that would leave FP16's range is rescaled rather than kept in FP32.  Knows
ranges and graphs; tries no precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from edged.errors import EdgedError
from edged.runtime.graph.tools import static_shapes
from edged.runtime.precision import ranges as range_files
from edged.runtime.precision.cpu import Feeds
from edged.runtime.precision.halves import FP16_TINY
from edged.runtime.precision.macs import macs
from edged.runtime.precision.nodes import MAC_OPS
from edged.runtime.precision.plan import Rescale
from edged.runtime.precision.ranges import Ranges
from edged.runtime.precision.rescale import rescaled
from edged.runtime.precision.style import style_candidates
from edged.runtime.precision.subject import SAFE, SMALL, Subject
from edged.runtime.precision.trial import Bench

_TARGET = 128.0
"""What a rescaled output's largest value becomes: its squares fit FP16 as well."""

_MOST = 24


@dataclass(frozen=True)
class Survey:
    """Makes a :class:`Subject` of a graph by measuring it.

    Attributes:
        model: the original graph.
        feeds: one run each.
        threads: of onnxruntime.
        base: ranges of the original graph on these feeds.
        wider: ranges of that graph on other crops, or None.
        progress: called after each run.
    """

    model: onnx.ModelProto
    feeds: Sequence[Feeds]
    threads: int
    base: Ranges
    wider: Ranges | None
    progress: Callable[[], None]

    @staticmethod
    def start(
        model: onnx.ModelProto,
        feeds: Sequence[Feeds],
        wider: Ranges | None,
        threads: int,
        progress: Callable[[], None],
    ) -> Survey:
        """Measure the original graph."""
        base = range_files.measure(model, feeds, threads=threads, progress=progress)
        return Survey(model, feeds, threads, base, wider, progress)

    def of(self, model: onnx.ModelProto) -> Subject:
        """The subject of that graph or of a rewritten one."""
        shapes = {name: value.shape for name, value in self.feeds[0].items()}
        found = self.base
        if model is not self.model:
            found = range_files.measure(
                model, self.feeds, threads=self.threads, progress=self.progress
            )
        return Subject(model, macs(model, shapes), static_shapes(model, shapes), self._grown(found))

    def _grown(self, found: Ranges) -> Ranges:
        """Ranges as those other crops would make them: larger by as much as there."""
        if self.wider is None:
            return found
        peaks = dict(found.peaks)
        for name, peak in peaks.items():
            here, there = self.base.peaks.get(name, 0.0), self.wider.peaks.get(name, 0.0)
            if here > 0:
                peaks[name] = peak * max(1.0, there / here)
        return Ranges(peaks, found.runs + self.wider.runs)


def choose(subject: Subject, survey: Survey, bench: Bench) -> tuple[tuple[Rescale, ...], Subject]:
    """The rewrites that help and are right, and the subject after them."""
    model = subject.model
    chosen: tuple[Rescale, ...] = ()
    for find in (_styles, _powers):
        wished = tuple(find(subject))
        kept = _proven(model, chosen, wished, bench)
        if kept:
            chosen += kept
            subject = survey.of(rescaled(model, chosen))
    return chosen, subject


def _proven(
    model: onnx.ModelProto, before: tuple[Rescale, ...], wished: Sequence[Rescale], bench: Bench
) -> tuple[Rescale, ...]:
    """Those that leave the FP32 graph's answers as they were: all, or one by one."""
    if not wished or _same(model, (*before, *wished), bench):
        return tuple(wished)
    kept: tuple[Rescale, ...] = ()
    for one in wished:
        if _same(model, (*before, *kept, one), bench):
            kept += (one,)
    return kept


def _same(model: onnx.ModelProto, rewrites: Sequence[Rescale], bench: Bench) -> bool:
    try:
        return bench.same(rescaled(model, rewrites))
    except EdgedError:  # it does not fit this graph
        return False


def _styles(subject: Subject) -> list[Rescale]:
    """Styles whose way meets values too large or too small."""
    found = []
    for key, way in style_candidates(subject.model).items():
        outputs = [
            name
            for label, node in zip(subject.labels, subject.model.graph.node, strict=True)
            if label in way
            for name in node.output
        ]
        if any(subject.beyond(name) or 0 < subject.peak(name) < SMALL for name in outputs):
            found.append(Rescale(kind="style", node=key))
    return found


def _powers(subject: Subject) -> list[Rescale]:
    """Convolutions in regions of too large values that would cost multiply-adds in FP32."""
    found: dict[int, Rescale] = {}
    seen: set[int] = set()
    for i, node in enumerate(subject.model.graph.node):
        if i in seen or not any(subject.beyond(name) for name in node.output):
            continue
        region = _region(subject, i)
        seen |= region
        if not any(subject.heavy(j) for j in region):
            continue
        for j in region:
            exponent = _exponent(subject, j)
            if exponent:
                label = subject.labels[j]
                found[j] = Rescale(kind="power", node=label, exponent=exponent)
    return [found[j] for j in sorted(found)]


def _region(subject: Subject, start: int) -> set[int]:
    """Nodes that are joined by too large values, those that only read one included."""
    region, waiting = {start}, [start]
    while waiting:
        node = subject.node(waiting.pop())
        near = {
            j for name in node.output if subject.beyond(name) for j in subject.read.get(name, [])
        }
        near |= {subject.made[n] for n in node.input if subject.beyond(n) and n in subject.made}
        waiting += near - region
        region |= near
    return region


def _exponent(subject: Subject, i: int) -> int:
    """By how much a node's output must shrink; 0 where it cannot or need not."""
    node = subject.node(i)
    if node.op_type not in MAC_OPS or node.input[1] not in subject.constants:
        return 0
    largest = subject.peak(node.output[0])
    if not subject.beyond(node.output[0]):
        return 0
    wanted = min(_MOST, math.ceil(math.log2(largest / _TARGET)))
    # Where large inputs make the output large, the weights are small already: they shrink
    # only as far as FP16 has all of its bits for most of them.
    weight = numpy_helper.to_array(subject.constants[node.input[1]]).astype(np.float64)
    size = float(np.sqrt(np.mean(weight**2)))
    possible = min(wanted, math.floor(math.log2(size / (4 * FP16_TINY)))) if size else 0
    return possible if possible > 0 and largest / 2**possible <= SAFE else 0
