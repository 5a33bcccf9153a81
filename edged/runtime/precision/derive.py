"""Which nodes ranges alone forbid to be FP16, each with the reason.

What a search on a few crops cannot see, a margin can: a value that comes near 65504 on one
crop passes it on another.  So every rule leaves room.  Knows graphs and ranges; measures
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from edged.runtime.graph.tools import attribute
from edged.runtime.precision.halves import FP16_TINY
from edged.runtime.precision.nodes import MAC_OPS, MOVES
from edged.runtime.precision.style import PREFIX
from edged.runtime.precision.subject import SAFE, SMALL, Subject

_CANCELS = 32
"""A difference this much smaller than what it is of has lost 5 of 11 bits."""

_PEAK_SIGMAS = 4
"""Standard deviations that the largest of some thousand values is away."""

_SUMS = frozenset({"GlobalAveragePool", "ReduceL1", "ReduceMean", "ReduceSum", "ReduceSumSquare"})
_AVERAGES = frozenset({"GlobalAveragePool", "ReduceMean"})
_NORMS = frozenset({"GroupNormalization", "InstanceNormalization", "LayerNormalization"})
_SQUARES = frozenset({"Mul", "Pow"})
_ROOTS = frozenset({"Div", "Pow", "Reciprocal", "Sqrt"}) | MOVES

Rule = Callable[[Subject, int, onnx.NodeProto], Iterable[tuple[int, str]]]


def at_risk(subject: Subject) -> dict[str, str]:
    """Keys of the nodes that stay in FP32 -> why; in the graph's order."""
    found: dict[int, str] = {}
    for i, node in enumerate(subject.model.graph.node):
        for rule in _RULES:
            for j, reason in rule(subject, i, node):
                if subject.typing.half[j] or subject.labels[j] not in subject.typing.forced:
                    found.setdefault(j, reason)
    for i in between(subject, found):
        found[i] = "it lies between nodes that stay in FP32"
    return {subject.labels[i]: found[i] for i in sorted(found)}


def _too_large(subject: Subject, i: int, node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """Makes or reads a value that FP16 may not hold."""
    if any(subject.beyond(name) for name in node.output):
        yield i, "its output comes near FP16's largest number"
    elif any(subject.beyond(name) for name in node.input):
        yield i, "it reads a value near FP16's largest number"


def _too_small(subject: Subject, i: int, node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """Makes a value that loses its bits below 2**-14."""
    largest = max((subject.peak(name) for name in node.output), default=0.0)
    if 0.0 < largest < SMALL and not subject.heavy(i):
        yield i, "its output is too small for FP16"


def _long_sum(subject: Subject, i: int, node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """A sum that a kernel may keep in FP16; a mean is one before it is divided."""
    if node.op_type not in _SUMS:
        return
    before, after = (subject.shapes.get(name) for name in (node.input[0], node.output[0]))
    if before is None or after is None:
        return
    terms = math.prod(before) / max(1, math.prod(after))
    total = subject.peak(node.output[0]) * (terms if node.op_type in _AVERAGES else 1)
    if total > SAFE:
        yield i, "its sum comes near FP16's largest number"


def _norm(subject: Subject, i: int, node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """A norm squares and adds up inside."""
    if node.op_type not in _NORMS:
        return
    peak, shape = subject.peak(node.input[0]), subject.shapes.get(node.input[0], ())
    if node.op_type == "LayerNormalization":
        axis = attribute(node, "axis", -1)
        terms = math.prod(shape[axis if isinstance(axis, int) else -1 :])
    else:
        terms = math.prod(shape[2:])
    if peak**2 > SAFE or terms * (peak / _PEAK_SIGMAS) ** 2 > SAFE:
        yield i, "the squares inside come near FP16's largest number, or their sum does"


def _cancels(subject: Subject, i: int, node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """A small difference of large values, and what makes these."""
    if node.op_type != "Sub":
        return
    for name in node.input:
        if subject.peak(name) > _CANCELS * subject.peak(node.output[0]) > 0:
            yield i, "it is a small difference of large values"
            source = subject.made.get(name)
            while source is not None and subject.node(source).op_type in MOVES:
                yield source, "a small difference is taken of its output"
                source = subject.made.get(subject.node(source).input[0])
            if source is not None:
                yield source, "a small difference is taken of its output"


def _epsilon(subject: Subject, i: int, node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """An epsilon that FP16 loses, and the root and quotient that it guards."""
    if node.op_type != "Add":
        return
    least = min((_least(subject, name) for name in node.input), default=math.inf)
    if least >= FP16_TINY:
        return
    yield i, "its epsilon is lost in FP16"
    norm = set(_centred_power(subject, i))
    for j in norm:
        yield j, "it is a part of a norm whose quotient is in FP32"
    quotient = 1 / math.sqrt(least) if least > 0 else math.inf
    for j in _onward(subject, i, _ROOTS):
        yield j, "an epsilon guards it"
        for k in _factors(subject, j):
            if norm & {subject.made.get(name) for name in subject.node(k).input}:
                yield k, "it is a part of a norm whose quotient is in FP32"
            elif quotient > SAFE:
                yield k, "it reads a quotient that an epsilon alone may bound"


def _factors(subject: Subject, i: int) -> Iterable[int]:
    """Products that read a quotient."""
    if subject.node(i).op_type in {"Reciprocal", "Pow", "Div"}:
        for name in subject.node(i).output:
            yield from (j for j in subject.read.get(name, []) if subject.node(j).op_type == "Mul")


def _centred_power(subject: Subject, i: int) -> Iterable[int]:
    """Mean, difference, square and mean of the square before an epsilon, if that is there.

    The quotient needs the difference in FP32 anyway; with these four in FP32 the whole norm
    is one island: a cast before it, and one behind.
    """

    def maker(names: Iterable[str], kinds: frozenset[str]) -> int | None:
        made = (subject.made[name] for name in names if name in subject.made)
        return next((j for j in made if subject.node(j).op_type in kinds), None)

    power = maker(subject.node(i).input, _AVERAGES)
    square = None if power is None else maker(subject.node(power).input, _SQUARES)
    centred = None if square is None else maker(subject.node(square).input, frozenset({"Sub"}))
    if power is None or square is None or centred is None:
        return
    yield from (power, square, centred)
    mean = maker(subject.node(centred).input, _AVERAGES)
    if mean is not None:
        yield mean


def _least(subject: Subject, name: str) -> float:
    """A constant's largest entry, or 0 for an epsilon that a rewritten style computes."""
    constant = subject.constants.get(name)
    if constant is not None and constant.data_type == TensorProto.FLOAT:
        return float(np.max(np.abs(numpy_helper.to_array(constant)), initial=0.0)) or math.inf
    source = subject.made.get(name)
    computed = source is not None and subject.labels[source].startswith(PREFIX)
    return 0.0 if computed else math.inf


def _weak_weights(subject: Subject, i: int, node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """A weight whose entries are mostly below FP16's full precision."""
    if node.op_type not in MAC_OPS or subject.heavy(i):
        return
    constant = subject.constants.get(node.input[1])
    if constant is not None and constant.data_type == TensorProto.FLOAT:
        value = numpy_helper.to_array(constant).astype(np.float64)
        if 0 < float(np.sqrt(np.mean(value**2))) < 4 * FP16_TINY:
            yield i, "its weights are too small for FP16"


def _style(subject: Subject, i: int, _: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """The few numbers a sample that a rewritten style is divided with."""
    if subject.labels[i].startswith(PREFIX):
        yield i, "it divides a style by its largest entry"


def _pixels(subject: Subject, i: int, _node: onnx.NodeProto) -> Iterable[tuple[int, str]]:
    """Places of a detector are pixels up to 1280, where FP16 counts in steps of 1.

    What is behind the network is ours, named `post/` (see :mod:`edged.runtime.graph.prepare`),
    and costs no multiply-adds.
    """
    outputs = {value.name for value in subject.model.graph.output}
    if "boxes" in outputs and subject.labels[i].startswith("post/"):
        yield i, "it computes with pixels"


_RULES: tuple[Rule, ...] = (
    _too_large, _too_small, _long_sum, _norm, _cancels, _epsilon, _weak_weights, _style, _pixels,
)  # fmt: skip


def _onward(subject: Subject, start: int, kinds: frozenset[str]) -> Iterable[int]:
    """Nodes that follow without another kind between."""
    waiting, seen = [start], {start}
    while waiting:
        for name in subject.node(waiting.pop()).output:
            for j in subject.read.get(name, []):
                if j not in seen and subject.node(j).op_type in kinds:
                    seen.add(j)
                    waiting.append(j)
                    yield j


def between(subject: Subject, fp32: Iterable[int]) -> set[int]:
    """Nodes without multiply-adds that join FP32 nodes to one island: fewer casts.

    Args:
        subject: the graph.
        fp32: positions of the nodes that stay in FP32.

    Returns:
        Positions of those that come after one of them and before nothing else.
    """
    kept = set(fp32)
    joined: set[int] = set()
    nodes = subject.model.graph.node
    changed = True
    while changed:
        changed = False
        for i, node in enumerate(nodes):
            if i in kept or node.op_type in MAC_OPS or not subject.typing.half[i]:
                continue
            before = any(subject.made.get(name) in kept for name in node.input)
            after = [j for name in node.output for j in subject.read.get(name, [])]
            if before and after and all(j in kept for j in after):
                kept.add(i)
                joined.add(i)
                changed = True
    return joined
